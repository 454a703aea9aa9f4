package app

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/web"
)

// podKey says which pods have a session in common. Name and uid are "" for all pods of a service account.
type podKey struct{ namespace, account, name, uid string }

func (k podKey) String() string {
	if k.name == "" && k.uid == "" {
		return "service account " + k.namespace + "/" + k.account
	}
	return "pod " + k.namespace + "/" + cmp.Or(k.name, k.uid)
}

// podState is what pods get by one state.
type podState struct {
	config       *config.Config
	associations map[[2]string]*config.Association // by namespace and service account
	service      *podidentity.Service
	cluster      *clusterState // nil outside a cluster
}

func (s *State) podStateOf() *podState {
	c := s.Config.Config
	if !c.PodIdentity.Enabled {
		return nil
	}
	p := newPodState(c, s.cluster)
	p.service = &podidentity.Service{Verifier: s.Pods, Associations: podAssociations{s.app, s}, Cluster: c.PodIdentity.ClusterName, Now: s.now}
	return p
}

// newPodState makes the podState of a configuration. cluster is nil outside a cluster.
func newPodState(c *config.Config, cluster *clusterState) *podState {
	p := &podState{config: c, cluster: cluster, associations: make(map[[2]string]*config.Association, len(c.PodIdentity.Associations))}
	for i := range c.PodIdentity.Associations {
		a := &c.PodIdentity.Associations[i]
		p.associations[[2]string{a.Namespace, a.ServiceAccount}] = a
	}
	return p
}

// grantOf is what the pods of a key get: nothing without an association, or a rule of a cluster. p may be nil.
func (p *podState) grantOf(k podKey) grant {
	if p == nil {
		return grant{}
	}
	a := p.associations[[2]string{k.namespace, k.account}]
	if a == nil {
		return p.ofAccount(k)
	}
	role := p.config.Roles[a.Role]
	g := grant{name: a.Role, credentials: &role, from: "roles." + a.Role, subject: p.subject(k)}
	switch {
	case a.TargetRole != "":
		g.target = credentials.Target{RoleARN: a.TargetRole, ExternalID: a.TargetExternalID.Reveal(), Policy: a.Policy}
		g.from = "pod_identity.associations of " + a.String() // no association takes over the session of another
	case a.Policy != "":
		role.Policy = a.Policy
		g.from = "pod_identity.associations of " + a.String()
	}
	if p.config.PodIdentity.SessionTags {
		p.tag(&role, k)
	}
	return g
}

// tag adds EKS's session tags to a role. Those of the pod are empty for a token that is bound to none.
func (p *podState) tag(role *config.Credentials, k podKey) {
	tags := maps.Clone(role.SessionTags)
	if tags == nil {
		tags = map[string]string{}
	}
	keys := config.PodTagKeys()
	for i, value := range []string{p.config.EKSClusterARN(), p.config.PodIdentity.ClusterName, k.namespace, k.account, k.name, k.uid} {
		tags[keys[i]] = value
	}
	role.SessionTags = tags
	role.TransitiveTagKeys = append(append([]string{}, role.TransitiveTagKeys...), keys...)
}

// ofPod returns the identity of a pod; nil without an association, or a rule of a cluster.
func (s *State) ofPod(pod *podidentity.Claims) *clientIdentity {
	k := podKey{namespace: pod.Namespace, account: pod.ServiceAccount}
	ownSession := s.pods.config.PodIdentity.SessionTags
	if s.pods.associations[[2]string{pod.Namespace, pod.ServiceAccount}] == nil {
		if s.pods.ofAccount(k).name == "" {
			return nil
		}
		session := &s.pods.config.Kubernetes.Session
		ownSession = session.Tags.Any() || session.Scope == config.ScopePod
	}
	if ownSession {
		k.name, k.uid = pod.PodName, pod.PodUID
	}
	id, _ := s.identities.remember(workloadKey{entry: caller.None, pod: k}, func() *clientIdentity {
		return &clientIdentity{entry: caller.None, grant: s.pods.grantOf(k), pod: k.String()}
	})
	return id
}

// podSelector selects the service that answers pods. Who asks is in the token, not in the address.
type podSelector struct{ app *App }

// Select returns the service of now.
func (p podSelector) Select(r *http.Request) (*podidentity.Service, error) {
	s := p.app.State()
	switch {
	case s.pods == nil:
		return nil, &web.Error{Status: http.StatusNotFound}
	case p.app.guard.ClassBy(s.Rules, web.Remote(r)) == guard.Refused:
		return nil, &web.Error{Status: http.StatusForbidden}
	case s.orphans[web.Listener(r)]:
		return nil, errOrphan
	}
	return s.pods.service, nil
}

// podAssociations finds the credentials of pods by one state.
type podAssociations struct {
	app   *App
	state *State
}

// Find returns the credentials of the pod that has sent a token.
func (p podAssociations) Find(r *http.Request, pod *podidentity.Claims) (podidentity.CredentialSource, error) {
	if p.app.State() != p.state { // while the token was verified
		return nil, podidentity.ErrStale
	}
	id := p.state.ofPod(pod)
	if id == nil {
		return nil, nil //nolint:nilnil // no association, as podidentity.Associations has it
	}
	web.SetCaller(r, web.Caller{Role: id.grant.name, Identity: id.pod})
	made := p.state.serve(id)
	if made.source == nil { // a rule names a role that no pod can have
		return nil, nil //nolint:nilnil // as without an association
	}
	return podSource{made.source}, nil
}

// podSource is a credentialSource in the form of pods.
type podSource struct{ *credentialSource }

// Credentials returns the document of the keeper's credentials.
func (s podSource) Credentials(ctx context.Context) (*podidentity.Credentials, error) {
	document, err := s.pod.Get(ctx)
	if err == nil {
		return document, nil
	}
	if e, ok := errors.AsType[*credentials.Error](err); ok {
		return nil, &podidentity.CredentialError{Code: cmp.Or(e.AWSCode, e.Code), Message: e.Message, Temporary: e.Temporary}
	}
	return nil, err
}
