package instance

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// badNetwork is a file that Check refuses and the error. Both start in the line after the quote.
type badNetwork struct {
	name, yaml, want string
}

// loadText loads the content of a file f.yaml.
func loadText(t *testing.T, content string, set ...string) *config.Loaded {
	t.Helper()
	t.Chdir(t.TempDir())
	testutil.Write(t, "f.yaml", content)
	l, err := config.Load(config.Sources{File: "f.yaml", Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// check loads the file and compares the error.
func (b badNetwork) check(t *testing.T) {
	t.Run(b.name, func(t *testing.T) {
		l := loadText(t, strings.TrimPrefix(b.yaml, "\n"))
		err := l.Problems(-1, Check(&l.Config.Instance))
		if want := strings.TrimPrefix(b.want, "\n"); err == nil || err.Error() != want {
			t.Errorf("got:\n%v\nwant:\n%s", err, want)
		}
	})
}

func TestCheck_RefusesContradictingNetworks(t *testing.T) {
	for _, b := range []badNetwork{
		{"address outside the subnet", `
ec2:
  local_ipv4: 10.0.1.5
  subnet_ipv4_cidr_block: 10.0.0.0/24`, `
f.yaml:2: ec2.local_ipv4: 10.0.1.5 is not in ec2.subnet_ipv4_cidr_block 10.0.0.0/24`},
		{"address outside the VPC", `
ec2: {local_ipv4: 10.0.1.5, vpc_ipv4_cidr_blocks: [10.2.0.0/16, 10.3.0.0/16]}`, `
f.yaml:1: ec2.local_ipv4: 10.0.1.5 is not in ec2.vpc_ipv4_cidr_blocks`},
		{"the subnet's own address", `
ec2: {local_ipv4: 10.0.0.0, subnet_ipv4_cidr_block: 10.0.0.0/24}`, `
f.yaml:1: ec2.local_ipv4: 10.0.0.0 is AWS's own: it keeps the first four addresses and the last of ec2.subnet_ipv4_cidr_block 10.0.0.0/24`},
		{"the fourth address", `
ec2: {local_ipv4: 10.0.0.3, subnet_ipv4_cidr_block: 10.0.0.0/24}`, `
f.yaml:1: ec2.local_ipv4: 10.0.0.3 is AWS's own: it keeps the first four addresses and the last of ec2.subnet_ipv4_cidr_block 10.0.0.0/24`},
		{"the last address", `
ec2: {local_ipv4: 255.255.255.255, subnet_ipv4_cidr_block: 255.255.255.0/24}`, `
f.yaml:1: ec2.local_ipv4: 255.255.255.255 is AWS's own: it keeps the first four addresses and the last of ec2.subnet_ipv4_cidr_block 255.255.255.0/24`},
		{"subnet outside the VPC", `
ec2: {vpc_ipv4_cidr_blocks: [10.0.0.0/16], subnet_ipv4_cidr_block: 10.1.0.0/24}`, `
f.yaml:1: ec2.subnet_ipv4_cidr_block: 10.1.0.0/24 is not in ec2.vpc_ipv4_cidr_blocks 10.0.0.0/16`},
		{"subnet larger than the VPC", `
ec2: {vpc_ipv4_cidr_blocks: [10.0.0.0/20], subnet_ipv4_cidr_block: 10.0.0.0/16}`, `
f.yaml:1: ec2.subnet_ipv4_cidr_block: 10.0.0.0/16 is not in ec2.vpc_ipv4_cidr_blocks 10.0.0.0/20`},
		{"subnet without room", `
ec2: {local_ipv4: 10.0.0.33, subnet_ipv4_cidr_block: 10.0.0.32/30}`, `
f.yaml:1: ec2.subnet_ipv4_cidr_block: 10.0.0.32/30 is too small: AWS keeps the first four addresses and the last; write e.g. 10.0.0.0/24`},
		{"IPv6 address outside the subnets", `
ec2:
  ipv6: 2001:db8::1
  subnet_ipv6_cidr_blocks: ["2001:db8:1::/64"]`, `
f.yaml:2: ec2.ipv6: 2001:db8::1 is not in ec2.subnet_ipv6_cidr_blocks 2001:db8:1::/64`},
		{"IPv6 address outside the VPC", `
ec2: {ipv6: "2001:db8::1", vpc_ipv6_cidr_blocks: ["2001:db8:1::/56"]}`, `
f.yaml:1: ec2.ipv6: 2001:db8::1 is not in ec2.vpc_ipv6_cidr_blocks 2001:db8:1::/56`},
		{"IPv6 subnet outside the VPC", `
ec2:
  vpc_ipv6_cidr_blocks: ["2001:db8::/56"]
  subnet_ipv6_cidr_blocks:
  - 2001:db8::/64
  - 2001:db8:1::/64`, `
f.yaml:5: ec2.subnet_ipv6_cidr_blocks: 2001:db8:1::/64 is not in ec2.vpc_ipv6_cidr_blocks 2001:db8::/56`},
		{"public host name without address", `
ec2: {public_hostname: a.b}`, `
f.yaml:1: ec2.public_hostname: needs ec2.public_ipv4`},
		{"names and ids of security groups", `
ec2:
  security_groups: [a, b]
  security_group_ids: [sg-1]`, `
f.yaml:3: ec2.security_group_ids: 1 ids, but ec2.security_groups has 2 names`},
	} {
		b.check(t)
	}
}

func TestCheck_RefusesContradictingListsOfDevice0(t *testing.T) {
	for _, b := range []badNetwork{
		{"addresses outside the subnet", `
ec2:
  local_ipv4s:
  - 10.0.0.5
  - 10.0.1.5
  - 10.0.0.255
  subnet_ipv4_cidr_block: 10.0.0.0/24`, `
f.yaml:4: ec2.local_ipv4s: 10.0.1.5 is not in ec2.subnet_ipv4_cidr_block 10.0.0.0/24
f.yaml:5: ec2.local_ipv4s: 10.0.0.255 is AWS's own: it keeps the first four addresses and the last of ec2.subnet_ipv4_cidr_block 10.0.0.0/24`},
		{"IPv6 address outside the subnet", `
ec2: {ipv6s: ["2001:db8::1", "2001:db8:1::1"], subnet_ipv6_cidr_blocks: ["2001:db8::/64"]}`, `
f.yaml:1: ec2.ipv6s: 2001:db8:1::1 is not in ec2.subnet_ipv6_cidr_blocks 2001:db8::/64`},
		{"addresses twice", `
ec2:
  local_ipv4s: [10.0.0.10, 10.0.0.10]
  ipv6s: ["2001:db8::1", "2001:db8:0::1"]
  public_ipv4s: [203.0.113.1]
  network_interfaces: [{public_ipv4s: [203.0.113.1], local_ipv4s: [10.0.0.10]}]`, `
f.yaml:2: ec2.local_ipv4s: 10.0.0.10 is that of ec2.local_ipv4s too
f.yaml:3: ec2.ipv6s: 2001:db8::1 is that of ec2.ipv6s too
f.yaml:5: ec2.network_interfaces[0].local_ipv4s: 10.0.0.10 is that of ec2.local_ipv4s too
f.yaml:5: ec2.network_interfaces[0].public_ipv4s: 203.0.113.1 is that of ec2.public_ipv4s too`},
		{"more public than private addresses", `
ec2: {public_ipv4s: [203.0.113.1, 203.0.113.2]}`, `
f.yaml:1: ec2.public_ipv4s: 2 public addresses for 1 private; each needs its own`},
		{"public host name with an empty list", `
ec2: {public_hostname: a.b, local_ipv4s: [10.0.0.5]}`, `
f.yaml:1: ec2.public_hostname: needs ec2.public_ipv4`},
		{"no address follows the highest", `
ec2: {local_ipv4s: [255.255.255.255, 255.255.255.254], network_interfaces: [{}]}`, `
f.yaml:1: ec2.network_interfaces[0].local_ipv4s: is missing, and there is none 1 after the highest of ec2.local_ipv4s 255.255.255.255`},
	} {
		b.check(t)
	}
}

func TestCheck_RefusesIPv4ValuesWithoutIPv4Address(t *testing.T) {
	for _, b := range []badNetwork{
		{"no address at all", `
ec2: {local_ipv4s: []}`, `
f.yaml:1: ec2.local_ipv4s: [] needs ec2.ipv6s: an instance has an address`},
		{"public address", `
ec2: {local_ipv4s: [], ipv6: "2001:db8::1", public_ipv4: 203.0.113.1}`, `
f.yaml:1: ec2.public_ipv4: 1 public addresses for 0 private; each needs its own`},
		{"prefix and subnet", `
ec2:
  local_ipv4s: []
  ipv6: "2001:db8::1"
  ipv4_prefixes: [10.0.0.16/28]
  subnet_ipv4_cidr_block: 10.0.0.0/24`, `
f.yaml:4: ec2.ipv4_prefixes: needs an address in ec2.local_ipv4s
f.yaml:5: ec2.subnet_ipv4_cidr_block: in such a subnet an interface has an IPv4 address, but ec2.local_ipv4s is []; remove one of the two`},
		{"host name by address", `
ec2: {local_ipv4s: [], ipv6: "2001:db8::1", hostname_type: ip-name}`, `
f.yaml:1: ec2.hostname_type: ip-name needs an address in ec2.local_ipv4s; write resource-name, or leave it out`},
		{"further interface", `
ec2:
  network_interfaces:
  - local_ipv4s: []
    ipv6s: ["2001:db8::1"]
    public_ipv4s: [203.0.113.1]
    ipv4_prefixes: [10.0.0.16/28]
    subnet_ipv4_cidr_block: 10.0.1.0/24`, `
f.yaml:5: ec2.network_interfaces[0].public_ipv4s: 1 public addresses for 0 private; each needs its own
f.yaml:6: ec2.network_interfaces[0].ipv4_prefixes: needs an address in ec2.network_interfaces[0].local_ipv4s
f.yaml:7: ec2.network_interfaces[0].subnet_ipv4_cidr_block: in such a subnet an interface has an IPv4 address, but ec2.network_interfaces[0].local_ipv4s is []; remove one of the two`},
		{"interface beside an instance of IPv6 alone", `
ec2:
  local_ipv4s: []
  ipv6: "2001:db8::1"
  network_interfaces:
  - {public_ipv4s: [203.0.113.1]}`, `
f.yaml:5: ec2.network_interfaces[0].public_ipv4s: 1 public addresses for 0 private; each needs its own`},
	} {
		b.check(t)
	}
}

func TestCheck_RefusesContradictingSecondaryInterfaces(t *testing.T) {
	for _, b := range []badNetwork{
		{"the instance's own device", `
ec2: {network_interfaces: [{device_number: 0}]}`, `
f.yaml:1: ec2.network_interfaces[0].device_number: 0 is the interface that ec2.local_ipv4, ec2.mac and so on describe; this is a further one`},
		{"device twice", `
ec2:
  network_interfaces:
  - device_number: 2
  - {}`, `
f.yaml:4: ec2.network_interfaces[1].device_number: 2 on network card 0 is ec2.network_interfaces[0] already`},
		{"MAC of the instance", `
ec2:
  mac: 0a:1b:2c:3d:4e:5f
  network_interfaces:
  - {mac: "0a:1b:2c:3d:4e:60"}
  - {mac: "0a:1b:2c:3d:4e:5f"}
  - {mac: "0a:1b:2c:3d:4e:60"}`, `
f.yaml:5: ec2.network_interfaces[1].mac: 0a:1b:2c:3d:4e:5f is that of ec2.mac too
f.yaml:6: ec2.network_interfaces[2].mac: 0a:1b:2c:3d:4e:60 is that of ec2.network_interfaces[0].mac too`},
		{"interface twice", `
ec2:
  interface_id: eni-1
  network_interfaces: [{interface_id: eni-1}]`, `
f.yaml:3: ec2.network_interfaces[0].interface_id: eni-1 is that of ec2.interface_id too`},
		{"addresses twice", `
ec2:
  ipv6: 2001:db8::1
  public_ipv4: 203.0.113.1
  network_interfaces:
  - local_ipv4s: [10.0.0.10, 10.0.0.11]
    public_ipv4s: [203.0.113.1]
  - local_ipv4s: [10.0.0.12, 10.0.0.11]
    ipv6s: ["2001:db8:0::1"]`, `
f.yaml:5: ec2.network_interfaces[0].local_ipv4s: 10.0.0.10 is that of ec2.local_ipv4 too
f.yaml:6: ec2.network_interfaces[0].public_ipv4s: 203.0.113.1 is that of ec2.public_ipv4 too
f.yaml:7: ec2.network_interfaces[1].local_ipv4s: 10.0.0.11 is that of ec2.network_interfaces[0].local_ipv4s too
f.yaml:8: ec2.network_interfaces[1].ipv6s: 2001:db8::1 is that of ec2.ipv6 too`},
		{"addresses outside its subnet", `
ec2:
  subnet_ipv4_cidr_block: 10.0.0.0/24
  network_interfaces:
  - subnet_ipv4_cidr_block: 10.0.1.0/24
    local_ipv4s:
    - 10.0.1.4
    - 10.0.0.11
    - 10.0.1.255
    subnet_ipv6_cidr_blocks: ["2001:db8::/64"]
    ipv6s: ["2001:db8:1::1"]`, `
f.yaml:7: ec2.network_interfaces[0].local_ipv4s: 10.0.0.11 is not in ec2.network_interfaces[0].subnet_ipv4_cidr_block 10.0.1.0/24
f.yaml:8: ec2.network_interfaces[0].local_ipv4s: 10.0.1.255 is AWS's own: it keeps the first four addresses and the last of ec2.network_interfaces[0].subnet_ipv4_cidr_block 10.0.1.0/24
f.yaml:10: ec2.network_interfaces[0].ipv6s: 2001:db8:1::1 is not in ec2.network_interfaces[0].subnet_ipv6_cidr_blocks 2001:db8::/64`},
		{"addresses that follow from the instance's", `
ec2:
  network_interfaces:
  - {}
  - local_ipv4s: [10.0.0.11]
  - subnet_ipv4_cidr_block: 10.0.1.0/24`, `
f.yaml:4: ec2.network_interfaces[1].local_ipv4s: 10.0.0.11 is that of ec2.network_interfaces[0].local_ipv4s too
f.yaml:5: ec2.network_interfaces[2].local_ipv4s: 10.0.0.13 (3 after ec2.local_ipv4) is not in ec2.network_interfaces[2].subnet_ipv4_cidr_block 10.0.1.0/24`},
		{"no address follows", `
ec2: {local_ipv4: 255.255.255.255, network_interfaces: [{}]}`, `
f.yaml:1: ec2.network_interfaces[0].local_ipv4s: is missing, and there is none 1 after ec2.local_ipv4 255.255.255.255`},
		{"addresses outside the instance's networks", `
ec2:
  subnet_id: subnet-1
  subnet_ipv4_cidr_block: 10.0.0.0/24
  vpc_ipv4_cidr_blocks: [10.0.0.0/16]
  network_interfaces:
  - local_ipv4s: [10.0.1.11]
  - {subnet_id: subnet-1, local_ipv4s: [10.0.1.12]}
  - {subnet_id: subnet-2, local_ipv4s: [10.0.1.13, 10.1.0.13]}
  - {subnet_ipv4_cidr_block: 10.1.0.0/24, local_ipv4s: [10.1.0.9]}
  - {vpc_ipv4_cidr_blocks: [10.1.0.0/16], local_ipv4s: [10.1.0.14, 10.0.0.14]}`, `
f.yaml:7: ec2.network_interfaces[1].local_ipv4s: 10.0.1.12 is not in ec2.subnet_ipv4_cidr_block 10.0.0.0/24
f.yaml:8: ec2.network_interfaces[2].local_ipv4s: 10.1.0.13 is not in ec2.vpc_ipv4_cidr_blocks 10.0.0.0/16
f.yaml:9: ec2.network_interfaces[3].subnet_ipv4_cidr_block: 10.1.0.0/24 is not in ec2.vpc_ipv4_cidr_blocks 10.0.0.0/16
f.yaml:10: ec2.network_interfaces[4].local_ipv4s: 10.0.0.14 is not in ec2.network_interfaces[4].vpc_ipv4_cidr_blocks 10.1.0.0/16`},
		{"subnets", `
ec2:
  network_interfaces:
  - subnet_ipv4_cidr_block: 10.0.0.10/31
    vpc_ipv6_cidr_blocks: ["2001:db8::/56"]
    subnet_ipv6_cidr_blocks: ["2001:db9::/64"]`, `
f.yaml:3: ec2.network_interfaces[0].subnet_ipv4_cidr_block: 10.0.0.10/31 is too small: AWS keeps the first four addresses and the last; write e.g. 10.0.0.0/24
f.yaml:5: ec2.network_interfaces[0].subnet_ipv6_cidr_blocks: 2001:db9::/64 is not in ec2.network_interfaces[0].vpc_ipv6_cidr_blocks 2001:db8::/56`},
		{"public addresses without private ones", `
ec2:
  network_interfaces:
  - public_ipv4s: [203.0.113.1, 203.0.113.2]
  - local_ipv4s: [10.0.0.21, 10.0.0.22]
    public_ipv4s: [203.0.113.3, 203.0.113.4, 203.0.113.5]`, `
f.yaml:3: ec2.network_interfaces[0].public_ipv4s: 2 public addresses for 1 private; each needs its own
f.yaml:5: ec2.network_interfaces[1].public_ipv4s: 3 public addresses for 2 private; each needs its own`},
		{"public host name without address", `
ec2: {network_interfaces: [{public_hostname: a.b}]}`, `
f.yaml:1: ec2.network_interfaces[0].public_hostname: needs ec2.network_interfaces[0].public_ipv4s`},
		{"names and ids of security groups", `
ec2: {network_interfaces: [{security_groups: [a], security_group_ids: [sg-1, sg-2]}]}`, `
f.yaml:1: ec2.network_interfaces[0].security_group_ids: 2 ids, but ec2.network_interfaces[0].security_groups has 1 names`},
	} {
		b.check(t)
	}
}

func TestCheck_ReportsAtFlags(t *testing.T) {
	l := loadText(t, "", "ec2.network_interfaces=[{device_number: 0}]")
	err := l.Problems(-1, Check(&l.Config.Instance))
	const want = "--set ec2.network_interfaces[0].device_number: 0 is the interface that ec2.local_ipv4, ec2.mac and so on describe; this is a further one"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestCheck_AcceptsNetworksThatAgree(t *testing.T) {
	l := loadText(t, `
ec2:
  local_ipv4: 10.0.0.4
  public_ipv4: 203.0.113.10
  public_hostname: ec2-203-0-113-10.compute-1.amazonaws.com
  ipv6: 2001:db8::1
  mac: 0a:1b:2c:3d:4e:5f
  vpc_ipv4_cidr_blocks: [172.16.0.0/16, 10.0.0.0/16]
  subnet_ipv4_cidr_block: 10.0.0.0/24
  vpc_ipv6_cidr_blocks: ["2001:db8::/56"]
  subnet_ipv6_cidr_blocks: ["2001:db8::/64", "2001:db8:0:1::/64"]
  security_groups: [my group, other]
  security_group_ids: [sg-1, sg-2]
  network_interfaces:
  - mac: 0a:1b:2c:3d:4e:60
    local_ipv4s: [10.0.0.5, 10.0.0.254]
    public_ipv4s: [203.0.113.11, 203.0.113.12]
    public_hostname: a.b
    ipv6s: ["2001:db8:0:1::1"]
    ipv4_prefixes: [10.0.0.16/28]
    ipv6_prefixes: ["2001:db8:0:1:1::/80"]
  - {device_number: 0, network_card: 1, public_ipv4s: [203.0.113.13]}
  - {vpc_id: vpc-2, subnet_ipv4_cidr_block: 192.168.0.0/28, local_ipv4s: [192.168.0.14]}
  - {subnet_id: subnet-2, local_ipv4s: [172.16.0.1]}
  - {subnet_ipv6_cidr_blocks: ["2001:db8:0:2::/64"], ipv6s: ["2001:db8:0:2::9"]}
`)
	if err := l.Problems(-1, Check(&l.Config.Instance)); err != nil {
		t.Error(err)
	}
}

// Neither Check nor New may panic on a configuration that Load accepts.
func FuzzCheck(f *testing.F) {
	f.Add("ec2: {subnet_ipv4_cidr_block: 10.0.0.0/28, network_interfaces: [{local_ipv4s: [10.0.0.5]}, {device_number: 0, network_card: 1}]}")
	f.Add("ec2: {local_ipv4: 255.255.255.255, network_interfaces: [{}, {subnet_id: s, subnet_ipv4_cidr_block: 0.0.0.0/0}]}")
	f.Add("ec2: {ipv6: \"::1\", vpc_ipv6_cidr_blocks: [\"::/0\"], subnet_ipv6_cidr_blocks: [\"::/128\"], network_interfaces: [{ipv6s: [\"::2\"], vpc_id: v}]}")
	f.Add("ec2: {vpc_ipv4_cidr_blocks: [10.0.0.0/30], security_groups: [a, b], network_interfaces: [{security_group_ids: [c]}]}")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		l, err := config.Load(config.Sources{File: testutil.Write(t, dir+"/f.yaml", content)})
		if err != nil {
			return
		}
		Check(&l.Config.Instance)
		New(&l.Config.Instance, nil)
	})
}
