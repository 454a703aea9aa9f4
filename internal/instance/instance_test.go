package instance

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

func TestNew(t *testing.T) {
	c := &config.Config{
		Credentials: config.Credentials{IAMRole: "arn:aws:iam::123456789012:role/some/path/myrole"},
		AWS:         config.AWS{AccountID: "123456789012", Region: "ap-southeast-2", AvailabilityZone: "ap-southeast-2a"},
		EC2: config.EC2{
			LocalIPv4: "10.1.2.3", InstanceID: "i-0123456789abcdef0", ImageID: "ami-1", InstanceType: "t3.nano",
			Architecture: "x86_64", Hostname: "web.example.com", PendingTime: "2016-11-19T17:32:11+01:00",
		},
	}
	want := &Instance{
		ID: "i-0123456789abcdef0", ImageID: "ami-1", Type: "t3.nano", Architecture: "x86_64", Hostname: "web.example.com",
		LocalIPv4: "10.1.2.3", AccountID: "123456789012", Region: "ap-southeast-2", AvailabilityZone: "ap-southeast-2a",
		PendingTime: time.Date(2016, 11, 19, 16, 32, 11, 0, time.UTC), Role: "myrole",
	}
	if diff := cmp.Diff(want, New(c)); diff != "" {
		t.Errorf("New (-want +got):\n%s", diff)
	}

	c.EC2.Hostname, c.EC2.PendingTime, c.Credentials.IAMRole = "", "", ""
	derived := New(c)
	if got, want := derived.Hostname, "ip-10-1-2-3.ap-southeast-2.compute.internal"; got != want {
		t.Errorf("derived host name %q, want %q", got, want)
	}
	if derived.Role != "" {
		t.Errorf("role %q without iam_role", derived.Role)
	}
	if !derived.PendingTime.Equal(New(c).PendingTime) || derived.PendingTime.Year() != 2025 || derived.PendingTime.Nanosecond() != 0 {
		t.Errorf("derived pending time %v is not one constant second of 2025", derived.PendingTime)
	}
	c.AWS.Region = "us-east-1"
	if got, want := New(c).Hostname, "ip-10-1-2-3.ec2.internal"; got != want {
		t.Errorf("derived host name in us-east-1 %q, want %q", got, want)
	}
	other := *c
	other.EC2.InstanceID = "i-0fedcba9876543210"
	if New(&other).PendingTime.Equal(derived.PendingTime) {
		t.Error("two instances share one derived pending time")
	}
}

func TestIdentityDocument(t *testing.T) {
	in := &Instance{
		ID: "i-1234567890abcdef0", ImageID: "ami-5fb8c835", Type: "t2.micro", Architecture: "x86_64", LocalIPv4: "10.158.112.84",
		AccountID: "012345678901", Region: "us-west-2", AvailabilityZone: "us-west-2b",
		PendingTime: time.Date(2016, 11, 19, 16, 32, 11, 0, time.UTC),
	}
	const want = `{
  "accountId" : "012345678901",
  "architecture" : "x86_64",
  "availabilityZone" : "us-west-2b",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : null,
  "imageId" : "ami-5fb8c835",
  "instanceId" : "i-1234567890abcdef0",
  "instanceType" : "t2.micro",
  "kernelId" : null,
  "pendingTime" : "2016-11-19T16:32:11Z",
  "privateIp" : "10.158.112.84",
  "ramdiskId" : null,
  "region" : "us-west-2",
  "version" : "2017-09-30"
}`
	if diff := cmp.Diff(want, string(in.IdentityDocument())); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}
