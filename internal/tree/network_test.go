package tree

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

// ofFamilies returns an instance with the addresses and further interfaces of e.
func ofFamilies(t *testing.T, e config.EC2) *Snapshot {
	t.Helper()
	e.InstanceID, e.ImageID, e.InstanceType, e.Architecture, e.LifeCycle = "i-0123456789abcdef0", "ami-0abcdef1234567890", "t3.micro", "x86_64", "on-demand"
	e.MAC, e.InterfaceID, e.VPCID, e.SubnetID = "02:00:00:00:00:01", "eni-1", "vpc-1", "subnet-1"
	c := &config.Instance{AWS: config.AWS{AccountID: "123456789012", Region: "us-east-2", AvailabilityZone: "us-east-2b"}, EC2: e}
	if found := instance.Check(c); len(found) > 0 {
		t.Fatal(found)
	}
	return mustNew(t, instance.New(c, nil), nil)
}

const (
	macs = "/latest/meta-data/network/interfaces/macs/"
	nic0 = macs + "02:00:00:00:00:01"
	nic1 = macs + "02:00:00:00:00:02"
)

// TestNetwork_InterfaceOfIPv4Alone has the listing of an instance without IPv6 and public addresses, of 2026, and network-card.
func TestNetwork_InterfaceOfIPv4Alone(t *testing.T) {
	runLookups(t, ofFamilies(t, config.EC2{LocalIPv4: "10.0.0.10"}), []lookupTest{
		{
			nic0, "device-number\ninterface-id\nlocal-hostname\nlocal-ipv4s\nmac\nnetwork-card\nowner-id\nsecurity-group-ids\nsecurity-groups\n" +
				"subnet-id\nsubnet-ipv4-cidr-block\nvpc-id\nvpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks",
		},
		{nic0 + "/ipv6s", absent},
		{nic0 + "/subnet-ipv6-cidr-blocks", absent},
		{nic0 + "/vpc-ipv6-cidr-blocks", absent},
		{nic0 + "/ipv4-associations", absent},
		{"/latest/meta-data/ipv6", absent},
		{"/latest/meta-data/local-ipv4", "10.0.0.10"},
	})
}

// TestNetwork_InstanceOfIPv6Alone has the listing that cloud-init captured (tests/unittests/sources/test_ec2.py), and network-card.
func TestNetwork_InstanceOfIPv6Alone(t *testing.T) {
	s := ofFamilies(t, config.EC2{LocalIPv4s: []string{}, IPv6: "2600:1f16:67f:f201:8d2e:4d1f:9e80:4ab9"})
	runLookups(t, s, []lookupTest{
		{
			nic0, "device-number\ninterface-id\nipv6s\nlocal-hostname\nmac\nnetwork-card\nowner-id\nsecurity-group-ids\nsecurity-groups\n" +
				"subnet-id\nsubnet-ipv6-cidr-blocks\nvpc-id\nvpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks\nvpc-ipv6-cidr-blocks",
		},
		{nic0 + "/ipv6s", "2600:1f16:67f:f201:8d2e:4d1f:9e80:4ab9"},
		{nic0 + "/local-hostname", "i-0123456789abcdef0.us-east-2.compute.internal"},
		{nic0 + "/subnet-ipv6-cidr-blocks", "2600:1f16:67f:f201:0:0:0:0/64"},
		{nic0 + "/vpc-ipv6-cidr-blocks", "2600:1f16:67f:f200:0:0:0:0/56"},
		{nic0 + "/vpc-ipv4-cidr-block", "10.0.0.0/16"},
		{"/latest/meta-data/ipv6", "2600:1f16:67f:f201:8d2e:4d1f:9e80:4ab9"},
		{"/latest/meta-data/hostname", "i-0123456789abcdef0.us-east-2.compute.internal"},
		{"/latest/meta-data/local-hostname", "i-0123456789abcdef0.us-east-2.compute.internal"},
	})
	for _, path := range s.Paths() {
		if strings.Contains(path, "ipv4") && !strings.Contains(path, "/vpc-ipv4-") {
			t.Errorf("%s is served", path)
		}
	}
	if document := string(s.Document()); !strings.Contains(document, `"privateIp" : null`) {
		t.Errorf("the document has an address:\n%s", document)
	}
}

func TestNetwork_ListsOfDevice0AgreeEverywhere(t *testing.T) {
	s := ofFamilies(t, config.EC2{
		LocalIPv4s:   []string{"10.0.0.20", "10.0.0.21", "10.0.0.22"},
		PublicIPv4s:  []string{"203.0.113.1", "203.0.113.2"},
		IPv6s:        []string{"2001:db8::1", "2001:db8::2"},
		IPv4Prefixes: []string{"10.0.1.0/28", "10.0.1.16/28"},
		IPv6Prefixes: []string{"2001:db8:0:0:1::/80"},
	})
	const name, public = "ip-10-0-0-20.us-east-2.compute.internal", "ec2-203-0-113-1.us-east-2.compute.amazonaws.com"
	runLookups(t, s, []lookupTest{
		{"/latest/meta-data/local-ipv4", "10.0.0.20"},
		{nic0 + "/local-ipv4s", "10.0.0.20\n10.0.0.21\n10.0.0.22"},
		{"/latest/meta-data/public-ipv4", "203.0.113.1"},
		{nic0 + "/public-ipv4s", "203.0.113.1\n203.0.113.2"},
		{nic0 + "/ipv4-associations", "203.0.113.1\n203.0.113.2"},
		{nic0 + "/ipv4-associations/203.0.113.1", "10.0.0.20"},
		{nic0 + "/ipv4-associations/203.0.113.2", "10.0.0.21"},
		{"/latest/meta-data/ipv6", "2001:db8::1"},
		{nic0 + "/ipv6s", "2001:db8::1\n2001:db8::2"},
		{nic0 + "/ipv4-prefix", "10.0.1.0/28\n10.0.1.16/28"},
		{nic0 + "/ipv6-prefix", "2001:db8:0:0:1::/80"},
		{"/latest/meta-data/hostname", name},
		{"/latest/meta-data/local-hostname", name},
		{nic0 + "/local-hostname", name},
		{"/latest/meta-data/public-hostname", public},
		{nic0 + "/public-hostname", public},
	})
	if document := string(s.Document()); !strings.Contains(document, `"privateIp" : "10.0.0.20"`) {
		t.Errorf("the document has another address:\n%s", document)
	}
}

func TestNetwork_FurtherInterfacesShowTheirFamilies(t *testing.T) {
	further := func(n config.NetworkInterface) []config.NetworkInterface {
		n.MAC, n.DeviceNumber = "02:00:00:00:00:02", 1
		return []config.NetworkInterface{n}
	}
	for _, tt := range []struct {
		name string
		ec2  config.EC2
		want []string // leaves of nic1 with an IP version in their names
	}{
		{
			name: "IPv6 alone beside dual stack",
			ec2:  config.EC2{LocalIPv4: "10.0.0.10", IPv6: "2001:db8::1", NetworkInterfaces: further(config.NetworkInterface{LocalIPv4s: []string{}, IPv6s: []string{"2001:db8:0:1::1"}})},
			want: []string{"ipv6s", "subnet-ipv6-cidr-blocks", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks", "vpc-ipv6-cidr-blocks"},
		},
		{
			name: "IPv4 alone beside dual stack",
			ec2:  config.EC2{LocalIPv4: "10.0.0.10", IPv6: "2001:db8::1", NetworkInterfaces: further(config.NetworkInterface{})},
			want: []string{"local-ipv4s", "subnet-ipv4-cidr-block", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks"},
		},
		{
			name: "IPv4 alone in a subnet with configured IPv6 networks",
			ec2: config.EC2{
				LocalIPv4: "10.0.0.10", VPCIPv6CIDRBlocks: []string{"2001:db8::/56"},
				NetworkInterfaces: further(config.NetworkInterface{SubnetIPv6CIDRBlocks: []string{"2001:db8::/64"}}),
			},
			want: []string{"local-ipv4s", "subnet-ipv4-cidr-block", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks"},
		},
		{
			name: "no address",
			ec2:  config.EC2{LocalIPv4: "10.0.0.10", IPv6: "2001:db8::1", NetworkInterfaces: further(config.NetworkInterface{LocalIPv4s: []string{}})},
			want: []string{"vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks"},
		},
		{
			name: "IPv6 prefix",
			ec2:  config.EC2{LocalIPv4: "10.0.0.10", NetworkInterfaces: further(config.NetworkInterface{IPv6Prefixes: []string{"2001:db8::/80"}})},
			want: []string{
				"ipv6-prefix", "local-ipv4s", "subnet-ipv4-cidr-block", "subnet-ipv6-cidr-blocks", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks",
				"vpc-ipv6-cidr-blocks",
			},
		},
		{
			name: "IPv4 beside IPv6 alone",
			ec2:  config.EC2{LocalIPv4s: []string{}, IPv6: "2001:db8::1", NetworkInterfaces: further(config.NetworkInterface{LocalIPv4s: []string{"10.0.0.11"}})},
			want: []string{"local-ipv4s", "subnet-ipv4-cidr-block", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for name := range strings.SplitSeq(string(ofFamilies(t, tt.ec2).Lookup(nic1).Body), "\n") {
				if strings.Contains(name, "ipv") {
					got = append(got, name)
				}
			}
			if want := strings.Join(tt.want, " "); strings.Join(got, " ") != want {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}
