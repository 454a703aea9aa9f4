package instance

import (
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

// minimal is what config.Load gives for a file that says nothing.
func minimal() *config.Config {
	return &config.Config{
		AWS: config.AWS{AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		EC2: config.EC2{
			LocalIPv4: "10.0.0.10", InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890", InstanceType: "t3.micro",
			Architecture: "x86_64", LifeCycle: "on-demand", Monitoring: "disabled",
			MetadataOptions: config.MetadataOptions{InstanceMetadataTags: "enabled"},
		},
	}
}

func TestDerived(t *testing.T) {
	in := New(minimal(), nil)
	if diff := cmp.Diff(in, New(minimal(), nil)); diff != "" {
		t.Errorf("two derivations differ:\n%s", diff)
	}
	n := in.Interfaces[0]
	for name, check := range map[string]struct{ value, pattern string }{
		"reservation":  {in.ReservationID, `^r-[0-9a-f]{17}$`},
		"mac":          {n.MAC, `^0[26a](:[0-9a-f]{2}){5}$`},
		"interface":    {n.ID, `^eni-[0-9a-f]{17}$`},
		"vpc":          {n.VPCID, `^vpc-[0-9a-f]{17}$`},
		"subnet":       {n.SubnetID, `^subnet-[0-9a-f]{17}$`},
		"group":        {n.SecurityGroupIDs[0], `^sg-[0-9a-f]{17}$`},
		"pending time": {in.PendingTime.Format(time.RFC3339), `^2025-\d\d-\d\dT\d\d:\d\d:\d\dZ$`},
	} {
		if !regexp.MustCompile(check.pattern).MatchString(check.value) {
			t.Errorf("%s %q, want %s", name, check.value, check.pattern)
		}
	}
	want := &Instance{
		ID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890", Type: "t3.micro", Architecture: "x86_64", System: "nitro",
		ReservationID: in.ReservationID, LifeCycle: "on-demand", Monitoring: "disabled", PendingTime: in.PendingTime,
		AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a", AvailabilityZoneID: "use1-az1",
		Partition: "aws", Domain: "amazonaws.com", Hostname: "ip-10-0-0-10.ec2.internal",
		BlockDevices: map[string]string{"ami": "/dev/xvda", "root": "/dev/xvda"},
		Interfaces: []Interface{{
			Key: "ec2", MAC: n.MAC, ID: n.ID, OwnerID: "123456789012", Hostname: "ip-10-0-0-10.ec2.internal", LocalIPv4s: []string{"10.0.0.10"},
			SecurityGroups: []string{"default"}, SecurityGroupIDs: n.SecurityGroupIDs, VPCID: n.VPCID, SubnetID: n.SubnetID,
			VPCIPv4CIDRBlocks: []string{"10.0.0.0/16"}, SubnetIPv4CIDRBlock: "10.0.0.0/20",
		}},
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("derived instance (-want +got):\n%s", diff)
	}

	other := minimal()
	other.EC2.InstanceID = "i-0fedcba9876543210"
	o := New(other, nil)
	if o.PendingTime.Equal(in.PendingTime) || o.ReservationID == in.ReservationID || o.Interfaces[0].MAC == n.MAC || o.Interfaces[0].ID == n.ID {
		t.Error("two instances share derived values")
	}
}

func TestConfiguredWins(t *testing.T) {
	c := minimal()
	c.Credentials.IAMRole = "arn:aws-cn:iam::123456789012:role/some/path/myrole"
	c.AWS = config.AWS{
		AccountID: "210987654321", Region: "cn-north-1", AvailabilityZone: "cn-north-1b", AvailabilityZoneID: "cnn1-az4",
		Partition: "aws-x", Domain: "example.com",
	}
	c.EC2.Hostname, c.EC2.PendingTime, c.EC2.ReservationID = "web.example.com", "2016-11-19T17:32:11+01:00", "r-1"
	c.EC2.PublicIPv4, c.EC2.PublicHostname = "203.0.113.25", "www.example.com"
	c.EC2.MAC, c.EC2.InterfaceID, c.EC2.VPCID, c.EC2.SubnetID = "02:00:00:00:00:01", "eni-1", "vpc-1", "subnet-1"
	c.EC2.BlockDevices = map[string]string{"root": "/dev/sda1"}
	c.EC2.Tags = map[string]string{"Name": "x"}
	in := New(c, []byte("data"))
	for what, pair := range map[string][2]string{
		"host name":        {in.Hostname, "web.example.com"},
		"its NIC":          {in.Interfaces[0].Hostname, "web.example.com"},
		"public name":      {in.PublicHostname, "www.example.com"},
		"partition":        {in.Partition, "aws-x"},
		"domain":           {in.Domain, "example.com"},
		"zone id":          {in.AvailabilityZoneID, "cnn1-az4"},
		"reservation":      {in.ReservationID, "r-1"},
		"pending time":     {in.PendingTime.Format(time.RFC3339), "2016-11-19T16:32:11Z"},
		"mac":              {in.Interfaces[0].MAC, "02:00:00:00:00:01"},
		"interface":        {in.Interfaces[0].ID, "eni-1"},
		"vpc":              {in.Interfaces[0].VPCID, "vpc-1"},
		"subnet":           {in.Interfaces[0].SubnetID, "subnet-1"},
		"owner":            {in.Interfaces[0].OwnerID, "210987654321"},
		"root":             {in.BlockDevices["root"], "/dev/sda1"},
		"ami":              {in.BlockDevices["ami"], "/dev/xvda"},
		"tag":              {in.Tags["Name"], "x"},
		"user data":        {string(in.UserData), "data"},
		"role":             {in.Role, "myrole"},
		"profile":          {in.ProfileARN, "arn:aws-cn:iam::123456789012:instance-profile/myrole"},
		"profile's prefix": {in.ProfileID[:4], "AIPA"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s %q, want %q", what, pair[0], pair[1])
		}
	}
	c.EC2.MetadataOptions.InstanceMetadataTags = "disabled"
	if New(c, nil).Tags != nil {
		t.Error("tags show although the option is off")
	}
}

func TestPlaces(t *testing.T) {
	for _, tt := range []struct{ region, zone, zoneID, partition, domain, private, public string }{
		{"us-east-1", "us-east-1a", "use1-az1", "aws", "amazonaws.com", "ip-10-0-0-10.ec2.internal", "ec2-203-0-113-25.compute-1.amazonaws.com"},
		{"ap-southeast-2", "ap-southeast-2c", "apse2-az3", "aws", "amazonaws.com", "ip-10-0-0-10.ap-southeast-2.compute.internal", "ec2-203-0-113-25.ap-southeast-2.compute.amazonaws.com"},
		{"us-west-2", "us-west-2-lax-1a", "usw2-lax1-az1", "aws", "amazonaws.com", "ip-10-0-0-10.us-west-2.compute.internal", "ec2-203-0-113-25.us-west-2.compute.amazonaws.com"},
		{"us-east-1", "us-east-1-wl1-bos-wlz-1", "use1-wl1-bos-wlz1", "aws", "amazonaws.com", "ip-10-0-0-10.ec2.internal", "ec2-203-0-113-25.compute-1.amazonaws.com"},
		{"cn-north-1", "cn-north-1b", "cnn1-az2", "aws-cn", "amazonaws.com.cn", "ip-10-0-0-10.cn-north-1.compute.internal", "ec2-203-0-113-25.cn-north-1.compute.amazonaws.com.cn"},
		{"us-gov-west-1", "us-gov-west-1a", "usgw1-az1", "aws-us-gov", "amazonaws.com", "ip-10-0-0-10.us-gov-west-1.compute.internal", "ec2-203-0-113-25.us-gov-west-1.compute.amazonaws.com"},
		{"us-isob-east-1", "us-isob-east-1a", "usisobe1-az1", "aws-iso-b", "sc2s.sgov.gov", "ip-10-0-0-10.us-isob-east-1.compute.internal", "ec2-203-0-113-25.us-isob-east-1.compute.sc2s.sgov.gov"},
	} {
		c := minimal()
		c.AWS.Region, c.AWS.AvailabilityZone, c.EC2.PublicIPv4 = tt.region, tt.zone, "203.0.113.25"
		in := New(c, nil)
		got := []string{in.AvailabilityZoneID, in.Partition, in.Domain, in.Hostname, in.PublicHostname}
		if diff := cmp.Diff([]string{tt.zoneID, tt.partition, tt.domain, tt.private, tt.public}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.zone, diff)
		}
	}
}

func TestSystem(t *testing.T) {
	for instanceType, want := range map[string]string{"t2.micro": "xen", "m4.large": "xen", "t3.nano": "nitro", "m7g.metal": "nitro", "i3.metal": "nitro", "i3.large": "xen", "x1.16xlarge": "xen", "odd": "nitro"} {
		if got := system(instanceType); got != want {
			t.Errorf("%s is %s, want %s", instanceType, got, want)
		}
	}
}

func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		name          string
		change        func(*config.EC2)
		subnet, vpc   string
		subnet6, vpc6 string
	}{
		{"an address alone", func(*config.EC2) {}, "10.0.0.0/20", "10.0.0.0/16", "", ""},
		{"a small VPC", func(e *config.EC2) { e.VPCIPv4CIDRBlocks = []string{"192.168.0.0/24", "10.0.0.0/24"} }, "10.0.0.0/24", "192.168.0.0/24", "", ""},
		{"a large subnet", func(e *config.EC2) { e.SubnetIPv4CIDRBlock = "10.0.0.0/12" }, "10.0.0.0/12", "10.0.0.0/12", "", ""},
		{"a small subnet", func(e *config.EC2) { e.SubnetIPv4CIDRBlock = "10.0.0.0/24" }, "10.0.0.0/24", "10.0.0.0/16", "", ""},
		{"IPv6", func(e *config.EC2) { e.IPv6 = "2600:1f16:67f:f2aa::5" }, "10.0.0.0/20", "10.0.0.0/16", "2600:1f16:67f:f2aa:0:0:0:0/64", "2600:1f16:67f:f200:0:0:0:0/56"},
	} {
		c := minimal()
		tt.change(&c.EC2)
		n := New(c, nil).Interfaces[0]
		get := func(list []string) string {
			if len(list) == 0 {
				return ""
			}
			return list[0]
		}
		got := []string{n.SubnetIPv4CIDRBlock, n.VPCIPv4CIDRBlocks[0], get(n.SubnetIPv6CIDRBlocks), get(n.VPCIPv6CIDRBlocks)}
		if diff := cmp.Diff([]string{tt.subnet, tt.vpc, tt.subnet6, tt.vpc6}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestFurtherInterfaces(t *testing.T) {
	c := minimal()
	c.EC2.SecurityGroups = []string{"web"}
	c.EC2.NetworkInterfaces = []config.NetworkInterface{
		{DeviceNumber: 1},
		{DeviceNumber: 5, LocalIPv4s: []string{"10.0.200.7"}, PublicIPv4s: []string{"203.0.113.7"}, SecurityGroups: []string{"db", "web"}},
		{DeviceNumber: 3, VPCID: "vpc-2", LocalIPv4s: []string{"172.16.1.1"}, SecurityGroupIDs: []string{"sg-1", "sg-2"}},
	}
	all := New(c, nil).Interfaces
	if len(all) != 4 {
		t.Fatalf("%d interfaces, want 4", len(all))
	}
	first := all[0]
	macs := map[string]bool{}
	for _, n := range all {
		if _, err := net.ParseMAC(n.MAC); err != nil || macs[n.MAC] {
			t.Errorf("MAC %q: %v, twice: %v", n.MAC, err, macs[n.MAC])
		}
		macs[n.MAC] = true
	}
	if n := all[1]; n.DeviceNumber != 1 || n.LocalIPv4s[0] != "10.0.0.11" || n.SubnetID != first.SubnetID || n.VPCID != first.VPCID ||
		n.SubnetIPv4CIDRBlock != first.SubnetIPv4CIDRBlock || !cmp.Equal(n.SecurityGroupIDs, first.SecurityGroupIDs) ||
		n.Hostname != "ip-10-0-0-11.ec2.internal" || n.ID == first.ID {
		t.Errorf("one of which nothing is said: %+v", n)
	}
	// Sorted by device number: the third in the file comes before the second.
	if n := all[2]; n.DeviceNumber != 3 || n.VPCID != "vpc-2" || n.SubnetID == first.SubnetID || n.SubnetIPv4CIDRBlock != "172.16.0.0/20" ||
		n.VPCIPv4CIDRBlocks[0] != "172.16.0.0/16" || !cmp.Equal(n.SecurityGroups, []string{"default", "default-2"}) {
		t.Errorf("one of another VPC: %+v", n)
	}
	if n := all[3]; n.DeviceNumber != 5 || n.VPCID != first.VPCID || n.SubnetID == first.SubnetID || n.SubnetIPv4CIDRBlock != "10.0.192.0/20" ||
		n.PublicHostname != "ec2-203-0-113-7.compute-1.amazonaws.com" || n.SecurityGroupIDs[1] != first.SecurityGroupIDs[0] {
		t.Errorf("one of another subnet: %+v", n)
	}
}

func TestIdentityDocument(t *testing.T) {
	c := minimal()
	c.AWS = config.AWS{AccountID: "012345678901", Region: "us-west-2", AvailabilityZone: "us-west-2b"}
	c.EC2.LocalIPv4, c.EC2.InstanceID, c.EC2.ImageID, c.EC2.InstanceType = "10.158.112.84", "i-1234567890abcdef0", "ami-5fb8c835", "t2.micro"
	c.EC2.PendingTime, c.EC2.ProductCodes = "2016-11-19T16:32:11Z", []string{"1abc2defghijklm3nopqrs4tu", "b"}
	const want = `{
  "accountId" : "012345678901",
  "architecture" : "x86_64",
  "availabilityZone" : "us-west-2b",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : [ "1abc2defghijklm3nopqrs4tu", "b" ],
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
	if diff := cmp.Diff(want, string(New(c, nil).IdentityDocument())); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}
