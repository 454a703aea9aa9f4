package app

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
)

// clusterStatus describes the pods of the node and what they get; nil without a Cluster.
func (a *App) clusterStatus(s *State) *api.Kubernetes {
	k := s.cluster
	if k == nil {
		return nil
	}
	status := s.Cluster.Status()
	status.Node, status.Cluster = k.config.Kubernetes.Node, k.config.Kubernetes.ClusterName
	if a.opt.Relay != nil {
		status.Relay = a.opt.Relay()
	}
	pods := map[*clientIdentity]int{}
	for _, p := range s.Cluster.Pods() {
		of := p.Workload.Pod
		assigned := api.PodRole{Namespace: of.Namespace, Name: of.Name, Addresses: p.Addresses, Own: p.Own}
		d := k.rules.Pod(k.config.Kubernetes.Node, of)
		if p.HostNetwork {
			d = k.rules.Host(k.config.Kubernetes.Node)
			pods[k.host]++
		} else if known, ok := k.pods.Load(of.UID); ok {
			pods[known.(*podIdentity).id]++
		}
		assigned.Role, assigned.Source, assigned.Denied = d.Name, d.Source, d.Denied
		status.Assigned = append(status.Assigned, assigned)
	}
	slices.SortFunc(status.Assigned, func(a, b api.PodRole) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	status.Sessions = s.sessionsStatus(pods, a.opt.Now())
	return status
}

// sessionsStatus describes the sessions in use; pods counts the pods that have each.
func (s *State) sessionsStatus(pods map[*clientIdentity]int, now time.Time) []api.Session {
	var all []api.Session
	add := func(id *clientIdentity, n int) {
		if made := id.made.Load(); made != nil && made.keeper != nil {
			all = append(all, api.Session{Role: id.grant.name, For: id.pod, Pods: n, Credentials: s.credentialsOf(id, made, now)})
		}
	}
	for id := range s.cluster.identities() {
		add(id, pods[id])
	}
	for _, id := range s.identities.ofWorkloads() { // by EKS Pod Identity
		add(id, 1)
	}
	slices.SortFunc(all, func(a, b api.Session) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.For, b.For))
	})
	return all
}

// ofAccount is what the pods of a service account get without an association: the role of kubernetes.rules.service_accounts.
func (p *podState) ofAccount(k podKey) grant {
	if p.cluster == nil {
		return grant{}
	}
	subject := p.subject(k)
	d := p.cluster.rules.Account(subject.Node, &subject.Pod)
	if d.Name == "" {
		return grant{}
	}
	return p.cluster.grantOf(d, subject)
}

// subject is whom the credentials of a key are for; nil outside a cluster.
func (p *podState) subject(k podKey) *caller.Subject {
	if p.cluster == nil {
		return nil
	}
	return &caller.Subject{
		Via: caller.ViaToken, Node: p.config.Kubernetes.Node,
		Pod: caller.Pod{Namespace: k.namespace, ServiceAccount: k.account, Name: k.name, UID: k.uid},
	}
}
