package bench

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCrowd_MembersAreSpreadOverTheRoles(t *testing.T) {
	c := Crowd{Roles: 1_000, Clients: 10_000}
	clients, own, addresses, instances := map[string]int{}, map[string]int{}, map[netip.Addr]bool{}, map[string]bool{}
	for i := range c.Clients {
		m := c.Member(i)
		clients[m.Role]++
		addresses[m.Address] = true
		if m.InstanceID != "" {
			own[m.Role]++
			instances[m.InstanceID] = true
		}
		if !m.Address.IsLoopback() || m.Address == netip.MustParseAddr("127.0.0.1") {
			t.Fatalf("client %d is at %s", i, m.Address)
		}
	}
	if len(clients) != c.Roles || len(addresses) != c.Clients || len(instances) != c.Clients/2 {
		t.Errorf("%d roles, %d addresses and %d instances", len(clients), len(addresses), len(instances))
	}
	for role, n := range clients {
		if n != 10 || own[role] != 5 {
			t.Errorf("%s has %d clients, %d of them with their own instance", role, n, own[role])
		}
	}
}

func TestCrowd_ConfigHasAnEntryForEachClient(t *testing.T) {
	const want = `credentials: {mock: true, iam_role: "arn:aws:iam::123456789012:role/mock-role", session_name: bench}
log: {access: true}
roles:
  role-00000: {iam_role: "arn:aws:iam::123456789012:role/role-00000"}
  role-00001: {iam_role: "arn:aws:iam::123456789012:role/role-00001"}
clients:
  - {from: 127.16.0.1, role: role-00000}
  - {from: 127.16.0.2, role: role-00001, ec2: {instance_id: i-00000000000000001, instance_type: m5.large, tags: {Name: client-1}}}
  - {from: 127.16.0.3, role: role-00000, ec2: {instance_id: i-00000000000000002, instance_type: m5.large, tags: {Name: client-2}}}
`
	if got := (Crowd{Roles: 2, Clients: 3}).Config("mock: true"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	one := Crowd{}.Config("mock: true")
	if want, _, _ := strings.Cut(want, "roles:"); one != want {
		t.Errorf("without roles\n%swant\n%s", one, want)
	}
}
