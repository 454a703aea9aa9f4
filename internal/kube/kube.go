// Package kube finds the pod that has an address, on one node of a Kubernetes cluster: by a watch on the Kubernetes API, and by asking
// the kernel through Proc where the API is late (kubernetes.md section 5).
//
// Every pod of the node is known by its UID from the moment it is bound to the node. Its address is known only when the kubelet has
// reported it, half a second after the pod's first request or later. Until then, Proc leads from the address to the UID.
//
// That a pod is gone is told late, too. So Locate's answer needs Confirm before a client gets anything of that pod.
package kube

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"mock-ec2-metadata/internal/caller"
)

// Words of Options.Find.
const (
	findWatch = "watch"
	findProc  = "proc"
)

// Options say which node's pods are followed, and how.
type Options struct {
	// Node is the name of the node; only its pods are known.
	Node string
	// Find lists the ways to find the pod of an address: watch, proc.
	Find []string
	// Wait bounds how long Locate waits for a pod to become known.
	Wait time.Duration
	// Annotations are the names of those that are kept, of pods, service accounts and namespaces.
	Annotations []string
	// Accounts and Namespaces say whether service accounts and namespaces are watched for their annotations.
	Accounts, Namespaces bool
	// API is where the Kubernetes API is, see InCluster and NewConfig.
	API *rest.Config
	// Proc asks the kernel; nil is off, and ProcOff says why.
	Proc    Proc
	ProcOff string
	// NodeNetworks returns the networks of the node's own addresses; nil is none. It is called on misses alone.
	NodeNetworks func() []netip.Prefix
	// PodCIDRs are the networks of the node's pods, see ReadNode; empty if they are not known.
	PodCIDRs []netip.Prefix
	// Bound is called for each new or changed live pod that is not in the node's network, before it has an address; nil is none. It
	// must not block.
	Bound func(*caller.Workload)
	Log   *slog.Logger
	Now   func() time.Time
}

// Proc asks the kernel which pods have an address.
type Proc interface {
	// Find returns the UIDs of all pods with processes in network namespaces that have a, as the kernel has them after the call began:
	// one for most addresses, none if no process of a pod can be seen there. A Witness comes with one UID alone; it is the caller's to
	// close. An error means that it is not known.
	Find(ctx context.Context, a netip.Addr) (uids []string, w Witness, err error)
}

// Locator is a caller.Locator over the pods of one node. Run feeds it.
type Locator struct {
	opt     Options
	sources []*source // the first is that of pods
	index   index     // what Locate reads; changed by world alone, under mu
	lookups [ways]atomic.Int64
	events  *events

	mu    sync.Mutex // guards world and what is in it
	world *world

	asking struct { // questions to Proc that have no answer yet
		sync.Mutex
		at map[netip.Addr]*question
	}
	witnesses              witnesses // of what Proc has answered
	doubts, contradictions limiter
}

var _ caller.Locator = (*Locator)(nil)

// New returns a Locator that knows no pod until Run has reached the API. It connects to nothing.
func New(o Options) (*Locator, error) {
	switch {
	case o.Node == "":
		return nil, errors.New("kubernetes.node: the name of the node is not known; set it, or NODE_NAME by the downward API")
	case !slices.Contains(o.Find, findWatch) && !slices.Contains(o.Find, findProc):
		return nil, errors.New("kubernetes.pods.find: no way to find pods; name watch, proc or both")
	}
	redirectOnce(o.Log)
	api, err := newClient(o.API)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(o.Find, findProc) {
		o.Proc, o.ProcOff = nil, ""
	}
	l := &Locator{opt: o, events: newEvents(api, o.Node, o.Log, o.Now)}
	l.asking.at = map[netip.Addr]*question{}
	l.world = newWorld(&o, &l.index)
	l.sources = l.newSources(api)
	return l, nil
}

// Run follows what happens to pods until ctx is done.
func (l *Locator) Run(ctx context.Context) {
	ctx = withLog(ctx, l.opt.Log)
	var all sync.WaitGroup
	for _, s := range l.sources {
		all.Go(func() { s.run(ctx) })
	}
	all.Go(func() { l.events.run(ctx) })
	all.Wait()
}

// State is a live pod.
type State struct {
	Workload *caller.Workload
	// Addresses are those that the API names; none before it does, and for a pod in the node's network.
	Addresses   []netip.Addr
	HostNetwork bool
	// Own says which variable of its own spec keeps the pod from ever asking; "" for most.
	Own string
}

// Pods returns the live pods, in no order.
func (l *Locator) Pods() []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]State, 0, len(l.world.pods))
	for _, p := range l.world.pods {
		if p.live() && p.workload != nil {
			all = append(all, State{Workload: p.workload, Addresses: slices.Clone(p.addresses), HostNetwork: p.hostNetwork, Own: p.own})
		}
	}
	return all
}

// Status says how the watch is.
type Status struct {
	// Pods is the number of live pods that are known.
	Pods int
	// WatchAge is how long ago the API last said anything about pods; -1 if never.
	WatchAge time.Duration
	// Heard is when that was; zero if never.
	Heard time.Time
	// Relists is how many lists had to be fetched again.
	Relists int64
	// Synced says that the first lists have come.
	Synced bool
	// LastError is why the API cannot be asked; "" while it can.
	LastError string
	// Find are the ways to find pods that work; Off says why one that is configured does not.
	Find []string
	Off  string
	// Lookups count calls of Locate by how they ended: watch, proc, wait, unknown, ambiguous. Calls of Confirm that end otherwise are
	// counted in addition: proc, unknown.
	Lookups map[string]int64
}

// Status says how the watch is now.
func (l *Locator) Status() Status {
	s := Status{WatchAge: -1, Lookups: map[string]int64{}}
	if heard := l.sources[0].heard.Load(); heard != nil {
		s.WatchAge, s.Heard = l.opt.Now().Sub(*heard), *heard
	}
	for _, source := range l.sources {
		s.Relists += max(0, source.lists.Load()-1)
		if failure := source.failure.Load(); failure != nil && s.LastError == "" {
			s.LastError = source.resource + ": " + *failure
		}
	}
	for _, way := range l.opt.Find {
		if way != findProc || l.opt.Proc != nil {
			s.Find = append(s.Find, way)
			continue
		}
		s.Off = l.opt.ProcOff
	}
	for i, name := range wayNames {
		s.Lookups[name] = l.lookups[i].Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Synced = l.world.synced()
	for _, p := range l.world.pods {
		if p.live() {
			s.Pods++
		}
	}
	return s
}

// Refuse records an Event on a pod that does not get the role that it names, at most one an hour for the same message. It never blocks.
func (l *Locator) Refuse(w *caller.Workload, message string) {
	if w != nil && w.Pod != nil {
		l.events.refuse(w.Pod, message)
	}
}
