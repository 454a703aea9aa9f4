package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddresses_SingleOneIsTheFirstOfItsList(t *testing.T) {
	type device0 struct {
		LocalIPv4   string
		LocalIPv4s  []string
		PublicIPv4  string
		PublicIPv4s []string
		IPv6        string
		IPv6s       []string
	}
	for _, tt := range []struct {
		name, ec2 string
		set       []string
		want      device0
	}{
		{name: "nothing", ec2: "{}", want: device0{LocalIPv4: "10.0.0.10"}},
		{name: "single private", ec2: "{local_ipv4: 10.0.0.5}", want: device0{LocalIPv4: "10.0.0.5"}},
		{
			name: "list of private", ec2: "{local_ipv4s: [10.0.0.5, 10.0.0.6]}",
			want: device0{LocalIPv4: "10.0.0.5", LocalIPv4s: []string{"10.0.0.5", "10.0.0.6"}},
		},
		{
			name: "both, and alike", ec2: "{local_ipv4: 10.0.0.5, local_ipv4s: [10.0.0.5, 10.0.0.6]}",
			want: device0{LocalIPv4: "10.0.0.5", LocalIPv4s: []string{"10.0.0.5", "10.0.0.6"}},
		},
		{
			name: "list does not take part in the default", ec2: "{subnet_ipv4_cidr_block: 10.1.0.0/24, local_ipv4s: [10.1.0.5]}",
			want: device0{LocalIPv4: "10.1.0.5", LocalIPv4s: []string{"10.1.0.5"}},
		},
		{name: "empty list is no address", ec2: "{local_ipv4s: []}", want: device0{LocalIPv4s: []string{}}},
		{name: "empty list, but networks", ec2: "{local_ipv4s: [], vpc_ipv4_cidr_blocks: [10.1.0.0/16]}", want: device0{LocalIPv4s: []string{}}},
		{name: "null is not set", ec2: "{local_ipv4s: null}", want: device0{LocalIPv4: "10.0.0.10"}},
		{name: "nothing behind the key is not set", ec2: "\n  local_ipv4s:\n  local_ipv4: 10.0.0.5", want: device0{LocalIPv4: "10.0.0.5"}},
		{name: "empty text beside an empty list", ec2: "{local_ipv4: '', local_ipv4s: []}", want: device0{LocalIPv4s: []string{}}},
		{name: "empty list by --set", ec2: "{}", set: []string{"ec2.local_ipv4s=[]"}, want: device0{LocalIPv4s: []string{}}},
		{
			name: "empty list by --set, single removed", ec2: "{local_ipv4: 10.0.0.5}", set: []string{"ec2.local_ipv4=", "ec2.local_ipv4s=[]"},
			want: device0{LocalIPv4s: []string{}},
		},
		{name: "list removed by --set", ec2: "{local_ipv4s: []}", set: []string{"ec2.local_ipv4s="}, want: device0{LocalIPv4: "10.0.0.10"}},
		{
			name: "list of one by --set", ec2: "{}", set: []string{"ec2.local_ipv4s=10.0.0.5"},
			want: device0{LocalIPv4: "10.0.0.5", LocalIPv4s: []string{"10.0.0.5"}},
		},
		{
			name: "public", ec2: "{public_ipv4s: [203.0.113.1, 203.0.113.2]}",
			want: device0{LocalIPv4: "10.0.0.10", PublicIPv4: "203.0.113.1", PublicIPv4s: []string{"203.0.113.1", "203.0.113.2"}},
		},
		{name: "empty public list is not set", ec2: "{public_ipv4: 203.0.113.1, public_ipv4s: []}", want: device0{LocalIPv4: "10.0.0.10", PublicIPv4: "203.0.113.1"}},
		{
			name: "IPv6, spelled in two ways", ec2: "{ipv6: '2001:DB8:0::1', ipv6s: ['2001:db8::1', '2001:db8::2']}",
			want: device0{LocalIPv4: "10.0.0.10", IPv6: "2001:DB8:0::1", IPv6s: []string{"2001:db8::1", "2001:db8::2"}},
		},
		{
			name: "list of IPv6", ec2: "{ipv6s: ['2001:db8::1']}",
			want: device0{LocalIPv4: "10.0.0.10", IPv6: "2001:db8::1", IPv6s: []string{"2001:db8::1"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := mustLoad(t, "ec2: "+tt.ec2, nil, tt.set)
			e := l.Config.EC2
			got := device0{e.LocalIPv4, e.LocalIPv4s, e.PublicIPv4, e.PublicIPv4s, e.IPv6, e.IPv6s}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again := mustLoad(t, string(l.YAML()), nil, nil)
			expectConfig(t, again.Config, l.Config)
		})
	}
}

func TestAddresses_SingleOneOutsideItsListIsRefused(t *testing.T) {
	for _, b := range []bad{
		{"private", `
ec2:
  local_ipv4: 10.0.0.10
  local_ipv4s: [10.0.0.11, 10.0.0.10]`, `
f.yaml:2: ec2.local_ipv4: 10.0.0.10 is not the first of ec2.local_ipv4s, 10.0.0.11; remove one of the two`},
		{"private and none", `
ec2:
  local_ipv4s: []
  local_ipv4: 10.0.0.10`, `
f.yaml:3: ec2.local_ipv4: 10.0.0.10 is an address, but ec2.local_ipv4s is [], no address; remove one of the two`},
		{"public", `
ec2: {public_ipv4: 203.0.113.1, public_ipv4s: [203.0.113.2]}`, `
f.yaml:1: ec2.public_ipv4: 203.0.113.1 is not the first of ec2.public_ipv4s, 203.0.113.2; remove one of the two`},
		{"IPv6", `
ec2: {ipv6: "2001:db8::1", ipv6s: ["2001:db8::2", "2001:db8::1"]}`, `
f.yaml:1: ec2.ipv6: 2001:db8::1 is not the first of ec2.ipv6s, 2001:db8::2; remove one of the two`},
		{"a wrong list is reported once", `
ec2: {local_ipv4: 10.0.0.10, local_ipv4s: [10.0.0.11, x]}`, `
f.yaml:1: ec2.local_ipv4s: "x" is not an IPv4 address`},
		{"wrong lists", `
ec2: {public_ipv4s: ["::1"], ipv6s: [10.0.0.1], ipv4_prefixes: ["2001:db8::/80"], ipv6_prefixes: [10.0.0.0/28], hostname_type: id}`, `
f.yaml:1: ec2.hostname_type: "id" is not one of ip-name, resource-name
f.yaml:1: ec2.public_ipv4s: "::1" is not an IPv4 address
f.yaml:1: ec2.ipv6s: "10.0.0.1" is not an IPv6 address
f.yaml:1: ec2.ipv4_prefixes: "2001:db8::/80" is not an IPv4 CIDR block
f.yaml:1: ec2.ipv6_prefixes: "10.0.0.0/28" is not an IPv6 CIDR block`},
		{"a list that is a text", `
ec2: {local_ipv4s: 10.0.0.10}`, `
f.yaml:1: ec2.local_ipv4s: want a list, but this is a single value; write ["10.0.0.10"]`},
	} {
		b.check(t)
	}
}

func TestAddresses_EmptyListOfAnInterfaceIsKept(t *testing.T) {
	l := mustLoad(t, "ec2: {network_interfaces: [{local_ipv4s: []}, {local_ipv4s: null}, {}]}", nil, nil)
	var got [][]string
	for _, n := range l.Config.EC2.NetworkInterfaces {
		got = append(got, n.LocalIPv4s)
	}
	if diff := cmp.Diff([][]string{{}, nil, nil}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	expectConfig(t, mustLoad(t, string(l.YAML()), nil, nil).Config, l.Config)
}

func TestAddresses_ListsOfDevice0HaveTheRulesOfItsSingleOnes(t *testing.T) {
	const odd = "an instance has one of its VPC, e.g. 10.0.0.10"
	expectWarnings(t, "ec2: {local_ipv4s: [127.0.0.2]}", "f.yaml:1: ec2.local_ipv4s: 127.0.0.2 is a loopback address; "+odd)
	_, err := loadText("ec2: {local_ipv4s: ["+strings.Repeat("10.1.0.5, ", 257)+"]}", nil, nil)
	expectError(t, err, "f.yaml:1: ec2.local_ipv4s: 257 addresses; at most 256")
}
