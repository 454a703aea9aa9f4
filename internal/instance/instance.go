// Package instance derives one coherent EC2 instance from a configuration. Pure functions compute what the configuration
// leaves out, so that values are the same in each run and in each place that shows them.
package instance

import (
	"cmp"
	"maps"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

// Instance holds the values of the metadata tree. Empty values are absent.
type Instance struct {
	ID             string
	ImageID        string
	Type           string
	Architecture   string
	System         string // nitro or xen
	ReservationID  string
	AMILaunchIndex int
	LifeCycle      string
	Monitoring     string // enabled or disabled
	// PendingTime is when the instance was last launched, to the second, UTC.
	PendingTime  time.Time
	ProductCodes []string

	AccountID          string
	Region             string
	AvailabilityZone   string
	AvailabilityZoneID string
	Partition          string
	Domain             string // DNS suffix of AWS services
	GroupName          string
	HostID             string
	PartitionNumber    int

	Hostname       string // private
	PublicHostname string
	// Interfaces are the network interfaces; the first is device 0, whose addresses are those of the instance.
	Interfaces []Interface

	KeyPairs     []KeyPair
	BlockDevices map[string]string // ami, root, ebs1 … → device
	// Tags is nil unless the metadata options enable instance tags.
	Tags     map[string]string
	UserData []byte // nil: none

	// Role is the name of the instance profile and of its role; "" without an instance profile.
	Role       string
	ProfileARN string
	ProfileID  string
}

// KeyPair is a public key given at launch.
type KeyPair struct {
	Name      string
	PublicKey string // one line in OpenSSH's format
}

// New derives the instance that a valid configuration describes. userData is the instance's user data, nil for none.
func New(c *config.Instance, userData []byte) *Instance {
	id := c.EC2.InstanceID
	partition := config.Partition(c.AWS.Region)
	in := &Instance{
		ID:             id,
		ImageID:        c.EC2.ImageID,
		Type:           c.EC2.InstanceType,
		Architecture:   c.EC2.Architecture,
		System:         system(c.EC2.InstanceType),
		ReservationID:  cmp.Or(c.EC2.ReservationID, hexID("r-", id)),
		AMILaunchIndex: c.EC2.AMILaunchIndex,
		LifeCycle:      c.EC2.LifeCycle,
		Monitoring:     c.EC2.Monitoring,
		PendingTime:    pendingTime(c.EC2.PendingTime, id),
		ProductCodes:   c.EC2.ProductCodes,

		AccountID:          c.AWS.AccountID,
		Region:             c.AWS.Region,
		AvailabilityZone:   c.AWS.AvailabilityZone,
		AvailabilityZoneID: cmp.Or(c.AWS.AvailabilityZoneID, zoneID(c.AWS.Region, c.AWS.AvailabilityZone)),
		Partition:          cmp.Or(c.AWS.Partition, partition),
		Domain:             cmp.Or(c.AWS.Domain, config.PartitionDomain(cmp.Or(c.AWS.Partition, partition))),
		GroupName:          c.EC2.Placement.GroupName,
		HostID:             c.EC2.Placement.HostID,
		PartitionNumber:    c.EC2.Placement.PartitionNumber,

		BlockDevices: map[string]string{"ami": rootDevice, "root": rootDevice},
		UserData:     userData,
	}
	in.Interfaces = interfaces(c, in)
	in.Hostname, in.PublicHostname = in.Interfaces[0].Hostname, in.Interfaces[0].PublicHostname
	maps.Copy(in.BlockDevices, c.EC2.BlockDevices)
	for _, k := range c.EC2.KeyPairs {
		in.KeyPairs = append(in.KeyPairs, KeyPair(k))
	}
	if c.EC2.MetadataOptions.InstanceMetadataTags == "enabled" {
		in.Tags = c.EC2.Tags
	}
	if in.Role = RoleOf(c); in.Role != "" {
		partition, account := in.Partition, in.AccountID
		if c.Credentials.IAMRole != "" {
			partition, account = arnField(c.Credentials.IAMRole, 1), arnField(c.Credentials.IAMRole, 4)
		}
		in.ProfileARN = "arn:" + partition + ":iam::" + account + ":instance-profile/" + in.Role
		in.ProfileID = profileID(in.ProfileARN)
	}
	return in
}

// RoleOf returns the name under which the service lists credentials: the name of the IAM role or, without one, of the
// source profile. It returns "" without an instance profile.
func RoleOf(c *config.Instance) string {
	if c.Credentials.IAMRole != "" {
		return RoleName(c.Credentials.IAMRole)
	}
	return c.Credentials.SourceProfile
}

// rootDevice is the root device of Amazon's HVM images.
const rootDevice = "/dev/xvda"

// RoleName returns the name in a role's ARN, without the path, as in the ARN of an assumed role.
func RoleName(arn string) string {
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

// arnField returns the n-th colon-separated part of an ARN, counted from 0, or "".
func arnField(arn string, n int) string {
	if parts := strings.Split(arn, ":"); n < len(parts) {
		return parts[n]
	}
	return ""
}

// system returns the virtualisation of an instance type: Nitro unless the family is listed here (EC2 user guide, "Amazon
// EC2 instance types").
func system(instanceType string) string {
	family, size, _ := strings.Cut(instanceType, ".")
	if strings.HasPrefix(size, "metal") {
		return "nitro" // all bare metal types
	}
	switch family {
	case "t1", "t2", "m1", "m2", "m3", "m4", "c1", "c3", "c4", "r3", "r4", "x1", "x1e", "i2", "i3", "d2", "h1", "hs1",
		"g2", "g3", "g3s", "p2", "p3", "f1", "cc2", "cr1":
		return "xen"
	}
	return "nitro"
}
