package instance

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

type nics = []config.NetworkInterface

func expectNoProblems(t *testing.T, c *config.Instance) {
	t.Helper()
	if found := Check(c); len(found) > 0 {
		t.Fatal(found)
	}
}

func TestInterfaces_DerivedSubnetsDoNotContradict(t *testing.T) {
	for _, tt := range []struct {
		name       string
		change     func(*config.EC2)
		subnets    []string // CIDR block of each interface, by device number
		vpc        []string // blocks that every interface has
		sameSubnet bool     // all interfaces are in one subnet
	}{
		{
			name: "two addresses in a second subnet",
			change: func(e *config.EC2) {
				e.NetworkInterfaces = nics{{DeviceNumber: 1, LocalIPv4s: []string{"10.0.200.5"}}, {DeviceNumber: 2, LocalIPv4s: []string{"10.0.200.6"}}}
			},
			subnets: []string{"10.0.0.0/20", "10.0.192.0/20", "10.0.192.0/20"},
			vpc:     []string{"10.0.0.0/16"},
		},
		{
			name: "two subnet ids with neighbouring addresses",
			change: func(e *config.EC2) {
				e.LocalIPv4, e.SubnetID = "10.0.1.10", "subnet-a"
				e.NetworkInterfaces = nics{{DeviceNumber: 1, SubnetID: "subnet-b", LocalIPv4s: []string{"10.0.2.10"}}}
			},
			subnets: []string{"10.0.0.0/23", "10.0.2.0/23"},
			vpc:     []string{"10.0.0.0/16"},
		},
		{
			name: "an address beside a small subnet",
			change: func(e *config.EC2) {
				e.SubnetIPv4CIDRBlock = "10.0.0.0/24"
				e.NetworkInterfaces = nics{{DeviceNumber: 1, LocalIPv4s: []string{"10.0.5.5"}}}
			},
			subnets: []string{"10.0.0.0/24", "10.0.4.0/22"},
			vpc:     []string{"10.0.0.0/16"},
		},
		{
			name: "an address in a second block of the VPC",
			change: func(e *config.EC2) {
				e.NetworkInterfaces = nics{{DeviceNumber: 1, LocalIPv4s: []string{"100.64.0.9"}}}
			},
			subnets: []string{"10.0.0.0/20", "100.64.0.0/20"},
			vpc:     []string{"10.0.0.0/16", "100.64.0.0/16"},
		},
		{
			name:       "interfaces without addresses",
			change:     func(e *config.EC2) { e.NetworkInterfaces = nics{{DeviceNumber: 1}, {DeviceNumber: 2}} },
			subnets:    []string{"10.0.0.0/20", "10.0.0.0/20", "10.0.0.0/20"},
			vpc:        []string{"10.0.0.0/16"},
			sameSubnet: true,
		},
		{
			name:       "a loopback address",
			change:     func(e *config.EC2) { e.LocalIPv4 = "127.0.0.1" },
			subnets:    []string{"127.0.0.0/20"},
			vpc:        []string{"127.0.0.0/16"},
			sameSubnet: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := minimal()
			tt.change(&c.EC2)
			expectNoProblems(t, c)
			in := New(c, nil)
			var blocks []string
			ids := map[string]bool{}
			for _, n := range in.Interfaces {
				blocks = append(blocks, n.SubnetIPv4CIDRBlock)
				ids[n.SubnetID] = true
				if diff := cmp.Diff(tt.vpc, n.VPCIPv4CIDRBlocks); diff != "" {
					t.Errorf("VPC of %s (-want +got):\n%s", n.Key, diff)
				}
			}
			if diff := cmp.Diff(tt.subnets, blocks); diff != "" {
				t.Errorf("subnets (-want +got):\n%s", diff)
			}
			different := map[string]bool{}
			for _, b := range blocks {
				different[b] = true
			}
			if len(ids) != len(different) || tt.sameSubnet != (len(ids) == 1) {
				t.Errorf("%d ids for %v", len(ids), blocks)
			}
		})
	}
}

// sharing returns interfaces of which each configures another part of one subnet, VPC and security group.
func sharing(t *testing.T) []Interface {
	t.Helper()
	c := minimal()
	c.EC2.SecurityGroups, c.EC2.SecurityGroupIDs = []string{"web"}, []string{"sg-0aaa"}
	c.EC2.NetworkInterfaces = nics{
		{DeviceNumber: 1, SecurityGroups: []string{"web"}, IPv6s: []string{"2600:1F16:067F:f201::0010"}},
		{DeviceNumber: 2, SecurityGroupIDs: []string{"sg-0aaa"}},
	}
	expectNoProblems(t, c)
	return New(c, nil).Interfaces
}

func TestInterfaces_ShareNamesAndIDsOfSecurityGroups(t *testing.T) {
	for _, n := range sharing(t) {
		if !cmp.Equal(n.SecurityGroups, []string{"web"}) || !cmp.Equal(n.SecurityGroupIDs, []string{"sg-0aaa"}) {
			t.Errorf("%s has the groups %v %v", n.Key, n.SecurityGroups, n.SecurityGroupIDs)
		}
	}
}

func TestInterfaces_ShareIPv6Networks(t *testing.T) {
	c := minimal()
	c.EC2.IPv6s, c.EC2.VPCIPv6CIDRBlocks = []string{"2600:1f16:67f:f201::5"}, []string{"2600:1f16:67f:f200::/56"}
	c.EC2.NetworkInterfaces = nics{
		{DeviceNumber: 1, IPv6s: []string{"2600:1f16:67f:f201::10"}},
		{DeviceNumber: 2, IPv6Prefixes: []string{"2600:1f16:67f:f201:1::/80"}},
	}
	expectNoProblems(t, c)
	subnet, vpc := []string{"2600:1f16:67f:f201:0:0:0:0/64"}, []string{"2600:1f16:67f:f200:0:0:0:0/56"}
	for _, n := range New(c, nil).Interfaces {
		if !cmp.Equal(n.SubnetIPv6CIDRBlocks, subnet) || !cmp.Equal(n.VPCIPv6CIDRBlocks, vpc) {
			t.Errorf("%s has the IPv6 networks %v in %v", n.Key, n.SubnetIPv6CIDRBlocks, n.VPCIPv6CIDRBlocks)
		}
	}
}

func TestInterfaces_WithoutIPv6HaveNoIPv6Networks(t *testing.T) {
	for _, n := range sharing(t) {
		if has := len(n.IPv6s) > 0; has != (n.SubnetIPv6CIDRBlocks != nil) || has != (n.VPCIPv6CIDRBlocks != nil) {
			t.Errorf("%s with %v has the IPv6 networks %v in %v", n.Key, n.IPv6s, n.SubnetIPv6CIDRBlocks, n.VPCIPv6CIDRBlocks)
		}
	}
}

func TestInterfaces_IPv6AddressesAreCanonical(t *testing.T) {
	if got := sharing(t)[1].IPv6s[0]; got != "2600:1f16:67f:f201::10" {
		t.Errorf("got %s", got)
	}
}

func TestCheck_RefusesContradictingInterfaces(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*config.EC2)
		want   string
	}{
		{"derived address is the last of the subnet", func(e *config.EC2) {
			e.SubnetIPv4CIDRBlock, e.LocalIPv4 = "10.0.0.0/24", "10.0.0.253"
			e.NetworkInterfaces = nics{{DeviceNumber: 1}, {DeviceNumber: 2}}
		}, "ec2.network_interfaces[1]: address 10.0.0.255 is reserved: AWS reserves the first four and the last of the subnet 10.0.0.0/24; choose another"},
		{"address is one of the first four of the subnet", func(e *config.EC2) {
			e.SubnetIPv4CIDRBlock = "10.0.0.0/24"
			e.NetworkInterfaces = nics{{DeviceNumber: 1, LocalIPv4s: []string{"10.0.0.1"}}}
		}, "ec2.network_interfaces[0]: address 10.0.0.1 is reserved: AWS reserves the first four and the last of the subnet 10.0.0.0/24; choose another"},
		{"address outside the subnet", func(e *config.EC2) {
			e.SubnetID = "subnet-a"
			e.NetworkInterfaces = nics{{DeviceNumber: 1, SubnetID: "subnet-a", LocalIPv4s: []string{"10.0.99.5"}}}
		}, "ec2.network_interfaces[0]: address 10.0.99.5 is not in its subnet 10.0.0.0/20"},
		{"one subnet with two blocks", func(e *config.EC2) {
			e.SubnetID, e.SubnetIPv4CIDRBlock = "subnet-a", "10.0.0.0/24"
			n := config.NetworkInterface{DeviceNumber: 1, SubnetID: "subnet-a", SubnetIPv4CIDRBlock: "10.0.0.0/25", LocalIPv4s: []string{"10.0.0.11"}}
			e.NetworkInterfaces = nics{n}
		}, "ec2.network_interfaces[0]: subnet subnet-a has the block 10.0.0.0/25 here and 10.0.0.0/24 at ec2"},
		{"one subnet in two VPCs", func(e *config.EC2) {
			e.SubnetID = "subnet-a"
			e.NetworkInterfaces = nics{{DeviceNumber: 1, SubnetID: "subnet-a", VPCID: "vpc-2", LocalIPv4s: []string{"10.0.0.11"}}}
			e.VPCID = "vpc-1"
		}, "ec2.network_interfaces[0]: subnet subnet-a is in vpc-2 here and in vpc-1 at ec2"},
		{"overlapping subnets", func(e *config.EC2) {
			e.SubnetID, e.SubnetIPv4CIDRBlock = "subnet-a", "10.0.0.0/24"
			e.NetworkInterfaces = nics{{DeviceNumber: 1, SubnetID: "subnet-b", SubnetIPv4CIDRBlock: "10.0.0.0/16", LocalIPv4s: []string{"10.0.9.9"}}}
		}, "ec2.network_interfaces[0]: its subnet subnet-b, 10.0.0.0/16, overlaps subnet-a, 10.0.0.0/24, of ec2"},
		{"one security group with two ids", func(e *config.EC2) {
			e.SecurityGroups, e.SecurityGroupIDs = []string{"web"}, []string{"sg-1"}
			e.NetworkInterfaces = nics{{DeviceNumber: 1, SecurityGroups: []string{"web"}, SecurityGroupIDs: []string{"sg-2"}}}
		}, "ec2.network_interfaces[0]: security group web has the id sg-2 here and the id sg-1 at another interface"},
		{"prefix outside the subnet", func(e *config.EC2) {
			e.NetworkInterfaces = nics{{DeviceNumber: 1, IPv4Prefixes: []string{"192.168.0.0/28"}}}
		}, "ec2.network_interfaces[0]: prefix 192.168.0.0/28 is not in its subnet 10.0.0.0/20"},
		{"prefix of device 0 outside the subnet", func(e *config.EC2) {
			e.IPv4Prefixes = []string{"192.168.0.0/28"}
		}, "ec2.ipv4_prefixes: prefix 192.168.0.0/28 is not in its subnet 10.0.0.0/20"},
		{"IPv6 prefix outside the subnet", func(e *config.EC2) {
			e.IPv6s, e.IPv6Prefixes = []string{"2001:db8::1"}, []string{"2001:db8:0:1::/80"}
		}, "ec2.ipv6_prefixes: prefix 2001:db8:0:1::/80 is not in any of its subnet's networks [2001:db8:0:0:0:0:0:0/64]"},
		{"second IPv6 address outside the subnet", func(e *config.EC2) {
			e.IPv6s = []string{"2001:db8::1", "2001:db8:0:1::1"}
		}, "ec2.ipv6s: address 2001:db8:0:1::1 is not in any of its subnet's networks [2001:db8:0:0:0:0:0:0/64]"},
		{"second address of device 0 outside the subnet", func(e *config.EC2) {
			e.LocalIPv4s = []string{"10.0.0.10", "10.0.99.10"}
		}, "ec2.local_ipv4s: address 10.0.99.10 is not in its subnet 10.0.0.0/20"},
		{"one subnet with and without IPv4", func(e *config.EC2) {
			e.SubnetID = "subnet-a"
			e.NetworkInterfaces = nics{{DeviceNumber: 1, SubnetID: "subnet-a", LocalIPv4s: []string{}, IPv6s: []string{"2001:db8::1"}}}
		}, "ec2.network_interfaces[0]: only one of this interface and ec2 has an IPv4 address in subnet subnet-a; give both one, or name another subnet"},
		{"one subnet without and with IPv4", func(e *config.EC2) {
			e.LocalIPv4s, e.IPv6, e.SubnetID = []string{}, "2001:db8::1", "subnet-a"
			e.NetworkInterfaces = nics{{DeviceNumber: 1, SubnetID: "subnet-a", LocalIPv4s: []string{"10.0.0.11"}}}
		}, "ec2.network_interfaces[0]: only one of this interface and ec2 has an IPv4 address in subnet subnet-a; give both one, or name another subnet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := minimal()
			tt.change(&c.EC2)
			if got := Check(c); len(got) != 1 || got[0].Error() != tt.want {
				t.Errorf("got  %v\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCheck_GroupsOfTwoVPCsMayHaveOneName(t *testing.T) {
	c := minimal()
	c.EC2.VPCID, c.EC2.SecurityGroups, c.EC2.SecurityGroupIDs = "vpc-1", []string{"default"}, []string{"sg-1"}
	c.EC2.NetworkInterfaces = []config.NetworkInterface{{
		DeviceNumber: 1, VPCID: "vpc-2", SubnetID: "subnet-b", LocalIPv4s: []string{"10.9.0.11"}, SecurityGroups: []string{"default"}, SecurityGroupIDs: []string{"sg-2"},
	}}
	if got := Check(c); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
