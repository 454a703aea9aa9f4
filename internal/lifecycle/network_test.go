package lifecycle

import (
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

func TestNetwork_AddsAndRemovesAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, address, mac string
		want               map[string]string
	}{
		{"IPv4", "10.0.0.20", "", map[string]string{macs + mac0 + "/local-ipv4s": "10.0.0.10\n10.0.0.20", "local-ipv4": "10.0.0.10"}},
		{"IPv4 of another interface", "10.0.0.20", mac1, map[string]string{macs + mac1 + "/local-ipv4s": "10.0.0.11\n10.0.0.20", macs + mac0 + "/local-ipv4s": "10.0.0.10"}},
		{"IPv6", "2001:db8:0::1", "", map[string]string{macs + mac0 + "/ipv6s": "2001:db8::1", "ipv6": "2001:db8::1", macs + mac0 + "/subnet-ipv6-cidr-blocks": "2001:db8:0:0:0:0:0:0/64"}},
		{"IPv4 prefix", "10.0.1.16/28", "", map[string]string{macs + mac0 + "/ipv4-prefix": "10.0.1.16/28"}},
		{"IPv6 prefix", "2001:db8:0:0:1::/80", mac1, map[string]string{macs + mac1 + "/ipv6-prefix": "2001:db8:0:0:1::/80"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := withInterface(valid())
			before := bodies(baseTree(t, b))
			s := one(t, config.Event{Network: "add-ip", Address: tt.address, MAC: tt.mac, Lag: 10 * time.Second}, b)
			wantEqual(t, before, bodies(treeAt(t, s, b, 10*time.Second-1)))
			wantLeaves(t, treeAt(t, s, b, 10*time.Second), tt.want)
			wantLeaves(t, treeAt(t, s, b, time.Minute), map[string]string{macs + mac1 + "/interface-id": before["/latest/meta-data/"+macs+mac1+"/interface-id"]})
			s = mustAdd(t, s, "e2", config.Event{Network: "remove-ip", Address: tt.address, MAC: strings.ToUpper(tt.mac)}, b, start.Add(time.Hour))
			wantEqual(t, before, bodies(treeAt(t, s, b, time.Hour)))
		})
	}
}

func TestNetwork_RemovingAnAddressTakesItsPublicOne(t *testing.T) {
	b := valid()
	b.Instance.EC2.LocalIPv4s, b.Instance.EC2.PublicIPv4s = []string{"10.0.0.10", "10.0.0.20", "10.0.0.30"}, []string{"203.0.113.1", "203.0.113.2"}
	s := one(t, config.Event{Network: "remove-ip", Address: "10.0.0.20"}, b)
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{
		macs + mac0 + "/local-ipv4s": "10.0.0.10\n10.0.0.30", macs + mac0 + "/public-ipv4s": "203.0.113.1", macs + mac0 + "/ipv4-associations": "203.0.113.1",
	})
	if len(b.Instance.EC2.LocalIPv4s) != 3 || b.Instance.EC2.LocalIPv4s[1] != "10.0.0.20" {
		t.Error("the input has changed")
	}
}

func TestNetwork_AttachShowsInParts(t *testing.T) {
	b := valid()
	spec := config.Event{Network: "attach", Interface: &config.NetworkInterface{MAC: mac1, DeviceNumber: 2, InterfaceID: "eni-2"}, Lag: 10 * time.Second}
	s := one(t, spec, b)
	dir := macs + mac1
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{"network/interfaces/macs": mac0 + "/\n" + mac1 + "/", dir: "device-number", dir + "/device-number": "0"})
	wantEqual(t, start.Add(5*time.Second), s.Next(start))
	wantLeaves(t, treeAt(t, s, b, 5*time.Second-1), map[string]string{dir: "device-number"})
	wantLeaves(t, treeAt(t, s, b, 5*time.Second), map[string]string{
		dir: "device-number\ninterface-id\nlocal-ipv4s\nmac", dir + "/device-number": "2", dir + "/interface-id": "eni-2", dir + "/local-ipv4s": "10.0.0.11", dir + "/mac": mac1,
	})
	wantEqual(t, start.Add(10*time.Second), s.Next(start.Add(5*time.Second)))
	whole := treeAt(t, s, b, 10*time.Second)
	wantLeaves(t, whole, map[string]string{dir + "/device-number": "2", dir + "/subnet-id": body(whole, macs+mac0+"/subnet-id")})
	if list := body(whole, dir); strings.Count(list, "\n") < 10 {
		t.Errorf("only %q", list)
	}
	if got := s.Events()[0].PhaseAt(start.Add(9 * time.Second)).Name; got != Partial {
		t.Errorf("phase %s", got)
	}
	without := spec
	without.Lag = 0
	wantEqual(t, bodies(whole), bodies(treeAt(t, one(t, without, b), b, 0)))
}

// interfacesOf are the MAC addresses that clients see.
func interfacesOf(s *tree.Snapshot) []string {
	return strings.Split(strings.ReplaceAll(body(s, "network/interfaces/macs"), "/", ""), "\n")
}

func TestNetwork_AttachDerivesWhatIsMissing(t *testing.T) {
	b := withInterface(valid())
	s := one(t, config.Event{Network: "attach"}, b)
	s = mustAdd(t, s, "e2", config.Event{Network: "attach"}, b, start)
	now := treeAt(t, s, b, 0)
	all := interfacesOf(now)
	if len(all) != 4 {
		t.Fatalf("interfaces %q", all)
	}
	numbers, addresses, ids := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, mac := range all {
		numbers[body(now, macs+mac+"/device-number")] = true
		addresses[body(now, macs+mac+"/local-ipv4s")] = true
		ids[body(now, macs+mac+"/interface-id")] = true
	}
	wantEqual(t, map[string]bool{"0": true, "1": true, "2": true, "3": true}, numbers)
	wantEqual(t, map[string]bool{"10.0.0.10": true, "10.0.0.11": true, "10.0.0.12": true, "10.0.0.13": true}, addresses)
	if len(ids) != 4 {
		t.Errorf("ids %v", ids)
	}
}

func TestNetwork_DetachLeavesOthersAsTheyWere(t *testing.T) {
	for _, tt := range []struct {
		name string
		ec2  func(e *config.EC2)
	}{
		{"all derived", func(e *config.EC2) {
			e.NetworkInterfaces = []config.NetworkInterface{{DeviceNumber: 1}, {DeviceNumber: 2}, {DeviceNumber: 3}}
		}},
		{"unsorted", func(e *config.EC2) {
			e.NetworkInterfaces = []config.NetworkInterface{{DeviceNumber: 3}, {DeviceNumber: 1}, {DeviceNumber: 2, NetworkCard: 1}}
		}},
		{"subnet of one", func(e *config.EC2) {
			e.NetworkInterfaces = []config.NetworkInterface{{DeviceNumber: 1, SubnetIPv4CIDRBlock: "10.0.16.0/24", LocalIPv4s: []string{"10.0.16.50"}}, {DeviceNumber: 2, LocalIPv4s: []string{"10.0.16.9"}}}
		}},
		{"reserved address", func(e *config.EC2) {
			e.LocalIPv4 = "10.0.0.1"
			e.NetworkInterfaces = []config.NetworkInterface{{DeviceNumber: 1}, {DeviceNumber: 2}}
		}},
		{"reserved address in a VPC of one", func(e *config.EC2) {
			e.LocalIPv4 = "10.0.0.1"
			e.NetworkInterfaces = []config.NetworkInterface{
				{DeviceNumber: 1, VPCIPv4CIDRBlocks: []string{"10.0.0.0/16", "10.5.0.0/16", "10.7.0.0/16"}}, {DeviceNumber: 2, LocalIPv4s: []string{"10.5.0.5"}},
			}
		}},
		{"VPC of one", func(e *config.EC2) {
			e.NetworkInterfaces = []config.NetworkInterface{
				{DeviceNumber: 1, VPCIPv4CIDRBlocks: []string{"10.0.0.0/16", "10.5.0.0/16"}, SecurityGroups: []string{"web"}, SecurityGroupIDs: []string{"sg-1"}},
				{DeviceNumber: 2, SecurityGroups: []string{"web"}},
				{DeviceNumber: 3, LocalIPv4s: []string{"10.5.0.5"}},
			}
		}},
		{"IPv6", func(e *config.EC2) {
			e.IPv6 = "2001:db8::1"
			e.NetworkInterfaces = []config.NetworkInterface{{DeviceNumber: 1, IPv6s: []string{"2001:db8:0:1::1"}}, {DeviceNumber: 2, LocalIPv4s: []string{}, IPv6s: []string{"2001:db8:0:2::1"}}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := valid()
			tt.ec2(&b.Instance.EC2)
			if found := instance.Check(&b.Instance); len(found) > 0 {
				t.Fatal(found[0])
			}
			before := baseTree(t, b)
			for _, mac := range interfacesOf(before) {
				if mac == mac0 {
					continue
				}
				want := bodies(before)
				for path := range want {
					if strings.Contains(path, mac) {
						delete(want, path)
					}
				}
				list := "/latest/meta-data/" + strings.TrimSuffix(macs, "/")
				want[list+"/"] = strings.Trim(strings.ReplaceAll("\n"+want[list+"/"], "\n"+mac+"/", ""), "\n")
				after := treeAt(t, one(t, config.Event{Network: "detach", MAC: mac}, b), b, 0)
				wantEqual(t, want, bodies(after))
				wantListed(t, after)
			}
		})
	}
}

func TestNetwork_DetachTakesAPartialInterface(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Network: "attach", Interface: &config.NetworkInterface{MAC: mac1}, Lag: time.Hour}, b)
	s = mustAdd(t, s, "leaf", config.Event{Set: map[string]string{"meta-data/" + macs + mac1 + "/x": "1"}}, b, start)
	s = mustAdd(t, s, "e3", config.Event{Network: "detach", MAC: mac1}, b, start.Add(time.Minute))
	wantLeaves(t, treeAt(t, s, b, time.Minute), map[string]string{"network/interfaces/macs": mac0 + "/"})
}

func TestNetwork_Refuses(t *testing.T) {
	b := withInterface(valid())
	b.Instance.EC2.IPv4Prefixes = []string{"10.0.1.0/28"}
	for _, tt := range []struct {
		name     string
		spec     config.Event
		conflict bool
		want     string
	}{
		{"unknown interface", config.Event{Network: "add-ip", Address: "10.0.0.20", MAC: "02:00:00:00:00:09"}, false, "mac: no interface has the address 02:00:00:00:00:09; name one that is below network/interfaces/macs/"},
		{"address there", config.Event{Network: "add-ip", Address: "10.0.0.11"}, true, "address: 10.0.0.11 is at interface " + mac1 + " already; choose another"},
		{"prefix there", config.Event{Network: "add-ip", Address: "10.0.1.0/28"}, true, "address: 10.0.1.0/28 is at interface " + mac0 + " already; choose another"},
		{"other subnet", config.Event{Network: "add-ip", Address: "192.168.0.1"}, false, "address: address 192.168.0.1 is not in its subnet 10.0.0.0/20"},
		{"no address", config.Event{Network: "add-ip", Address: "x"}, false, `address: "x" is no address or prefix; write e.g. 10.0.0.20 or 10.0.1.0/28`},
		{"primary", config.Event{Network: "remove-ip", Address: "10.0.0.10"}, false, "address: 10.0.0.10 is the primary address of interface " + mac0 + ", which stays; name a secondary one"},
		{"not there", config.Event{Network: "remove-ip", Address: "10.0.0.99"}, false, "address: 10.0.0.99 is not at interface " + mac0 + "; name an address or a prefix that it has"},
		{"MAC there", config.Event{Network: "attach", Interface: &config.NetworkInterface{MAC: mac1}}, true, "interface.mac: " + mac1 + " is that of interface eni-8ca1f6c1c8b1f0ba6 already; choose another"},
		{"place taken", config.Event{Network: "attach", Interface: &config.NetworkInterface{DeviceNumber: 1}}, false, "interface: 1 on network card 0 is ec2.network_interfaces[0] already"},
		{"device 0", config.Event{Network: "detach", MAC: mac0}, false, "mac: " + mac0 + " is device 0, which cannot be detached; name another interface"},
		{"detach unknown", config.Event{Network: "detach", MAC: "02:00:00:00:00:09"}, false, "mac: no interface has the address 02:00:00:00:00:09; name one that is below network/interfaces/macs/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Set{}.Add("e1", tt.spec, b, start)
			if tt.name == "MAC there" {
				tt.want = strings.ReplaceAll(tt.want, "eni-8ca1f6c1c8b1f0ba6", instanceAt(Set{}, b, 0).Interfaces[1].ID)
			}
			refused(t, err, tt.conflict, tt.want)
		})
	}
}

func TestPublicIP_AgreesInAllPlaces(t *testing.T) {
	b := valid()
	b.Instance.EC2.PublicHostname = "configured.example.com"
	s := one(t, config.Event{PublicIP: "198.51.100.7"}, b)
	const name = "ec2-198-51-100-7.compute-1.amazonaws.com"
	wantLeaves(t, treeAt(t, s, b, 0), map[string]string{
		"public-ipv4": "198.51.100.7", "public-hostname": name, macs + mac0 + "/public-ipv4s": "198.51.100.7", macs + mac0 + "/public-hostname": name,
		macs + mac0 + "/ipv4-associations": "198.51.100.7", macs + mac0 + "/ipv4-associations/198.51.100.7": "10.0.0.10",
	})
	s = mustAdd(t, s, "e2", config.Event{PublicIP: "release"}, b, start.Add(time.Minute))
	if len(s.Events()) != 1 {
		t.Errorf("%d events", len(s.Events()))
	}
	if got := body(treeAt(t, s, b, time.Minute), "public-ipv4"); got == absent || got == "198.51.100.7" || got == "203.0.113.25" {
		t.Errorf("released: %s", got)
	}
}

func TestPublicIP_ReleaseLeavesNone(t *testing.T) {
	without := valid()
	without.Instance.EC2.PublicIPv4 = ""
	for name, b := range map[string]Base{"second interface": withInterface(valid()), "no public address": without} {
		t.Run(name, func(t *testing.T) {
			s := one(t, config.Event{PublicIP: "release"}, b)
			wantLeaves(t, treeAt(t, s, b, 0), map[string]string{
				"public-ipv4": absent, "public-hostname": absent, macs + mac0 + "/public-ipv4s": absent, macs + mac0 + "/public-hostname": absent, macs + mac0 + "/ipv4-associations": absent,
			})
		})
	}
}

func TestPublicIP_FirstOfSeveral(t *testing.T) {
	b := valid()
	b.Instance.EC2.LocalIPv4s, b.Instance.EC2.PublicIPv4s = []string{"10.0.0.10", "10.0.0.20"}, []string{"203.0.113.25", "203.0.113.26"}
	wantLeaves(t, treeAt(t, one(t, config.Event{PublicIP: "198.51.100.7"}, b), b, 0), map[string]string{
		"public-ipv4": "198.51.100.7", macs + mac0 + "/ipv4-associations": "198.51.100.7\n203.0.113.26", macs + mac0 + "/ipv4-associations/203.0.113.26": "10.0.0.20",
	})
	_, _, err := Set{}.Add("e1", config.Event{PublicIP: "203.0.113.26"}, b, start)
	refused(t, err, false, "public_ip: 203.0.113.26 is that of ec2.public_ipv4s too")
}
