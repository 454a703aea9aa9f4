package bench

import (
	"fmt"
	"net/netip"
	"strings"
)

// Account is that of all roles.
const Account = "123456789012"

// Crowd is a configuration of many roles and many clients, each client with an address and an entry of its own.
type Crowd struct{ Roles, Clients int }

// Member is one client of a Crowd.
type Member struct {
	// Address is that of the client, on the loopback: Linux takes all of 127.0.0.0/8 for its own.
	Address netip.Addr
	Role    string
	// InstanceID is of the client's own instance; "" for the file's.
	InstanceID string
}

// RoleName returns the name of a role, all of the same length.
func (Crowd) RoleName(role int) string { return fmt.Sprintf("role-%05d", role) }

// RoleARN returns the ARN of a role by its name.
func RoleARN(name string) string { return "arn:aws:iam::" + Account + ":role/" + name }

// Member returns client i. Each role has as many clients as the others, and every second client has its own instance; so have
// half of the clients of a role.
func (c Crowd) Member(i int) Member {
	const perNetwork = 250
	m := Member{
		Address: netip.AddrFrom4([4]byte{127, byte(16 + i/perNetwork/perNetwork), byte(i / perNetwork % perNetwork), byte(1 + i%perNetwork)}),
		Role:    c.RoleName(i % c.Roles),
	}
	if (i+i/c.Roles)%2 == 1 {
		m.InstanceID = fmt.Sprintf("i-%017x", i)
	}
	return m
}

// Config returns the configuration; without roles and clients it is that of one identity. base holds the keys of credentials, which the file's own role and all others share; each of
// them has a session name, so that clients of one role share its session.
func (c Crowd) Config(base string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "credentials: {%s, iam_role: %q, session_name: bench}\nlog: {access: true}\n", base, RoleARN(Role))
	if c.Roles == 0 {
		return b.String()
	}
	b.WriteString("roles:\n")
	for i := range c.Roles {
		name := c.RoleName(i)
		fmt.Fprintf(b, "  %s: {iam_role: %q}\n", name, RoleARN(name))
	}
	b.WriteString("clients:\n")
	for i := range c.Clients {
		m := c.Member(i)
		fmt.Fprintf(b, "  - {from: %s, role: %s", m.Address, m.Role)
		if m.InstanceID != "" {
			fmt.Fprintf(b, ", ec2: {instance_id: %s, instance_type: m5.large, tags: {Name: client-%d}}", m.InstanceID, i)
		}
		b.WriteString("}\n")
	}
	return b.String()
}
