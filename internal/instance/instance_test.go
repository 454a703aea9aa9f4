package instance

import (
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

// minimal returns what config.Load gives for an empty file.
func minimal() *config.Instance {
	return &config.Instance{
		AWS: config.AWS{AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		EC2: config.EC2{
			LocalIPv4: "10.0.0.10", InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890", InstanceType: "t3.micro",
			Architecture: "x86_64", LifeCycle: "on-demand", Monitoring: "disabled",
			MetadataOptions: config.MetadataOptions{InstanceMetadataTags: "enabled"},
		},
	}
}

func TestNew_DerivesMissingValues(t *testing.T) {
	in := New(minimal(), nil)
	n := in.Interfaces[0]
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
}

func TestNew_DerivedIDsHaveFormatOfEC2(t *testing.T) {
	in := New(minimal(), nil)
	n := in.Interfaces[0]
	for _, tt := range []struct{ name, value, pattern string }{
		{"reservation", in.ReservationID, `^r-[0-9a-f]{17}$`},
		{"mac", n.MAC, `^0[26a](:[0-9a-f]{2}){5}$`},
		{"interface", n.ID, `^eni-[0-9a-f]{17}$`},
		{"vpc", n.VPCID, `^vpc-[0-9a-f]{17}$`},
		{"subnet", n.SubnetID, `^subnet-[0-9a-f]{17}$`},
		{"group", n.SecurityGroupIDs[0], `^sg-[0-9a-f]{17}$`},
		{"pending time", in.PendingTime.Format(time.RFC3339), `^2025-\d\d-\d\dT\d\d:\d\d:\d\dZ$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !regexp.MustCompile(tt.pattern).MatchString(tt.value) {
				t.Errorf("%q, want %s", tt.value, tt.pattern)
			}
		})
	}
}

func TestNew_SameConfigurationGivesSameInstance(t *testing.T) {
	if diff := cmp.Diff(New(minimal(), nil), New(minimal(), nil)); diff != "" {
		t.Errorf("two derivations differ:\n%s", diff)
	}
}

func TestNew_OtherInstanceIDGivesOtherDerivedValues(t *testing.T) {
	in := New(minimal(), nil)
	c := minimal()
	c.EC2.InstanceID = "i-0fedcba9876543210"
	other := New(c, nil)
	if other.PendingTime.Equal(in.PendingTime) || other.ReservationID == in.ReservationID ||
		other.Interfaces[0].MAC == in.Interfaces[0].MAC || other.Interfaces[0].ID == in.Interfaces[0].ID {
		t.Error("two instances share derived values")
	}
}

func TestNew_PrefersConfiguredValues(t *testing.T) {
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
	n := in.Interfaces[0]
	for _, tt := range []struct{ name, got, want string }{
		{"host name", in.Hostname, "web.example.com"},
		{"host name of device 0", n.Hostname, "web.example.com"},
		{"public host name", in.PublicHostname, "www.example.com"},
		{"partition", in.Partition, "aws-x"},
		{"domain", in.Domain, "example.com"},
		{"zone id", in.AvailabilityZoneID, "cnn1-az4"},
		{"reservation", in.ReservationID, "r-1"},
		{"pending time", in.PendingTime.Format(time.RFC3339), "2016-11-19T16:32:11Z"},
		{"mac", n.MAC, "02:00:00:00:00:01"},
		{"interface", n.ID, "eni-1"},
		{"vpc", n.VPCID, "vpc-1"},
		{"subnet", n.SubnetID, "subnet-1"},
		{"owner", n.OwnerID, "210987654321"},
		{"root device", in.BlockDevices["root"], "/dev/sda1"},
		{"ami device", in.BlockDevices["ami"], "/dev/xvda"},
		{"tag", in.Tags["Name"], "x"},
		{"user data", string(in.UserData), "data"},
		{"role", in.Role, "myrole"},
		{"profile ARN", in.ProfileARN, "arn:aws-cn:iam::123456789012:instance-profile/myrole"},
		{"prefix of the profile id", in.ProfileID[:4], "AIPA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %q, want %q", tt.got, tt.want)
			}
		})
	}
}

func TestNew_DisabledTagsAreAbsent(t *testing.T) {
	c := minimal()
	c.EC2.Tags = map[string]string{"Name": "x"}
	c.EC2.MetadataOptions.InstanceMetadataTags = "disabled"
	if tags := New(c, nil).Tags; tags != nil {
		t.Errorf("got %v", tags)
	}
}

func TestNew_DerivesNamesFromRegionAndZone(t *testing.T) {
	for _, tt := range []struct{ region, zone, zoneID, partition, domain, private, public string }{
		{
			region: "us-east-1", zone: "us-east-1a", zoneID: "use1-az1", partition: "aws", domain: "amazonaws.com",
			private: "ip-10-0-0-10.ec2.internal",
			public:  "ec2-203-0-113-25.compute-1.amazonaws.com",
		},
		{
			region: "ap-southeast-2", zone: "ap-southeast-2c", zoneID: "apse2-az3", partition: "aws", domain: "amazonaws.com",
			private: "ip-10-0-0-10.ap-southeast-2.compute.internal",
			public:  "ec2-203-0-113-25.ap-southeast-2.compute.amazonaws.com",
		},
		{
			region: "us-west-2", zone: "us-west-2-lax-1a", zoneID: "usw2-lax1-az1", partition: "aws", domain: "amazonaws.com",
			private: "ip-10-0-0-10.us-west-2.compute.internal",
			public:  "ec2-203-0-113-25.us-west-2.compute.amazonaws.com",
		},
		{
			region: "us-east-1", zone: "us-east-1-wl1-bos-wlz-1", zoneID: "use1-wl1-bos-wlz1", partition: "aws", domain: "amazonaws.com",
			private: "ip-10-0-0-10.ec2.internal",
			public:  "ec2-203-0-113-25.compute-1.amazonaws.com",
		},
		{
			region: "cn-north-1", zone: "cn-north-1b", zoneID: "cnn1-az2", partition: "aws-cn", domain: "amazonaws.com.cn",
			private: "ip-10-0-0-10.cn-north-1.compute.internal",
			public:  "ec2-203-0-113-25.cn-north-1.compute.amazonaws.com.cn",
		},
		{
			region: "us-gov-west-1", zone: "us-gov-west-1a", zoneID: "usgw1-az1", partition: "aws-us-gov", domain: "amazonaws.com",
			private: "ip-10-0-0-10.us-gov-west-1.compute.internal",
			public:  "ec2-203-0-113-25.us-gov-west-1.compute.amazonaws.com",
		},
		{
			region: "us-isob-east-1", zone: "us-isob-east-1a", zoneID: "usisobe1-az1", partition: "aws-iso-b", domain: "sc2s.sgov.gov",
			private: "ip-10-0-0-10.us-isob-east-1.compute.internal",
			public:  "ec2-203-0-113-25.us-isob-east-1.compute.sc2s.sgov.gov",
		},
	} {
		t.Run(tt.zone, func(t *testing.T) {
			c := minimal()
			c.AWS.Region, c.AWS.AvailabilityZone, c.EC2.PublicIPv4 = tt.region, tt.zone, "203.0.113.25"
			in := New(c, nil)
			got := []string{in.AvailabilityZoneID, in.Partition, in.Domain, in.Hostname, in.PublicHostname}
			if diff := cmp.Diff([]string{tt.zoneID, tt.partition, tt.domain, tt.private, tt.public}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSystem_IsXenForOldFamilies(t *testing.T) {
	for _, tt := range []struct{ instanceType, want string }{
		{"t2.micro", "xen"},
		{"m4.large", "xen"},
		{"t3.nano", "nitro"},
		{"m7g.metal", "nitro"},
		{"i3.metal", "nitro"},
		{"i3.large", "xen"},
		{"x1.16xlarge", "xen"},
		{"odd", "nitro"},
	} {
		t.Run(tt.instanceType, func(t *testing.T) {
			if got := system(tt.instanceType); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNew_DerivesNetworksAroundAddress(t *testing.T) {
	for _, tt := range []struct {
		name          string
		change        func(*config.EC2)
		subnet, vpc   string
		subnet6, vpc6 string
	}{
		{
			name:   "an address alone",
			change: func(*config.EC2) {},
			subnet: "10.0.0.0/20", vpc: "10.0.0.0/16",
		},
		{
			name:   "a small VPC",
			change: func(e *config.EC2) { e.VPCIPv4CIDRBlocks = []string{"192.168.0.0/24", "10.0.0.0/24"} },
			subnet: "10.0.0.0/24", vpc: "192.168.0.0/24",
		},
		{
			name:   "a large subnet",
			change: func(e *config.EC2) { e.SubnetIPv4CIDRBlock = "10.0.0.0/12" },
			subnet: "10.0.0.0/12", vpc: "10.0.0.0/12",
		},
		{
			name:   "a small subnet",
			change: func(e *config.EC2) { e.SubnetIPv4CIDRBlock = "10.0.0.0/24" },
			subnet: "10.0.0.0/24", vpc: "10.0.0.0/16",
		},
		{
			name:   "IPv6",
			change: func(e *config.EC2) { e.IPv6 = "2600:1f16:67f:f2aa::5" },
			subnet: "10.0.0.0/20", vpc: "10.0.0.0/16",
			subnet6: "2600:1f16:67f:f2aa:0:0:0:0/64", vpc6: "2600:1f16:67f:f200:0:0:0:0/56",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := minimal()
			tt.change(&c.EC2)
			n := New(c, nil).Interfaces[0]
			first := func(list []string) string {
				if len(list) == 0 {
					return ""
				}
				return list[0]
			}
			got := []string{n.SubnetIPv4CIDRBlock, n.VPCIPv4CIDRBlocks[0], first(n.SubnetIPv6CIDRBlocks), first(n.VPCIPv6CIDRBlocks)}
			if diff := cmp.Diff([]string{tt.subnet, tt.vpc, tt.subnet6, tt.vpc6}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// fourInterfaces returns device 0 and the interfaces 1, 5 and 3, in the order of New.
func fourInterfaces(t *testing.T) (device0, device1, device3, device5 Interface) {
	t.Helper()
	c := minimal()
	c.EC2.SecurityGroups = []string{"web"}
	c.EC2.NetworkInterfaces = nics{
		{DeviceNumber: 1},
		{DeviceNumber: 5, LocalIPv4s: []string{"10.0.200.7"}, PublicIPv4s: []string{"203.0.113.7"}, SecurityGroups: []string{"db", "web"}},
		{DeviceNumber: 3, VPCID: "vpc-2", LocalIPv4s: []string{"172.16.1.1"}, SecurityGroupIDs: []string{"sg-1", "sg-2"}},
	}
	all := New(c, nil).Interfaces
	if len(all) != 4 {
		t.Fatalf("%d interfaces, want 4", len(all))
	}
	return all[0], all[1], all[2], all[3]
}

func TestInterfaces_AreSortedByDeviceNumber(t *testing.T) {
	n0, n1, n3, n5 := fourInterfaces(t)
	got := []int{n0.DeviceNumber, n1.DeviceNumber, n3.DeviceNumber, n5.DeviceNumber}
	if want := []int{0, 1, 3, 5}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestInterfaces_HaveDifferentMACs(t *testing.T) {
	n0, n1, n3, n5 := fourInterfaces(t)
	seen := map[string]bool{}
	for _, n := range []Interface{n0, n1, n3, n5} {
		if _, err := net.ParseMAC(n.MAC); err != nil || seen[n.MAC] {
			t.Errorf("MAC %q: %v, twice: %v", n.MAC, err, seen[n.MAC])
		}
		seen[n.MAC] = true
	}
}

func TestInterfaces_UnconfiguredOneFollowsDevice0(t *testing.T) {
	first, n, _, _ := fourInterfaces(t)
	if n.LocalIPv4s[0] != "10.0.0.11" || n.SubnetID != first.SubnetID || n.VPCID != first.VPCID ||
		n.SubnetIPv4CIDRBlock != first.SubnetIPv4CIDRBlock || !cmp.Equal(n.SecurityGroupIDs, first.SecurityGroupIDs) ||
		n.Hostname != "ip-10-0-0-11.ec2.internal" || n.ID == first.ID {
		t.Errorf("got %+v beside %+v", n, first)
	}
}

func TestInterfaces_OtherVPCHasNetworksOfItsOwn(t *testing.T) {
	first, _, n, _ := fourInterfaces(t)
	if n.VPCID != "vpc-2" || n.SubnetID == first.SubnetID || n.SubnetIPv4CIDRBlock != "172.16.0.0/20" ||
		n.VPCIPv4CIDRBlocks[0] != "172.16.0.0/16" || !cmp.Equal(n.SecurityGroups, []string{"default", "default-2"}) {
		t.Errorf("got %+v beside %+v", n, first)
	}
}

func TestInterfaces_OtherAddressHasSubnetOfItsOwn(t *testing.T) {
	first, _, _, n := fourInterfaces(t)
	if n.VPCID != first.VPCID || n.SubnetID == first.SubnetID || n.SubnetIPv4CIDRBlock != "10.0.192.0/20" ||
		n.PublicHostname != "ec2-203-0-113-7.compute-1.amazonaws.com" || n.SecurityGroupIDs[1] != first.SecurityGroupIDs[0] {
		t.Errorf("got %+v beside %+v", n, first)
	}
}

func TestIdentityDocument_HasBytesOfService(t *testing.T) {
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
