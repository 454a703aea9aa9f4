package app

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"maps"
	"net/http"
	"slices"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/instance"
)

// ecsState is what containers of ECS get by one state.
type ecsState struct {
	authorization *ecs.Authorization // nil: none
	limiter       *ecs.Limiter       // nil: no limit
	rate          string             // of limiter
	service       *ecs.Service       // of credentials
	metadata      *ecs.Metadata
}

// ecsStateOf makes the ecsState of s. A limiter of the same rate goes on.
func (s *State) ecsStateOf(old *State) *ecsState {
	c := &s.Config.Config.ECS
	e := &ecsState{rate: c.Rate}
	if value := s.Config.Authorization.Reveal(); value != "" {
		key := "ecs.authorization"
		if c.AuthorizationFile != "" {
			key += "_file"
		}
		e.authorization = ecs.NewAuthorization(value, key)
	}
	if perSecond, burst := c.Limit(); perSecond > 0 {
		e.limiter = ecs.NewLimiter(float64(perSecond), burst, s.now)
		if old != nil && old.ecs.rate == e.rate {
			e.limiter = old.ecs.limiter
		}
	}
	e.service = &ecs.Service{Authorization: e.authorization, ByPath: c.ByPath, Limiter: e.limiter, Finder: ecsFinder{s.app, s}}
	opt := ecs.MetadataOptions{Task: s.task(), Secret: s.Secret.Key(), Limiter: e.limiter}
	if s.Locator != nil {
		opt.Engine = s.Locator
	}
	for _, id := range slices.Sorted(maps.Keys(c.Containers)) {
		f := c.Containers[id]
		opt.Fixed = append(opt.Fixed, ecs.Fixed{ID: id, Name: f.Name, Image: f.Image, DockerID: f.DockerID, Labels: f.Labels})
	}
	e.metadata = ecs.NewMetadata(opt)
	return e
}

// task is what all documents of task metadata say.
func (s *State) task() ecs.Task {
	t, in := s.Config.Config.ECS.Task, s.Instance
	first := in.Interfaces[0]
	network := caller.Network{Mode: "bridge", IPv4: first.LocalIPv4s, IPv6: first.IPv6s, MAC: first.MAC, Subnet4: first.SubnetIPv4CIDRBlock}
	if len(first.SubnetIPv6CIDRBlocks) > 0 {
		network.Subnet6 = first.SubnetIPv6CIDRBlocks[0]
	}
	return ecs.Task{
		Cluster: t.Cluster, Family: t.Family, Revision: t.Revision, LaunchType: t.LaunchType, ARN: t.ARN, ServiceName: t.ServiceName,
		Tags: t.Tags, InstanceTags: t.InstanceTags, InstanceID: in.ID, Partition: in.Partition, Region: in.Region, AccountID: in.AccountID,
		AvailabilityZone: in.AvailabilityZone, AvailabilityZoneID: in.AvailabilityZoneID, VPCID: first.VPCID, Network: network,
	}
}

// idsOf returns the ids of the state before if nothing differs that they are made of: events change none of it.
func (s *State) idsOf(old *State) *ecs.IDs {
	if old != nil && old.Config == s.Config && old.Secret == s.Secret && old.Instance.ID == s.Instance.ID {
		return old.ids
	}
	return ecs.NewIDs(s.Secret.Key(), s.grantsByID())
}

// grantsByID are what the ids of credentials stand for that are known beforehand: the file's own credentials and each of roles for
// processes of this machine, and the roles of ecs.containers.
func (s *State) grantsByID() []ecs.Grant {
	c := s.Config.Config
	var all []ecs.Grant
	if s.role != "" {
		all = append(all, ecs.Grant{Container: s.Instance.ID})
	}
	for role := range c.Roles {
		all = append(all, ecs.Grant{Role: role, Container: s.Instance.ID})
	}
	for id, container := range c.ECS.Containers {
		if s.hasRole(container.Role) {
			all = append(all, ecs.Grant{Role: container.Role, Container: id})
		}
	}
	return all
}

// hasRole reports whether there are credentials of a role; "" is the file's own.
func (s *State) hasRole(role string) bool {
	return role != config.NoRole && (role != "" || s.role != "")
}

// ecsSelector selects what requests of credentials are judged by.
type ecsSelector struct{ app *App }

// Select returns the service of the state in force.
func (e ecsSelector) Select(*http.Request) (*ecs.Service, error) {
	return e.app.State().ecs.service, nil
}

// ecsFinder finds credentials by one state.
type ecsFinder struct {
	app   *App
	state *State
}

// client finds out who asks. Its error is ecs.ErrStale after a reload.
func (f ecsFinder) client(r *http.Request) (client, error) {
	c, err := f.app.clientOf(f.state, r)
	if err == nil && f.app.State() != f.state { // the guard judged by the old rules, and the engine may have been asked for long
		return client{}, ecs.ErrStale
	}
	return c, err
}

// ByID returns the credentials of the role that has an id, unless the client may not have them.
func (f ecsFinder) ByID(r *http.Request, id string) (ecs.CredentialSource, error) {
	c, err := f.client(r)
	if err != nil {
		return nil, err
	}
	if grant, ok := f.state.ids.Find(id); ok {
		if !c.mayHave(grant.Role) {
			return c.refuse(r)
		}
		return c.give(r, f.state.ofRole(c.entry, grant.Role))
	}
	if w := f.state.workloadWith(id); w != nil && c.mayHave(w.Role) {
		identity, _ := f.state.ofWorkload(c.entry, w)
		return c.give(r, identity)
	}
	return c.refuse(r)
}

// workloadWith returns the running container whose credentials have an id; nil if there is none.
func (s *State) workloadWith(id string) *caller.Workload {
	if s.Locator == nil {
		return nil
	}
	for _, running := range s.Locator.Running() {
		if w := running.Workload; w.Role != "" && w.Role != config.NoRole &&
			subtle.ConstantTimeCompare([]byte(ecs.ID(s.Secret.Key(), w.Role, running.ID)), []byte(id)) == 1 {
			return w
		}
	}
	return nil
}

// Own returns the credentials of the client's own role.
func (f ecsFinder) Own(r *http.Request) (ecs.CredentialSource, error) {
	c, err := f.client(r)
	if err != nil {
		return nil, err
	}
	return c.give(r, c.identity)
}

// ByName returns the credentials of a role by its name in roles, else by that of its IAM role.
func (f ecsFinder) ByName(r *http.Request, name string) (ecs.CredentialSource, error) {
	source, err := f.byPath(r, func(role string, _ *config.Credentials) bool { return role == name })
	if source != nil || err != nil {
		return source, err
	}
	return f.byPath(r, func(_ string, c *config.Credentials) bool { return instance.RoleName(c.IAMRole) == name })
}

// ByARN returns the credentials of a role by the ARN of its IAM role.
func (f ecsFinder) ByARN(r *http.Request, arn string) (ecs.CredentialSource, error) {
	return f.byPath(r, func(_ string, c *config.Credentials) bool { return c.IAMRole == arn })
}

// byPath returns the credentials of the first role that is meant, among those that the client may have without an id.
func (f ecsFinder) byPath(r *http.Request, meant func(role string, c *config.Credentials) bool) (ecs.CredentialSource, error) {
	c, err := f.client(r)
	if err != nil {
		return nil, err
	}
	own := c.identity.grant
	if own.credentials != nil && meant(own.name, own.credentials) {
		return c.give(r, c.identity)
	}
	for _, role := range f.state.rolesByPath(c) {
		configured := f.state.Config.Config.Roles[role]
		if meant(role, &configured) {
			return c.give(r, f.state.ofRole(c.entry, role))
		}
	}
	return c.refuse(r)
}

// rolesByPath are the roles that a client may have by their names, beside its own: those of its entry, and without an entry all, since
// it has sent the Authorization.
func (s *State) rolesByPath(c client) []string {
	switch {
	case c.workload != nil:
		return nil
	case c.entry >= 0:
		return s.Config.Config.Clients[c.entry].Also
	case s.ecs.authorization != nil:
		return slices.Sorted(maps.Keys(s.Config.Config.Roles))
	default:
		return nil
	}
}

// give returns the credentials of an identity, nil if it has none.
func (c client) give(r *http.Request, id *clientIdentity) (ecs.CredentialSource, error) {
	c.note(r, id.grant.name)
	if denied := deniedOf(id.grant); denied != nil {
		return denied, nil
	}
	made := c.state.serve(id)
	if made.source == nil {
		return c.refuse(r)
	}
	if c.until.IsZero() {
		return containerSource{made.source}, nil
	}
	return hurriedContainerSource{c, containerSource{made.source}}, nil
}

// refuse gives nothing. Clients cannot tell why.
func (c client) refuse(r *http.Request) (ecs.CredentialSource, error) {
	c.note(r, "")
	return nil, nil //nolint:nilnil // as ecs.Finder has it
}

// deniedOf returns what a grant gives instead of credentials; nil if it gives them.
func deniedOf(g grant) ecs.CredentialSource {
	if g.denied == nil {
		return nil
	}
	return deniedByPath{&ecs.CredentialError{Code: g.denied.Code, Message: g.denied.Message}}
}

// deniedByPath is the source of credentials that a client does not get.
type deniedByPath struct{ err *ecs.CredentialError }

// Credentials always fails.
func (d deniedByPath) Credentials(context.Context) (*ecs.Credentials, error) { return nil, d.err }

// containerSource is a credentialSource in the form of containers.
type containerSource struct{ *credentialSource }

// Credentials returns the document of the keeper's credentials.
func (s containerSource) Credentials(ctx context.Context) (*ecs.Credentials, error) {
	document, err := s.container.Get(ctx)
	if err == nil {
		return document, nil
	}
	if e, ok := errors.AsType[*credentials.Error](err); ok {
		return nil, &ecs.CredentialError{Code: cmp.Or(e.AWSCode, e.Code), Message: e.Message, Temporary: e.Temporary}
	}
	return nil, err
}

// hurriedContainerSource is the source of a client that has waited already.
type hurriedContainerSource struct {
	client client
	source containerSource
}

// Credentials returns those of the source.
func (h hurriedContainerSource) Credentials(ctx context.Context) (*ecs.Credentials, error) {
	ctx, cancel := h.client.inTime(ctx)
	defer cancel()
	return h.source.Credentials(ctx)
}

// metadataSelector selects what requests of task metadata are answered from.
type metadataSelector struct{ app *App }

// Select returns the metadata of the state in force, and who asks.
func (m metadataSelector) Select(r *http.Request) (*ecs.Metadata, ecs.Asker, error) {
	c, err := m.app.client(r)
	if err != nil {
		return nil, ecs.Asker{}, err
	}
	c.note(r, "")
	by := ecs.Asker{Local: c.local}
	if c.container != nil {
		by.Container = c.container.ID
	}
	return c.state.ecs.metadata, by, nil
}
