package app

import (
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/podrole"
)

// clusterState is what the pods of a node get by one state. Identities are made when a pod first asks, or before.
type clusterState struct {
	config *config.Config
	rules  *podrole.Rules
	since  time.Time // of the state's configuration
	host   *clientIdentity
	none   *clientIdentity // of pods without a role

	pods sync.Map // UID of a pod → *podIdentity

	mu       sync.Mutex // guards the fields below
	sessions map[sessionKey]*clientIdentity
	tidied   time.Time
}

// sessionKey says which pods have an identity in common: those whose credentials have equal inputs, under the same name. Of pods that
// do not get their role it has the reason.
type sessionKey struct {
	spec           [32]byte
	name, refusing string
}

// podIdentity is what one pod gets.
type podIdentity struct {
	workload *caller.Workload // of which the decision was made
	decision podrole.Decision
	id       *clientIdentity
	target   atomic.Pointer[imds.Target] // nil before the first request of metadata
	told     atomic.Bool                 // the log has that the role is denied; prefetch decides before the pod asks
}

// clusterStateOf makes the clusterState of s; nil without a Cluster.
func (s *State) clusterStateOf() *clusterState {
	c := s.Config.Config
	if s.Cluster == nil {
		return nil
	}
	k := &clusterState{
		config: c, rules: podrole.New(c), since: s.LoadedAt, none: &clientIdentity{entry: caller.None, ofPods: true},
		sessions: map[sessionKey]*clientIdentity{},
	}
	k.host = &clientIdentity{entry: caller.None, pod: "node " + c.Kubernetes.Node, grant: k.grantOf(
		k.rules.Host(c.Kubernetes.Node), &caller.Subject{Via: caller.ViaHost, Node: c.Kubernetes.Node},
	)}
	return k
}

// grantOf is the grant of a decision.
func (k *clusterState) grantOf(d podrole.Decision, subject *caller.Subject) grant {
	g := grant{name: d.Name, credentials: d.Credentials, from: d.From, session: d.Session, subject: subject}
	if d.Denied != "" {
		g.credentials = &config.Credentials{IAMRole: "arn:aws:iam::" + k.config.AWS.AccountID + ":role/" + d.Name}
		g.denied = &imds.CredentialError{Code: "AccessDenied", Message: d.Denied, LastUpdated: k.since}
	}
	return g
}

// ofPodAt returns what a pod gets that is known by its address.
func (s *State) ofPodAt(w *caller.Workload) *podIdentity {
	k := s.cluster
	if known, ok := k.pods.Load(w.Pod.UID); ok {
		if p := known.(*podIdentity); p.workload == w {
			return p
		}
	}
	d := k.rules.Pod(k.config.Kubernetes.Node, w.Pod)
	p := &podIdentity{workload: w, decision: d, id: s.sessionOf(d, &caller.Subject{Via: caller.ViaAddress, Node: k.config.Kubernetes.Node, Pod: k.rules.Deciding(w.Pod)})}
	k.pods.Store(w.Pod.UID, p)
	return p
}

// sessionOf returns the identity of a decision, which other pods may share.
func (s *State) sessionOf(d podrole.Decision, subject *caller.Subject) *clientIdentity {
	k := s.cluster
	if d.Name == "" {
		return k.none
	}
	g := k.grantOf(d, subject)
	key := sessionKey{name: d.Name, refusing: d.Denied}
	if d.Denied == "" {
		in, _ := s.Config.InstanceOf(caller.None, g.credentials)
		key.spec = g.spec(&in).Key()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s.tidyPods()
	id := k.sessions[key]
	if id == nil {
		id = &clientIdentity{entry: caller.None, grant: g, ofPods: true, pod: sessionOwner(d, subject)}
		k.sessions[key] = id
	}
	return id
}

// sessionOwner says for whom a session is; "" for one that all pods of a role share.
func sessionOwner(d podrole.Decision, subject *caller.Subject) string {
	switch {
	case d.Session == "" || d.Denied != "": // all that are denied for the same reason share what they get
		return ""
	case d.Session == subject.Pod.UID:
		return subject.Pod.String()
	default:
		return "service account " + d.Session
	}
}

// tidyPods forgets pods that are gone, and sessions without pods. It is called with the mutex of the clusterState held.
func (s *State) tidyPods() {
	k := s.cluster
	now := time.Now()
	if now.Sub(k.tidied) < tidyEvery {
		return
	}
	k.tidied = now
	live := map[string]bool{}
	for _, p := range s.Cluster.Pods() {
		live[p.Workload.Pod.UID] = true
	}
	used := map[*clientIdentity]bool{}
	k.pods.Range(func(uid, p any) bool {
		if live[uid.(string)] {
			used[p.(*podIdentity).id] = true
		} else {
			k.pods.Delete(uid)
		}
		return true
	})
	for key, id := range k.sessions {
		if made := id.made.Load(); !used[id] && (made == nil || made.isOver()) {
			delete(k.sessions, key)
		}
	}
}

// identities yields the identities of pods and of the node itself.
func (k *clusterState) identities() iter.Seq[*clientIdentity] {
	return func(yield func(*clientIdentity) bool) {
		if k == nil {
			return
		}
		k.mu.Lock()
		all := []*clientIdentity{k.host}
		for _, id := range k.sessions {
			all = append(all, id)
		}
		k.mu.Unlock()
		for _, id := range all {
			if !yield(id) {
				return
			}
		}
	}
}

// podSpecs yields the specs of the live pods, whose sessions a new state goes on with.
func (s *State) podSpecs(yield func(credentials.Spec) bool) bool {
	k := s.cluster
	if k == nil {
		return true
	}
	give := func(g grant) bool {
		if g.credentials == nil || g.denied != nil {
			return true
		}
		in, _ := s.Config.InstanceOf(caller.None, g.credentials)
		return yield(g.spec(&in))
	}
	if !give(k.host.grant) {
		return false
	}
	for _, p := range s.Cluster.Pods() {
		d := k.rules.Pod(k.config.Kubernetes.Node, p.Workload.Pod)
		if !p.HostNetwork && d.Name != "" && !give(k.grantOf(d, nil)) {
			return false
		}
	}
	return true
}

// hidden returns overrides that take everything out of a tree of these paths that pods do not get under kubernetes.pods.metadata: none.
func hidden(paths []string) map[string]*string {
	overrides := map[string]*string{}
	for _, path := range paths {
		path = strings.TrimPrefix(path, "/latest/")
		kept := false
		for _, prefix := range []string{"meta-data/iam/", "meta-data/placement/", "dynamic/instance-identity/"} {
			kept = kept || strings.HasPrefix(path, prefix)
		}
		if !kept && path != "" && !strings.HasSuffix(path, "/") {
			overrides[path] = nil
		}
	}
	return overrides
}
