package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/podrole"
)

// mostEntries is how many entries of clients are described, and mostNames how many names in a list.
const (
	mostEntries = 200
	mostNames   = 20
)

// DescribeGrants says in words who gets which role and which instance: a line for each of the first 200 entries of clients in the
// order of the file, then containers, ids, ECS, pods, everybody else, and what addresses cannot tell apart. It returns nil if all clients get the
// same.
func DescribeGrants(l *config.Loaded) []string {
	c := l.Config
	if c.Kubernetes.Enabled {
		return append(podrole.Describe(l), describePods(c)...)
	}
	if len(c.Roles) == 0 && len(c.Clients) == 0 && c.Containers.Engine == "" && !c.ECS.Enabled && !c.ECS.ByPath && !c.PodIdentity.Enabled {
		return nil
	}
	var lines []string
	for i := range min(len(c.Clients), mostEntries) {
		lines = append(lines, fmt.Sprintf("%s: %s: %s", l.EntryPlace(i), entryClients(&c.Clients[i]), entryGrant(c, i)))
	}
	if more := len(c.Clients) - mostEntries; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more entries of clients", more))
	}
	if c.Containers.Engine != "" {
		lines = append(lines, "containers ("+c.Containers.Engine+"): "+containersGrant(&c.Containers))
	}
	if len(c.Roles) > 0 {
		lines = append(lines, "by id (env --role, exec --role): "+names(slices.Sorted(maps.Keys(c.Roles))))
	}
	lines = append(lines, describeECS(l)...)
	lines = append(lines, describePods(c)...)
	own := "instance " + c.EC2.InstanceID
	if role := instance.RoleOf(&c.Instance); role != "" {
		own += ", role " + role
	} else {
		own += " without a role"
	}
	lines = append(lines, "everybody else: "+own)
	if slices.ContainsFunc(c.Clients, func(e config.Client) bool { return len(e.From) > 0 }) {
		// container-credentials-reference section 10.3.6
		lines = append(lines, "clients behind one NAT address (Docker Desktop, VirtualBox's NAT, a published port) look like one client")
	}
	return lines
}

// entryClients says which clients an entry is for.
func entryClients(e *config.Client) string {
	var parts []string
	if len(e.From) > 0 {
		parts = append(parts, "from "+names(e.Networks()))
	}
	if len(e.Listen) > 0 {
		parts = append(parts, "at "+names(e.Listen))
	}
	return strings.Join(parts, " ")
}

// entryGrant says what the clients of an entry get.
func entryGrant(c *config.Config, entry int) string {
	e := &c.Clients[entry]
	role := e.Role
	if role == "" {
		role = instance.RoleOf(&c.Instance)
	}
	text := "without a role"
	switch {
	case e.Role == config.NoRole || role == "":
	case e.Role == "":
		text = "the file's own role " + role
	default:
		text = "role " + role
	}
	if e.Overlaid() {
		ec2 := &e.Instance.EC2
		separator := ", "
		if strings.HasPrefix(text, "without") {
			separator = " "
		}
		text = "instance " + ec2.InstanceID + " (" + ec2.InstanceType + ")" + separator + text
	}
	if len(e.Also) > 0 {
		text += ", also " + names(e.Also)
	}
	return text
}

// containersGrant says which roles containers get.
func containersGrant(c *config.Containers) string {
	var places []string
	for _, place := range c.Role {
		kind, name, _ := strings.Cut(place, ":")
		places = append(places, map[string]string{"label": "the label ", "env": "the variable "}[kind]+name)
	}
	switch {
	case len(places) == 0:
		return "no roles of their own, since containers.role is empty"
	case len(c.Allow) == 0:
		return "no roles of their own, since containers.allow is empty"
	default:
		return "the role that " + strings.Join(places, ", else ") + " names; allowed: " + names(c.Allow)
	}
}

// names lists names, of many the first.
func names(all []string) string {
	if more := len(all) - mostNames; more > 0 {
		return strings.Join(all[:mostNames], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(all, ", ")
}

// Listeners are the names of a configuration's listeners, those of entries of clients last.
func Listeners(c *config.Config) []string {
	all := slices.Clone(c.Server.Listen)
	for i := range c.Clients {
		for _, address := range c.Clients[i].Listen {
			if !slices.Contains(all, address) {
				all = append(all, address)
			}
		}
	}
	return all
}

// SpecOfRole are the credentials of an entry of roles.
func SpecOfRole(l *config.Loaded, role string) credentials.Spec {
	g := roleGrant(l.Config, role)
	in, _ := l.InstanceOf(caller.None, g.credentials)
	return g.spec(&in)
}
