package app

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/podrole"
)

const (
	// maxWorkloads bounds the identities of containers and pods that are remembered. Beyond it they are made anew.
	maxWorkloads = 4096
	// tidyEvery is how often those whose clients are gone are looked for.
	tidyEvery = time.Minute
)

// identities are what clients of a state can get. Entries of clients without an instance of their own share the identities of
// their roles.
type identities struct {
	file    *clientIdentity            // the file's own instance and credentials
	none    *clientIdentity            // the file's own instance without a profile
	roles   map[string]*clientIdentity // the file's own instance with each of roles
	entries []*clientIdentity          // by entry of clients
	names   []string                   // of the entries: clients[0]
	asked   []atomic.Bool              // by entry: a client of it has asked
	cluster *clusterState              // nil without kubernetes.enabled

	mu        sync.Mutex // guards the fields below
	workloads map[workloadKey]*clientIdentity
	tidied    time.Time
}

// workloadKey says which identity a container gets that names a role, a client of an entry by the id of a role (without source), or
// a pod.
type workloadKey struct {
	entry        int
	role, source string
	pod          podKey // zero for all but pods
}

// newIdentities makes the identities of a configuration; own is the grant of clients that no role is for.
func newIdentities(c *config.Config, own grant) *identities {
	ids := &identities{
		file:      &clientIdentity{entry: caller.None, grant: own},
		none:      &clientIdentity{entry: caller.None},
		roles:     make(map[string]*clientIdentity, len(c.Roles)),
		entries:   make([]*clientIdentity, len(c.Clients)),
		names:     make([]string, len(c.Clients)),
		asked:     make([]atomic.Bool, len(c.Clients)),
		workloads: map[workloadKey]*clientIdentity{},
	}
	for name := range c.Roles {
		ids.roles[name] = &clientIdentity{entry: caller.None, grant: roleGrant(c, name)}
	}
	for i := range c.Clients {
		e := &c.Clients[i]
		ids.names[i] = "clients[" + strconv.Itoa(i) + "]"
		shared := ids.file
		switch e.Role {
		case "":
		case config.NoRole:
			shared = ids.none
		default:
			shared = ids.roles[e.Role]
		}
		ids.entries[i] = shared
		if e.Overlaid() {
			ids.entries[i] = &clientIdentity{entry: i, grant: shared.grant}
		}
	}
	return ids
}

// ownGrant is the grant of the file's own credentials.
func ownGrant(c *config.Config) grant {
	role := instance.RoleOf(&c.Instance)
	if role == "" {
		return grant{}
	}
	return grant{name: role, credentials: &c.Credentials}
}

func roleGrant(c *config.Config, name string) grant {
	role := c.Roles[name]
	return grant{name: name, credentials: &role, from: "roles." + name}
}

// of returns the identity of an entry of clients, and for caller.None the file's own.
func (ids *identities) of(entry int) *clientIdentity {
	if entry < 0 {
		return ids.file
	}
	return ids.entries[entry]
}

// name returns an entry's name, "" for caller.None.
func (ids *identities) name(entry int) string {
	if entry < 0 {
		return ""
	}
	return ids.names[entry]
}

// listenerEntry returns the entry that all clients of a listener get; caller.None if they do not all get the same.
func (s *State) listenerEntry(name string) int {
	return slices.IndexFunc(s.Config.Config.Clients, func(c config.Client) bool {
		return len(c.From) == 0 && slices.Contains(c.Listen, name)
	})
}

// instanceID returns the id of the instance of an identity.
func (s *State) instanceID(id *clientIdentity) string {
	if id.entry < 0 {
		return s.Instance.ID
	}
	return s.Config.Config.Clients[id.entry].Instance.EC2.InstanceID
}

// ofWorkload returns the identity of a workload that names a role: the instance of its entry with that role. fresh says that it
// is a new one.
func (s *State) ofWorkload(entry int, w *caller.Workload) (id *clientIdentity, fresh bool) {
	ids := s.identities
	if entry >= 0 && !s.Config.Config.Clients[entry].Overlaid() {
		entry = caller.None // the file's own instance
	}
	return ids.remember(workloadKey{entry: entry, role: w.Role, source: w.Source}, func() *clientIdentity {
		g := s.workloadGrant(w)
		if shared := ids.roles[w.Role]; shared != nil && entry == caller.None && g.denied == nil {
			return shared
		}
		return &clientIdentity{entry: entry, grant: g, container: w.Name}
	})
}

// ofRole returns the identity of a role, "" for the file's own, for a client of an entry: with the entry's instance, if it has one of its own.
func (s *State) ofRole(entry int, role string) *clientIdentity {
	ids := s.identities
	if role == "" {
		return ids.file
	}
	if entry < 0 || !s.Config.Config.Clients[entry].Overlaid() {
		return ids.roles[role]
	}
	if own := ids.entries[entry]; own.grant.from == ids.roles[role].grant.from {
		return own
	}
	id, _ := ids.remember(workloadKey{entry: entry, role: role}, func() *clientIdentity {
		return &clientIdentity{entry: entry, grant: ids.roles[role].grant}
	})
	return id
}

// remember returns the identity of a key, and makes it if there is none. fresh says that it is a new one. Forgetting one ends no
// session: the pool gives the keeper that runs to the next identity of the key.
func (ids *identities) remember(key workloadKey, create func() *clientIdentity) (id *clientIdentity, fresh bool) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.tidy()
	if id = ids.workloads[key]; id != nil {
		return id, false
	}
	if len(ids.workloads) >= maxWorkloads {
		for other := range ids.workloads {
			delete(ids.workloads, other)
			break
		}
	}
	id = create()
	ids.workloads[key] = id
	return id, true
}

// tidy forgets the identities whose clients are gone. ids.mu is held.
func (ids *identities) tidy() {
	if now := time.Now(); now.Sub(ids.tidied) >= tidyEvery {
		ids.tidied = now
		maps.DeleteFunc(ids.workloads, func(_ workloadKey, id *clientIdentity) bool { return id.isOver() })
	}
}

// workloadGrant is the grant of the role that a workload names.
func (s *State) workloadGrant(w *caller.Workload) grant {
	c := s.Config.Config
	if w.Role == config.NoRole {
		return grant{}
	}
	if !c.Containers.AllowsRole(w.Role) {
		return s.deniedGrant(w)
	}
	if _, ok := c.Roles[w.Role]; ok {
		return roleGrant(c, w.Role)
	}
	role := c.Credentials
	role.IAMRole = w.Role
	return grant{name: instance.RoleName(w.Role), credentials: &role, from: "containers"}
}

// deniedGrant lists the role that a workload names, and denies its credentials.
func (s *State) deniedGrant(w *caller.Workload) grant {
	name := podrole.SafeName(w.Role)
	quoted := w.Role
	if len(quoted) > 200 {
		quoted = quoted[:200] + "..."
	}
	return grant{
		name:        name,
		credentials: &config.Credentials{IAMRole: "arn:aws:iam::" + s.Config.Config.AWS.AccountID + ":role/" + name},
		denied: &imds.CredentialError{
			Code:        "AccessDenied",
			Message:     w.Source + " names the role " + strconv.Quote(quoted) + ", which containers.allow does not permit; add it there",
			LastUpdated: s.LoadedAt,
		},
	}
}

// ofWorkloads returns the identities of containers, and of clients by id, that no others have.
func (ids *identities) ofWorkloads() []*clientIdentity {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.tidy()
	var all []*clientIdentity
	for _, id := range ids.workloads {
		if ids.roles[id.grant.name] != id {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b *clientIdentity) int {
		return cmp.Or(a.entry-b.entry, strings.Compare(a.grant.name, b.grant.name), strings.Compare(a.container, b.container))
	})
	return all
}

// all yields all identities but the file's own.
func (ids *identities) all() iter.Seq2[string, *clientIdentity] {
	return func(yield func(string, *clientIdentity) bool) {
		for _, name := range slices.Sorted(maps.Keys(ids.roles)) {
			if !yield("", ids.roles[name]) {
				return
			}
		}
		for i, id := range ids.entries {
			if id.entry == i && !yield(ids.names[i], id) {
				return
			}
		}
		for _, id := range ids.ofWorkloads() {
			if !yield(ids.name(id.entry), id) {
				return
			}
		}
		for id := range ids.cluster.identities() {
			if !yield("", id) {
				return
			}
		}
	}
}

// onDemand yields the specs that clients of a state may ask for, beside the file's own. before are the identities of the state
// before, whose containers may still run.
func (s *State) onDemand(before *State) iter.Seq[credentials.Spec] {
	return func(yield func(credentials.Spec) bool) {
		for _, id := range s.identities.all() {
			if id.grant.credentials == nil || id.grant.denied != nil {
				continue
			}
			in, _ := s.Config.InstanceOf(id.entry, id.grant.credentials)
			if !yield(id.grant.spec(&in)) {
				return
			}
		}
		if !s.podSpecs(yield) || before == nil {
			return
		}
		for _, key := range before.identities.workloadKeys() {
			g := s.grantOf(key)
			if g.credentials == nil || g.denied != nil || key.entry >= len(s.identities.entries) {
				continue
			}
			in, _ := s.Config.InstanceOf(key.entry, g.credentials)
			if !yield(g.spec(&in)) {
				return
			}
		}
	}
}

// grantOf is the grant that a client of an earlier state would get now.
func (s *State) grantOf(key workloadKey) grant {
	_, there := s.Config.Config.Roles[key.role]
	switch {
	case key.pod != (podKey{}):
		return s.pods.grantOf(key.pod)
	case key.source == "" && there: // by id
		return roleGrant(s.Config.Config, key.role)
	default:
		return s.workloadGrant(&caller.Workload{Role: key.role, Source: key.source})
	}
}

func (ids *identities) workloadKeys() []workloadKey {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return slices.Collect(maps.Keys(ids.workloads))
}
