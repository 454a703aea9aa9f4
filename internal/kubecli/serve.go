package kubecli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/kube"
	"mock-ec2-metadata/internal/podproc"
	"mock-ec2-metadata/internal/podrole"
)

// newCluster returns what makes the Cluster of the daemon.
func (p *Program) newCluster(log *slog.Logger) app.NewCluster {
	return func(c *config.Config, bound func(*caller.Workload)) (app.Cluster, error) {
		api, err := kube.InCluster()
		if err != nil {
			return nil, err
		}
		k := &c.Kubernetes
		if k.Node == "" {
			return nil, errors.New("kubernetes.node: it is not known which node this is; set it, or the variable NODE_NAME")
		}
		accounts, namespaces := annotated(c)
		opt := kube.Options{
			Node: k.Node, Find: k.Pods.Find, Wait: k.Pods.Wait, Annotations: podrole.New(c).Annotations(), Accounts: accounts, Namespaces: namespaces,
			API: api, NodeNetworks: p.node.networks, PodCIDRs: p.node.podCIDRs(), Bound: bound, Log: log, Now: time.Now,
		}
		if slices.Contains(k.Pods.Find, config.FindProc) {
			finder, err := podproc.New(podproc.Options{})
			if err == nil {
				opt.Proc = kernel{finder}
			} else {
				opt.ProcOff = err.Error()
				log.Warn("pods are not found by their processes", "error", err, "hint", "a pod's first requests may get 503 until the API knows its address")
			}
		}
		l, err := kube.New(opt)
		if err != nil {
			return nil, err
		}
		return nodePods{l}, nil
	}
}

// annotated reports whether annotations of service accounts and of namespaces decide anything.
func annotated(c *config.Config) (accounts, namespaces bool) {
	a := &c.Kubernetes.Annotations
	accounts = len(a.Role)+len(a.ExternalID)+len(a.SessionName) > 0
	return accounts, accounts || c.Kubernetes.Rules.NamespaceAnnotations && len(a.AllowedRoles) > 0
}

// kernel is a podproc.Finder as the Locator has it.
type kernel struct{ *podproc.Finder }

// Find returns the pods that have the address.
func (k kernel) Find(ctx context.Context, a netip.Addr) ([]string, kube.Witness, error) {
	uid, witness, err := k.Finder.Find(ctx, a)
	if several, ok := errors.AsType[*podproc.AmbiguousError](err); ok {
		return several.UIDs, nil, nil
	}
	switch {
	case errors.Is(err, podproc.ErrNone):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return []string{uid}, witness, nil
}

// nodePods is a kube.Locator as the App has it.
type nodePods struct{ *kube.Locator }

// Pods returns the live pods.
func (n nodePods) Pods() []app.PodState {
	states := n.Locator.Pods()
	all := make([]app.PodState, len(states))
	for i, s := range states {
		all[i] = app.PodState{Workload: s.Workload, HostNetwork: s.HostNetwork, Own: s.Own}
		for _, a := range s.Addresses {
			all[i].Addresses = append(all[i].Addresses, a.String())
		}
	}
	return all
}

// Status describes the watch.
func (n nodePods) Status() *api.Kubernetes {
	s := n.Locator.Status()
	age := int64(-1)
	if s.WatchAge >= 0 {
		age = int64(s.WatchAge / time.Second)
	}
	return &api.Kubernetes{
		Pods: s.Pods, WatchAgeSeconds: age, Heard: s.Heard, Relists: s.Relists, Synced: s.Synced, LastError: s.LastError, Find: s.Find, Off: s.Off,
		Lookups: s.Lookups,
	}
}

// networks returns the networks of this machine that the node's own addresses are in.
func (n *nodeFacts) networks() []netip.Prefix {
	known := n.now()
	addresses, err := net.InterfaceAddrs()
	if known == nil || err != nil {
		return nil
	}
	var all []netip.Prefix
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && slices.Contains(known.Addresses, p.Addr().Unmap()) {
			all = append(all, p.Masked())
		}
	}
	return all
}

// podCIDRs returns the networks of the node's pods, as far as they are known.
func (n *nodeFacts) podCIDRs() []netip.Prefix {
	if known := n.now(); known != nil {
		return known.PodCIDRs
	}
	return nil
}
