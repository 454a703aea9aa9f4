package app

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/ecs"
)

// identitiesStatus describes what clients get beside the file's own instance and credentials: each of roles, and the entries and
// containers that have asked.
func (s *State) identitiesStatus(now time.Time) []api.Identity {
	var all []api.Identity
	add := func(name string, id *clientIdentity) *api.Identity {
		in, _ := s.Config.InstanceOf(id.entry, id.grant.credentials)
		all = append(all, api.Identity{
			Identity: name, Container: id.container, Pod: id.pod, Role: id.grant.name, InstanceID: in.EC2.InstanceID, Region: in.AWS.Region,
			Credentials: s.credentialsOf(id, id.made.Load(), now),
		})
		return &all[len(all)-1]
	}
	ids := s.identities
	for _, role := range slices.Sorted(maps.Keys(ids.roles)) {
		add("", ids.roles[role]).ID = ecs.ID(s.Secret.Key(), role, s.Instance.ID)
	}
	for i, id := range ids.entries {
		if ids.asked[i].Load() {
			add(ids.names[i], id)
		}
	}
	for _, id := range ids.ofWorkloads() {
		if id.made.Load() != nil {
			add(ids.name(id.entry), id)
		}
	}
	return all
}

// credentialsOf describes the credentials of an identity; made is nil if no client has asked.
func (s *State) credentialsOf(id *clientIdentity, made *served, now time.Time) api.Credentials {
	described := s.describeCredentials(id, made, now)
	if described.ARN == "" && id.grant.credentials != nil && id.grant.denied == nil {
		in, _ := s.Config.InstanceOf(id.entry, id.grant.credentials)
		described.ARN = specOf(&in).SessionARN()
	}
	return described
}

func (s *State) describeCredentials(id *clientIdentity, made *served, now time.Time) api.Credentials {
	mock := id.grant.credentials != nil && id.grant.credentials.Mock
	switch {
	case id.grant.denied != nil:
		return api.Credentials{Source: "none", State: api.StateDenied, LastError: id.grant.denied.Message}
	case made == nil:
		return s.describeUnasked(id, mock, now)
	case made.keeper == nil:
		return api.Credentials{Source: "none", State: api.StateNone, Note: "no instance profile (role: none)"}
	default:
		described, _ := keeperStatus(made.keeper, mock, now)
		return described
	}
}

// describeUnasked describes the credentials of an identity that no client of this state has asked for. A client of an earlier state may
// have: an event makes a new state, and leaves credentials alone.
func (s *State) describeUnasked(id *clientIdentity, mock bool, now time.Time) api.Credentials {
	if id.grant.credentials != nil {
		in, _ := s.Config.InstanceOf(id.entry, id.grant.credentials)
		if keeper := s.pool.Find(id.grant.spec(&in)); keeper != nil {
			described, _ := keeperStatus(keeper, mock, now)
			return described
		}
	}
	source := "sts"
	if mock {
		source = "mock"
	}
	return api.Credentials{Source: source, State: api.StateIdle}
}

// statusFor is the status for a client on another machine or in a container: it sees its own identity only.
func (a *App) statusFor(s *api.Status, c client) *api.Status {
	made := c.identity.made.Load()
	s.Role, s.InstanceID = c.identity.grant.name, c.state.instanceID(c.identity)
	if made != nil {
		s.Role = cmp.Or(made.role, s.Role)
	}
	if c.identity.grant.credentials == nil {
		s.Credentials = api.Credentials{Source: "none", State: api.StateNone}
	} else {
		s.Credentials = c.state.credentialsOf(c.identity, made, a.opt.Now())
	}
	return s.ForClients()
}
