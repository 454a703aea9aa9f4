// Package instance makes one coherent EC2 instance out of a configuration: everything that the configuration leaves out
// is derived from what it says, by pure functions, so that it is the same from run to run and everywhere it shows.
package instance

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

// Instance is what the metadata tree tells about the machine.
type Instance struct {
	ID               string
	ImageID          string
	Type             string
	Architecture     string
	Hostname         string
	LocalIPv4        string
	AccountID        string
	Region           string
	AvailabilityZone string
	// PendingTime is when the instance was last launched, to the second, UTC.
	PendingTime time.Time
	// Role is the name of the instance profile's role; "" when there is no instance profile.
	Role string
}

// New derives the instance that a valid configuration describes.
func New(c *config.Config) *Instance {
	in := &Instance{
		ID:               c.EC2.InstanceID,
		ImageID:          c.EC2.ImageID,
		Type:             c.EC2.InstanceType,
		Architecture:     c.EC2.Architecture,
		Hostname:         c.EC2.Hostname,
		LocalIPv4:        c.EC2.LocalIPv4,
		AccountID:        c.AWS.AccountID,
		Region:           c.AWS.Region,
		AvailabilityZone: c.AWS.AvailabilityZone,
		PendingTime:      pendingTime(c.EC2.PendingTime, c.EC2.InstanceID),
		Role:             RoleName(c.Credentials.IAMRole),
	}
	if in.Hostname == "" {
		in.Hostname = privateHostname(in.LocalIPv4, in.Region)
	}
	return in
}

// RoleName is the last part of a role's ARN: the path is not part of the name, as in the ARN of an assumed role.
func RoleName(arn string) string {
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

// privateHostname is EC2's IP-based name: ip-10-0-0-10.ec2.internal in us-east-1, else
// ip-10-0-0-10.<region>.compute.internal (imds-reference section 5).
func privateHostname(ipv4, region string) string {
	name := "ip-" + strings.ReplaceAll(ipv4, ".", "-")
	if region == "us-east-1" {
		return name + ".ec2.internal"
	}
	return name + "." + region + ".compute.internal"
}

// pendingTime is the configured launch time or a second of the year 2025 drawn from the instance id: in the past, and the
// same from run to run, as for an instance that was never stopped. The configuration's is validated RFC 3339.
func pendingTime(configured, instanceID string) time.Time {
	if t, err := time.Parse(time.RFC3339, configured); err == nil {
		return t.UTC().Truncate(time.Second)
	}
	const secondsOfYear = 365 * 24 * 60 * 60
	sum := sha256.Sum256([]byte("pending_time " + instanceID))
	offset := binary.BigEndian.Uint64(sum[:]) % secondsOfYear
	return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(offset) * time.Second)
}
