package app

import (
	"errors"
	"fmt"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/podrole"
)

// Grants decides what the pods of a cluster get by one configuration, away from the cluster. A laptop that issues credentials for nodes
// does not trust what they decide.
type Grants struct {
	loaded  *config.Loaded
	cluster *clusterState
	pods    *podState // nil without pod_identity.enabled
}

// NewGrants returns the Grants of a configuration.
func NewGrants(l *config.Loaded) *Grants {
	k := &clusterState{config: l.Config, rules: podrole.New(l.Config)}
	g := &Grants{loaded: l, cluster: k}
	if l.Config.PodIdentity.Enabled {
		g.pods = newPodState(l.Config, k)
	}
	return g
}

// Spec returns the credentials of a subject. name is the session name where the configuration leaves it open. It fails, with the reason
// and the fix, if the subject gets none.
func (g *Grants) Spec(s *caller.Subject, name string) (credentials.Spec, error) {
	got, err := g.grantOf(s)
	switch {
	case err != nil:
		return credentials.Spec{}, err
	case got.denied != nil:
		return credentials.Spec{}, errors.New(got.denied.Message)
	case got.credentials == nil:
		return credentials.Spec{}, fmt.Errorf("%s gives %s no role", g.loaded.Name(), subjectName(s))
	}
	own := *got.credentials
	if own.SessionName == "" {
		own.SessionName = name
	}
	in, _ := g.loaded.InstanceOf(caller.None, &own)
	got.subject = s
	return got.spec(&in), nil
}

func (g *Grants) grantOf(s *caller.Subject) (grant, error) {
	switch {
	case s.Via == caller.ViaAddress:
		return g.cluster.grantOf(g.cluster.rules.Pod(s.Node, &s.Pod), s), nil
	case s.Via == caller.ViaHost:
		return g.cluster.grantOf(g.cluster.rules.Host(s.Node), s), nil
	case s.Via == caller.ViaToken && g.pods != nil:
		return g.pods.grantOf(podKey{namespace: s.Pod.Namespace, account: s.Pod.ServiceAccount, name: s.Pod.Name, uid: s.Pod.UID}), nil
	default:
		return grant{}, fmt.Errorf("%s gives no credentials by %q", g.loaded.Name(), s.Via)
	}
}

// subjectName names a subject.
func subjectName(s *caller.Subject) string {
	if s.Via == caller.ViaHost {
		return "node " + s.Node
	}
	return podKey{s.Pod.Namespace, s.Pod.ServiceAccount, s.Pod.Name, s.Pod.UID}.String()
}
