package tree

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mock-ec2-metadata/internal/instance"
)

// leaf is the answer of one path, in all versions that have it.
type leaf struct {
	kind  Kind
	value string
}

// leaves maps paths below the version to leaves.
type leaves map[string]leaf

// text adds a value unless it is empty: what an instance lacks is absent.
func (l leaves) text(path, value string) {
	if value != "" {
		l[path] = leaf{value: value}
	}
}

// lines adds a list, one value a line, unless it is empty.
func (l leaves) lines(path string, values []string) { l.text(path, strings.Join(values, "\n")) }

// first adds the first value of a list, unless it is empty.
func (l leaves) first(path string, values []string) {
	if len(values) > 0 {
		l.text(path, values[0])
	}
}

// leavesOf returns all values of an instance (imds-reference section 5).
func leavesOf(in *instance.Instance) leaves {
	l := leaves{}
	first := &in.Interfaces[0]
	l.text("meta-data/ami-id", in.ImageID)
	l.text("meta-data/ami-launch-index", strconv.Itoa(in.AMILaunchIndex))
	l.text("meta-data/ami-manifest-path", "(unknown)") // as for AMIs on EBS
	l.text("meta-data/events/maintenance/history", "[]")
	l.text("meta-data/events/maintenance/scheduled", "[]")
	l.text("meta-data/hostname", in.Hostname)
	l.text("meta-data/identity-credentials/ec2/info", statusDocument(in.PendingTime, "AccountId", in.AccountID))
	l.text("meta-data/instance-action", "none")
	l.text("meta-data/instance-id", in.ID)
	l.text("meta-data/instance-life-cycle", in.LifeCycle)
	l.text("meta-data/instance-type", in.Type)
	l.first("meta-data/ipv6", first.IPv6s)
	l.text("meta-data/local-hostname", in.Hostname)
	l.first("meta-data/local-ipv4", first.LocalIPv4s)
	l.text("meta-data/mac", first.MAC)
	l.text("meta-data/metrics/vhostmd", `<?xml version="1.0" encoding="UTF-8"?>`)
	l.text("meta-data/placement/availability-zone", in.AvailabilityZone)
	l.text("meta-data/placement/availability-zone-id", in.AvailabilityZoneID)
	l.text("meta-data/placement/group-name", in.GroupName)
	l.text("meta-data/placement/host-id", in.HostID)
	l.text("meta-data/placement/region", in.Region)
	l.lines("meta-data/product-codes", in.ProductCodes)
	l.text("meta-data/profile", "default-hvm")
	l.text("meta-data/public-hostname", in.PublicHostname)
	l.first("meta-data/public-ipv4", first.PublicIPv4s)
	l.text("meta-data/reservation-id", in.ReservationID)
	l.lines("meta-data/security-groups", first.SecurityGroups)
	l.text("meta-data/services/domain", in.Domain)
	l.text("meta-data/services/partition", in.Partition)
	l.text("meta-data/system", in.System)
	l.text("dynamic/fws/instance-monitoring", in.Monitoring)
	l.text(documentPath, string(in.IdentityDocument()))
	if in.PartitionNumber > 0 {
		l.text("meta-data/placement/partition-number", strconv.Itoa(in.PartitionNumber))
	}
	for i, key := range in.KeyPairs {
		// The only value with a final newline.
		l.text(fmt.Sprintf("meta-data/public-keys/%d/openssh-key", i), strings.TrimSpace(key.PublicKey)+"\n")
	}
	for name, device := range in.BlockDevices {
		l.text("meta-data/block-device-mapping/"+name, device)
	}
	for key, value := range in.Tags {
		l["meta-data/tags/instance/"+key] = leaf{value: value} // may be empty
	}
	for i := range in.Interfaces {
		l.network(&in.Interfaces[i])
	}
	for _, name := range [...]string{"pkcs7", "rsa2048", "signature"} {
		l[identityDir+name] = leaf{Signature, name}
	}
	if in.UserData != nil {
		l[userDataPath] = leaf{UserData, string(in.UserData)}
	}
	l.iam(in)
	return l
}

const (
	identityDir  = "dynamic/instance-identity/"
	documentPath = identityDir + "document"
	userDataPath = "user-data"
)

// network adds the values of one interface.
func (l leaves) network(n *instance.Interface) {
	dir := "meta-data/network/interfaces/macs/" + n.MAC + "/"
	l.text(dir+"device-number", strconv.Itoa(n.DeviceNumber))
	l.text(dir+"interface-id", n.ID)
	l.lines(dir+"ipv4-prefix", n.IPv4Prefixes)
	l.lines(dir+"ipv6-prefix", n.IPv6Prefixes)
	l.lines(dir+"ipv6s", n.IPv6s)
	l.text(dir+"local-hostname", n.Hostname)
	l.lines(dir+"local-ipv4s", n.LocalIPv4s)
	l.text(dir+"mac", n.MAC)
	l.text(dir+"network-card", strconv.Itoa(n.NetworkCard))
	l.text(dir+"owner-id", n.OwnerID)
	l.text(dir+"public-hostname", n.PublicHostname)
	l.lines(dir+"public-ipv4s", n.PublicIPv4s)
	l.lines(dir+"security-group-ids", n.SecurityGroupIDs)
	l.lines(dir+"security-groups", n.SecurityGroups)
	l.text(dir+"subnet-id", n.SubnetID)
	l.text(dir+"subnet-ipv4-cidr-block", n.SubnetIPv4CIDRBlock)
	l.lines(dir+"subnet-ipv6-cidr-blocks", n.SubnetIPv6CIDRBlocks)
	l.text(dir+"vpc-id", n.VPCID)
	l.first(dir+"vpc-ipv4-cidr-block", n.VPCIPv4CIDRBlocks)
	l.lines(dir+"vpc-ipv4-cidr-blocks", n.VPCIPv4CIDRBlocks)
	l.lines(dir+"vpc-ipv6-cidr-blocks", n.VPCIPv6CIDRBlocks)
	for i := range min(len(n.PublicIPv4s), len(n.LocalIPv4s)) {
		l.text(dir+"ipv4-associations/"+n.PublicIPv4s[i], n.LocalIPv4s[i])
	}
}

// iam adds the values of the instance profile.
func (l leaves) iam(in *instance.Instance) {
	if in.Role == "" {
		return
	}
	l.text("meta-data/iam/info", statusDocument(in.PendingTime, "InstanceProfileArn", in.ProfileARN, "InstanceProfileId", in.ProfileID))
	l["meta-data/iam/security-credentials/"+in.Role] = leaf{kind: Credentials}
	l["meta-data/iam/security-credentials-extended/"+in.Role] = leaf{kind: ExtendedCredentials}
}

// statusDocument encodes a JSON document as the service does, starting with Code and LastUpdated (imds-reference section 6).
func statusDocument(updated time.Time, keysAndValues ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : %q", updated.UTC().Format("2006-01-02T15:04:05Z"))
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		quoted, err := json.Marshal(keysAndValues[i+1])
		if err != nil {
			panic(err) // a string always marshals
		}
		fmt.Fprintf(&b, ",\n  %q : %s", keysAndValues[i], quoted)
	}
	b.WriteString("\n}")
	return b.String()
}
