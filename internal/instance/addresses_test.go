package instance

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

// ipv6Only returns an instance without an IPv4 address.
func ipv6Only() *config.Instance {
	c := minimal()
	c.EC2.LocalIPv4, c.EC2.LocalIPv4s, c.EC2.IPv6s = "", []string{}, []string{"2600:1f16:67f:f201::5", "2600:1f16:67f:f201::6"}
	return c
}

func TestNew_InstanceOfIPv6Alone(t *testing.T) {
	c := ipv6Only()
	c.AWS.Region, c.AWS.AvailabilityZone = "us-west-1", "us-west-1a"
	expectNoProblems(t, c)
	in := New(c, nil)
	n := in.Interfaces[0]
	want := Interface{
		Key: "ec2", MAC: n.MAC, ID: n.ID, OwnerID: "123456789012", Hostname: "i-0123456789abcdef0.us-west-1.compute.internal",
		IPv6s:          []string{"2600:1f16:67f:f201::5", "2600:1f16:67f:f201::6"},
		LocalIPv4s:     []string{},
		SecurityGroups: []string{"default"}, SecurityGroupIDs: n.SecurityGroupIDs, VPCID: n.VPCID, SubnetID: n.SubnetID,
		VPCIPv4CIDRBlocks:    []string{"10.0.0.0/16"},
		VPCIPv6CIDRBlocks:    []string{"2600:1f16:67f:f200:0:0:0:0/56"},
		SubnetIPv6CIDRBlocks: []string{"2600:1f16:67f:f201:0:0:0:0/64"},
	}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("device 0 (-want +got):\n%s", diff)
	}
	if in.Hostname != n.Hostname {
		t.Errorf("host name %s, that of device 0 %s", in.Hostname, n.Hostname)
	}
	if document := string(in.IdentityDocument()); !strings.Contains(document, "\n  \"privateIp\" : null,\n") {
		t.Errorf("the document has an address:\n%s", document)
	}
}

func TestNew_HostnamesFollowTheirType(t *testing.T) {
	dualStack := func(e *config.EC2) { e.IPv6s = []string{"2001:db8::1"} }
	v6 := func(e *config.EC2) { e.LocalIPv4s, e.IPv6s = []string{}, []string{"2001:db8::1"} }
	for _, tt := range []struct {
		name, region, hostnameType, hostname string
		change                               func(*config.EC2)
		want, further                        string // of device 0, and of device 1
	}{
		{
			name: "default", region: "eu-west-1", change: func(*config.EC2) {},
			want: "ip-10-0-0-10.eu-west-1.compute.internal", further: "ip-10-0-0-11.eu-west-1.compute.internal",
		},
		{
			name: "resource name", region: "eu-west-1", hostnameType: "resource-name", change: func(*config.EC2) {},
			want: "i-0123456789abcdef0.eu-west-1.compute.internal", further: "i-0123456789abcdef0.eu-west-1.compute.internal",
		},
		{
			name: "resource name in us-east-1", region: "us-east-1", hostnameType: "resource-name", change: func(*config.EC2) {},
			want: "i-0123456789abcdef0.ec2.internal", further: "i-0123456789abcdef0.ec2.internal",
		},
		{
			name: "IP name", region: "us-east-1", hostnameType: "ip-name", change: dualStack,
			want: "ip-10-0-0-10.ec2.internal", further: "ip-10-0-0-11.ec2.internal",
		},
		{
			name: "dual stack", region: "cn-north-1", change: dualStack,
			want: "ip-10-0-0-10.cn-north-1.compute.internal", further: "ip-10-0-0-11.cn-north-1.compute.internal",
		},
		{
			name: "dual stack by resource", region: "cn-north-1", hostnameType: "resource-name", change: dualStack,
			want: "i-0123456789abcdef0.cn-north-1.compute.internal", further: "i-0123456789abcdef0.cn-north-1.compute.internal",
		},
		{
			name: "IPv6 alone", region: "us-gov-west-1", change: v6,
			want: "i-0123456789abcdef0.us-gov-west-1.compute.internal", further: "i-0123456789abcdef0.us-gov-west-1.compute.internal",
		},
		{
			name: "IPv6 alone in us-east-1", region: "us-east-1", change: v6,
			want: "i-0123456789abcdef0.ec2.internal", further: "i-0123456789abcdef0.ec2.internal",
		},
		{
			name: "configured name", region: "us-east-1", hostnameType: "resource-name", hostname: "web.example.com", change: func(*config.EC2) {},
			want: "web.example.com", further: "i-0123456789abcdef0.ec2.internal",
		},
		{
			name: "list of addresses", region: "us-east-1", change: func(e *config.EC2) { e.LocalIPv4s = []string{"10.0.0.20", "10.0.0.30"} },
			want: "ip-10-0-0-20.ec2.internal", further: "ip-10-0-0-31.ec2.internal",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := minimal()
			c.AWS.Region, c.EC2.HostnameType, c.EC2.Hostname = tt.region, tt.hostnameType, tt.hostname
			c.EC2.NetworkInterfaces = nics{{DeviceNumber: 1}}
			tt.change(&c.EC2)
			expectNoProblems(t, c)
			in := New(c, nil)
			if in.Hostname != tt.want || in.Interfaces[0].Hostname != tt.want || in.Interfaces[1].Hostname != tt.further {
				t.Errorf("got %s, %s and %s, want %s and %s", in.Hostname, in.Interfaces[0].Hostname, in.Interfaces[1].Hostname, tt.want, tt.further)
			}
		})
	}
}

func TestInterfaces_Device0HasLists(t *testing.T) {
	c := minimal()
	c.EC2.LocalIPv4s = []string{"10.0.0.20", "10.0.0.12", "10.0.0.13"}
	c.EC2.PublicIPv4s = []string{"203.0.113.1", "203.0.113.2"}
	c.EC2.IPv6s = []string{"2001:DB8:0::1", "2001:db8::2"}
	c.EC2.IPv4Prefixes, c.EC2.IPv6Prefixes = []string{"10.0.1.0/28"}, []string{"2001:db8:0:0:1::/80"}
	c.EC2.NetworkInterfaces = nics{{DeviceNumber: 1}, {DeviceNumber: 2}}
	expectNoProblems(t, c)
	in := New(c, nil)
	n := in.Interfaces[0]
	got := [][]string{n.LocalIPv4s, n.PublicIPv4s, n.IPv6s, n.IPv4Prefixes, n.IPv6Prefixes, {n.PublicHostname, in.PublicHostname}, in.Interfaces[1].LocalIPv4s, in.Interfaces[2].LocalIPv4s}
	name := "ec2-203-0-113-1.compute-1.amazonaws.com"
	want := [][]string{
		{"10.0.0.20", "10.0.0.12", "10.0.0.13"},
		{"203.0.113.1", "203.0.113.2"},
		{"2001:db8::1", "2001:db8::2"},
		{"10.0.1.0/28"},
		{"2001:db8:0:0:1::/80"},
		{name, name},
		{"10.0.0.21"},
		{"10.0.0.22"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInterfaces_SubnetsAreOfOneFamilyOrBoth(t *testing.T) {
	none := []string{}
	for _, tt := range []struct {
		name    string
		c       *config.Instance
		further nics
		ipv4    []string // block of each interface's subnet
		ipv6    []string
		same    []int // number of the first interface in the same subnet
	}{
		{
			name: "IPv6 alone beside IPv4", c: minimal(),
			further: nics{{DeviceNumber: 1, LocalIPv4s: none, IPv6s: []string{"2001:db8::1"}}, {DeviceNumber: 2}},
			ipv4:    []string{"10.0.0.0/20", "", "10.0.0.0/20"}, ipv6: []string{"", "2001:db8:0:0:0:0:0:0/64", ""}, same: []int{0, 1, 0},
		},
		{
			name: "two of IPv6 alone in one network", c: minimal(),
			further: nics{{DeviceNumber: 1, LocalIPv4s: none, IPv6s: []string{"2001:db8::1"}}, {DeviceNumber: 2, LocalIPv4s: none, IPv6s: []string{"2001:db8::2"}}},
			ipv4:    []string{"10.0.0.0/20", "", ""}, ipv6: []string{"", "2001:db8:0:0:0:0:0:0/64", "2001:db8:0:0:0:0:0:0/64"}, same: []int{0, 1, 1},
		},
		{
			name: "all of IPv6 alone", c: ipv6Only(),
			further: nics{{DeviceNumber: 1, IPv6s: []string{"2600:1f16:67f:f201::7"}}, {DeviceNumber: 2, IPv6s: []string{"2600:1f16:67f:f202::7"}}},
			ipv4:    []string{"", "", ""},
			ipv6:    []string{"2600:1f16:67f:f201:0:0:0:0/64", "2600:1f16:67f:f201:0:0:0:0/64", "2600:1f16:67f:f202:0:0:0:0/64"}, same: []int{0, 0, 2},
		},
		{
			name: "IPv4 beside IPv6 alone", c: ipv6Only(), further: nics{{DeviceNumber: 1, LocalIPv4s: []string{"172.16.0.9"}}},
			ipv4: []string{"", "172.16.0.0/20"}, ipv6: []string{"2600:1f16:67f:f201:0:0:0:0/64", ""}, same: []int{0, 1},
		},
		{
			name: "without any address, for EFA alone", c: minimal(), further: nics{{DeviceNumber: 1, LocalIPv4s: none}},
			ipv4: []string{"10.0.0.0/20", ""}, ipv6: []string{"", ""}, same: []int{0, 0},
		},
		{
			name: "without any address in another VPC", c: minimal(), further: nics{{DeviceNumber: 1, VPCID: "vpc-2", LocalIPv4s: none}},
			ipv4: []string{"10.0.0.0/20", ""}, ipv6: []string{"", ""}, same: []int{0, 1},
		},
		{
			name: "prefix of IPv6 alone", c: minimal(), further: nics{{DeviceNumber: 1, LocalIPv4s: none, IPv6Prefixes: []string{"2001:db8::/80"}}},
			ipv4: []string{"10.0.0.0/20", ""}, ipv6: []string{"", "2001:db8:0:0:0:0:0:0/64"}, same: []int{0, 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.EC2.NetworkInterfaces = tt.further
			expectNoProblems(t, tt.c)
			var ipv4, ipv6 []string
			var same []int
			first := map[string]int{}
			for i, n := range New(tt.c, nil).Interfaces {
				ipv4 = append(ipv4, n.SubnetIPv4CIDRBlock)
				ipv6 = append(ipv6, strings.Join(n.SubnetIPv6CIDRBlocks, " "))
				if _, ok := first[n.SubnetID]; !ok {
					first[n.SubnetID] = i
				}
				same = append(same, first[n.SubnetID])
				if len(n.VPCIPv4CIDRBlocks) == 0 {
					t.Errorf("the VPC of %s has no IPv4 block", n.Key)
				}
			}
			if diff := cmp.Diff([]any{tt.ipv4, tt.ipv6, tt.same}, []any{ipv4, ipv6, same}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
