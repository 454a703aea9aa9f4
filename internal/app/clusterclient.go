package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/web"
)

// clientInCluster finds out which pod asks, by one state. What comes from the node itself cannot be told apart: it has one identity
// (kubernetes.md section 5.5).
func (a *App) clientInCluster(s *State, r *http.Request, class guard.Class) (client, error) {
	c := client{state: s, local: class == guard.Local, entry: caller.None}
	if c.local {
		c.identity = s.cluster.host
		return c, nil
	}
	began := time.Now()
	w, err := s.Cluster.Locate(r.Context(), web.Remote(r))
	if err == nil && w != nil && w.Pod != nil {
		w, err = confirmed(s.Cluster, r, w)
	}
	if a.opt.Observer != nil {
		a.opt.Observer.Located(time.Since(began))
	}
	switch {
	case errors.Is(err, caller.ErrElsewhere):
		a.denied(deniedElsewhere)
		return client{}, &web.Error{Status: http.StatusForbidden, Err: err, Text: err.Error()}
	case errors.Is(err, errOtherPeer):
		a.denied(deniedMoved)
		refused := a.refuseUnknown(r, err)
		if e, ok := errors.AsType[*web.Error](refused); ok {
			e.Close = true
		}
		return client{}, refused
	case err != nil:
		a.denied(deniedUnknown)
		return client{}, a.refuseUnknown(r, err)
	case w == nil || w.Pod == nil:
		a.denied(deniedUnknown)
		return client{}, a.refuseUnknown(r, caller.ErrUnknown)
	}
	if time.Since(began) > slowLocate {
		c.until = began.Add(caller.Wait)
	}
	p := s.ofPodAt(w)
	if p.decision.Denied != "" && p.told.CompareAndSwap(false, true) {
		a.log.Warn("role of a pod denied", "pod", w.Name, "source", p.decision.Source, "error", p.decision.Denied)
	}
	c.workload, c.container, c.pod, c.identity = w, w, p, p.id
	return c, nil
}

// errOtherPeer says that a connection was another pod's than the one that has its address now.
var errOtherPeer = fmt.Errorf("the pod of this connection has lost its address: %w", caller.ErrUnknown)

// confirmed returns the pod of a connection whose address leads to w. A connection ends with its pod's network, so it is one pod's for
// as long as it lives, and that pod is confirmed once. While the address leads to another pod, which the API may say too late or too
// early, each request is confirmed; unless it is that same pod's, the connection is closed. It never changes to another pod.
func confirmed(cluster Cluster, r *http.Request, w *caller.Workload) (*caller.Workload, error) {
	peer := web.Peer(r)
	if peer == w.Pod.UID {
		return w, nil
	}
	w, err := cluster.Confirm(r.Context(), web.Remote(r), w)
	switch {
	case err != nil:
		return nil, err
	case peer != "" && peer != w.Pod.UID:
		return nil, errOtherPeer
	}
	web.SetPeer(r, w.Pod.UID)
	return w, nil
}

// targetOf returns the target of a pod: that of its identity, with credentials that tell the pod why it gets none.
func (a *App) targetOf(c client, made *metadata) *imds.Target {
	shared := made == c.identity.metadata.Load()
	if t := c.pod.target.Load(); t != nil && shared {
		return t
	}
	t := *made.target
	if t.Credentials != nil {
		t.Credentials = podCredentials{a, c.state.Cluster, c.workload, t.Credentials, c.identity.grant.denied != nil}
	}
	if shared {
		c.pod.target.Store(&t)
	}
	return &t
}

// podCredentials are the credentials of a pod. It is told by an Event why it gets none.
type podCredentials struct {
	app      *App
	cluster  Cluster
	workload *caller.Workload
	source   imds.CredentialSource
	denied   bool // by the rules of the configuration
}

// Credentials returns those of the source.
func (p podCredentials) Credentials(ctx context.Context) (*imds.Credentials, error) {
	document, err := p.source.Credentials(ctx)
	if e, ok := errors.AsType[*imds.CredentialError](err); ok && !e.Temporary {
		p.cluster.Refuse(p.workload, e.Message)
		why := deniedBySTS
		if p.denied {
			why = deniedByRules
		}
		p.app.denied(why)
	}
	return document, err
}

// prefetch gets the credentials of a pod before it asks: it is called when a pod is bound to the node, or has changed. It does not
// wait for them.
func (a *App) prefetch(w *caller.Workload) {
	s := a.State()
	if s == nil || s.cluster == nil || !s.Config.Config.Kubernetes.Session.Prefetch {
		return
	}
	p := s.ofPodAt(w)
	if p.id.grant.denied != nil || p.id.grant.credentials == nil {
		return
	}
	made := s.serve(p.id)
	if made.keeper == nil {
		return
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel() // Get then starts the call and does not wait for it
	_, _ = made.keeper.Get(gone)
}
