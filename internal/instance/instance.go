// Package instance makes one coherent EC2 instance out of a configuration: everything that the configuration leaves out
// is derived from what it says, by pure functions, so that it is the same from run to run and everywhere it shows.
package instance

import (
	"maps"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

// Instance is what the metadata tree tells about the machine. Empty values are absent.
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
	Domain             string // of AWS's services
	GroupName          string
	HostID             string
	PartitionNumber    int

	Hostname       string // private
	PublicHostname string
	// Interfaces are the network interfaces; the first is device 0, whose addresses are the instance's own.
	Interfaces []Interface

	KeyPairs     []KeyPair
	BlockDevices map[string]string // ami, root, ebs1 … → device
	// Tags is nil unless the metadata options let them show.
	Tags     map[string]string
	UserData []byte // nil: none

	// Role is the name of the instance profile's role; "" when there is no instance profile. The profile has its name.
	Role       string
	ProfileARN string
	ProfileID  string
}

// KeyPair is a public key given at launch.
type KeyPair struct {
	Name      string
	PublicKey string // one line of OpenSSH's format
}

// New derives the instance that a valid configuration describes. userData is what an instance gets to run, nil for none.
func New(c *config.Config, userData []byte) *Instance {
	id := c.EC2.InstanceID
	partition := config.Partition(c.AWS.Region)
	in := &Instance{
		ID:             id,
		ImageID:        c.EC2.ImageID,
		Type:           c.EC2.InstanceType,
		Architecture:   c.EC2.Architecture,
		System:         system(c.EC2.InstanceType),
		ReservationID:  either(c.EC2.ReservationID, hexID("r-", id)),
		AMILaunchIndex: c.EC2.AMILaunchIndex,
		LifeCycle:      c.EC2.LifeCycle,
		Monitoring:     c.EC2.Monitoring,
		PendingTime:    pendingTime(c.EC2.PendingTime, id),
		ProductCodes:   c.EC2.ProductCodes,

		AccountID:          c.AWS.AccountID,
		Region:             c.AWS.Region,
		AvailabilityZone:   c.AWS.AvailabilityZone,
		AvailabilityZoneID: either(c.AWS.AvailabilityZoneID, zoneID(c.AWS.Region, c.AWS.AvailabilityZone)),
		Partition:          either(c.AWS.Partition, partition),
		Domain:             either(c.AWS.Domain, config.PartitionDomain(either(c.AWS.Partition, partition))),
		GroupName:          c.EC2.Placement.GroupName,
		HostID:             c.EC2.Placement.HostID,
		PartitionNumber:    c.EC2.Placement.PartitionNumber,

		Hostname:       either(c.EC2.Hostname, privateHostname(c.EC2.LocalIPv4, c.AWS.Region)),
		PublicHostname: c.EC2.PublicHostname,

		BlockDevices: map[string]string{"ami": rootDevice, "root": rootDevice},
		UserData:     userData,
	}
	if in.PublicHostname == "" && c.EC2.PublicIPv4 != "" {
		in.PublicHostname = publicHostname(c.EC2.PublicIPv4, in.Region, in.Domain)
	}
	in.Interfaces = interfaces(c, in)
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

// RoleOf is the name that credentials are handed out under: the role's, or that of the profile whose own they are; "" when
// there is no instance profile.
func RoleOf(c *config.Config) string {
	if c.Credentials.IAMRole != "" {
		return RoleName(c.Credentials.IAMRole)
	}
	return c.Credentials.SourceProfile
}

// rootDevice is where Amazon's own HVM images have their root volume.
const rootDevice = "/dev/xvda"

// RoleName is the last part of a role's ARN: the path is not part of the name, as in the ARN of an assumed role.
func RoleName(arn string) string {
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

// arnField is one of the parts between the colons of an ARN, "" if it has fewer.
func arnField(arn string, n int) string {
	if parts := strings.Split(arn, ":"); n < len(parts) {
		return parts[n]
	}
	return ""
}

// system names the virtualisation of an instance type. All types of recent years are Nitro (EC2 user guide, "Amazon EC2
// instance types"); these families are not.
func system(instanceType string) string {
	family, size, _ := strings.Cut(instanceType, ".")
	if strings.HasPrefix(size, "metal") {
		return "nitro" // bare metal always is
	}
	switch family {
	case "t1", "t2", "m1", "m2", "m3", "m4", "c1", "c3", "c4", "r3", "r4", "x1", "x1e", "i2", "i3", "d2", "h1", "hs1",
		"g2", "g3", "g3s", "p2", "p3", "f1", "cc2", "cr1":
		return "xen"
	}
	return "nitro"
}

func either(configured, derived string) string {
	if configured != "" {
		return configured
	}
	return derived
}
