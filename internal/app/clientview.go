package app

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// Client is somebody who may ask.
type Client struct {
	Address netip.Addr
	// Listener is the name of the listener that it comes to; see Listeners.
	Listener string
	// Workload is what runs at the address; nil if that is not known, or is no workload.
	Workload *caller.Workload
	// Local says that the client is on this machine itself.
	Local bool
}

// DescribeClient says in words what a client gets and why, and then each path under latest that it sees, with its value. Secrets are
// redacted. Its error is that of a tree that cannot be made.
func DescribeClient(l *config.Loaded, c Client) (grant, paths []string, err error) {
	s := &State{Inputs: Inputs{Config: l}, router: routerOf(l.Config), identities: newIdentities(l.Config, ownGrant(l.Config))}
	entry := s.router.Route(c.Address, c.Listener)
	id := s.identities.of(entry)
	grant = []string{"entry: " + whyEntry(l, entry, c)}
	named := c.Workload != nil && c.Workload.Role != ""
	if named {
		id, _ = s.ofWorkload(entry, c.Workload)
		grant = append(grant, fmt.Sprintf("role named by: %s of %s", c.Workload.Source, c.Workload.Name))
	}
	in, userData := l.InstanceOf(id.entry, id.grant.credentials)
	inst := instance.New(&in, userData)
	snapshot, err := tree.New(inst, in.Metadata)
	if err != nil {
		return nil, nil, err
	}
	options := &in.EC2.MetadataOptions
	versions := "IMDSv1 and IMDSv2"
	if options.HTTPTokens == "required" {
		versions = "IMDSv2 only"
	}
	grant = append(grant,
		fmt.Sprintf("instance: %s (%s) in %s", inst.ID, inst.Type, in.AWS.AvailabilityZone),
		"role: "+roleText(id.grant, &in),
		fmt.Sprintf("metadata options: http_tokens %s (%s), http_endpoint %s, http_put_response_hop_limit %d, instance_metadata_tags %s",
			options.HTTPTokens, versions, options.HTTPEndpoint, options.HTTPPutResponseHopLimit, options.InstanceMetadataTags))
	if len(s.identities.roles) > 0 {
		asking := client{state: s, local: c.Local, entry: entry, identity: id}
		if named {
			asking.workload = c.Workload
		}
		grant = append(grant, "roles by id: "+names(asking.rolesByID()))
	}
	return grant, describeTree(snapshot, id.grant, &in), nil
}

// whyEntry says which entry is for a client, and why.
func whyEntry(l *config.Loaded, entry int, c Client) string {
	if entry < 0 {
		if len(l.Config.Clients) == 0 {
			return "none, since clients is empty"
		}
		return "none of clients: the file's own instance and credentials"
	}
	e := &l.Config.Clients[entry]
	var why []string
	longest := -1
	for i, p := range e.From {
		if p.Contains(c.Address.WithZone("").Unmap()) && (longest < 0 || p.Bits() > e.From[longest].Bits()) {
			longest = i
		}
	}
	if longest >= 0 {
		why = append(why, "the longest prefix is "+e.From[longest].String())
	}
	if len(e.Listen) > 0 {
		why = append(why, "the listener is "+c.Listener)
	}
	return l.EntryPlace(entry) + ", since " + strings.Join(why, " and ")
}

// roleText names the role of a grant.
func roleText(g grant, in *config.Instance) string {
	switch {
	case g.denied != nil:
		return g.name + ", denied: " + g.denied.Message
	case g.credentials == nil:
		return "none: iam/ is absent"
	case in.Credentials.IAMRole == "":
		return g.name + ", the own credentials of profile " + strconv.Quote(in.Credentials.SourceProfile)
	default:
		return g.name + ", " + in.Credentials.IAMRole
	}
}

// rolesByID are the roles whose credentials a client may have by their ids.
func (c client) rolesByID() []string {
	may := slices.DeleteFunc(slices.Sorted(maps.Keys(c.state.identities.roles)), func(role string) bool { return !c.mayHave(role) })
	if len(may) == 0 {
		return []string{"none"}
	}
	return may
}

// describeTree lists the values of a tree, a line each. Those of several lines follow indented.
func describeTree(snapshot *tree.Snapshot, g grant, in *config.Instance) []string {
	var lines []string
	for _, path := range snapshot.Paths() {
		node := snapshot.Lookup(path)
		if node == nil || node.Kind == tree.Listing { // the slash at the end of a directory is not part of its path
			continue
		}
		text := valueText(node, g, in)
		if !strings.Contains(text, "\n") {
			lines = append(lines, strings.TrimSpace(path+": "+printable(text)))
			continue
		}
		lines = append(lines, path+":")
		for line := range strings.Lines(text) {
			lines = append(lines, "  "+printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return lines
}

// valueText is the answer of a path. Of secrets, and of what is made only when somebody asks, it says what they are.
func valueText(node *tree.Node, g grant, in *config.Instance) string {
	switch node.Kind {
	case tree.UserData:
		return "[redacted]"
	case tree.Signature:
		return "(signature)"
	case tree.Credentials, tree.ExtendedCredentials:
		switch {
		case g.denied != nil:
			return "(denied)"
		case in.Credentials.IAMRole == "":
			return "(credentials of profile " + in.Credentials.SourceProfile + ")"
		default:
			return "(credentials of " + specOf(in).SessionARN() + ")"
		}
	default:
		return strings.TrimSuffix(string(node.Body), "\n")
	}
}

// printable quotes a line that a terminal should not get as it is.
func printable(line string) string {
	if strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(line)
	}
	return line
}
