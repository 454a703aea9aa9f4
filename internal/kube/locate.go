package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// searchLimit bounds how long Locate waits for Proc, if Options.Wait is shorter.
const searchLimit = 1500 * time.Millisecond

// How calls of Locate end, in the order of wayNames.
const (
	wayWatch = iota
	wayProc
	wayWait
	wayUnknown
	wayAmbiguous
	ways
)

var wayNames = [ways]string{"watch", "proc", "wait", "unknown", "ambiguous"}

// Locate implements caller.Locator. While the API cannot be reached, known pods stay known. Until it has been reached once, every
// address fails with caller.ErrUnknown. It never returns nil without an error.
func (l *Locator) Locate(ctx context.Context, a netip.Addr) (*caller.Workload, error) {
	a = a.WithZone("")
	if w := l.index.get(a); w != nil {
		l.lookups[wayWatch].Add(1)
		return w, nil
	}
	return l.search(ctx, a)
}

// view is what the world tells about an address at one time.
type view struct {
	workload *caller.Workload
	learned  bool   // by Proc's answer
	doubt    []*pod // those that may have it, if several may
	synced   bool
	next     chan struct{} // closed when there is something new
}

// search asks Proc once, and checks each change of the world until it knows the pod, or the time is over.
func (l *Locator) search(ctx context.Context, a netip.Addr) (*caller.Workload, error) {
	over := time.NewTimer(l.opt.Wait)
	defer over.Stop()
	limit := time.NewTimer(max(l.opt.Wait, searchLimit))
	defer limit.Stop()

	v := l.look(a, "")
	if v.workload != nil {
		l.lookups[wayWatch].Add(1)
		return v.workload, nil
	}
	asked := l.ask(ctx, a)
	var answer question // the zero value is no answer
	expired := over.C
	for {
		if asked == nil && (expired == nil || l.surelyElsewhere(a, &answer, &v)) {
			return nil, l.fail(a, &answer, &v)
		}
		var answered chan struct{}
		if asked != nil {
			answered = asked.done
		}
		select {
		case <-v.next:
		case <-answered:
			answer, asked = question{uid: asked.uid, late: asked.late}, nil
		case <-expired:
			expired = nil
		case <-limit.C:
			answer.late = answer.late || asked != nil
			return nil, l.fail(a, &answer, &v)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if v = l.look(a, answer.uid); v.workload != nil {
			way := wayWait
			if v.learned {
				way = wayProc
			}
			l.lookups[way].Add(1)
			return v.workload, nil
		}
	}
}

// look looks an address up in the world, with what Proc has answered; "" is nothing. It brings the index up to date with what only
// time has changed.
func (l *Locator) look(a netip.Addr, uid string) view {
	l.mu.Lock()
	w := l.world
	uid = w.uidOf(uid)
	changed := uid != "" && w.learn(uid, a)
	p, doubt := w.decide(a)
	if p != nil && p.workload == nil {
		w.settle(p)
	}
	if p != nil && p.workload != nil && l.index.get(a) != p.workload {
		w.touched[a] = true
		changed = true
	}
	var bound []*caller.Workload
	if changed {
		bound = w.commit()
	}
	v := view{doubt: doubt, synced: w.synced(), next: w.next}
	if p != nil {
		v.workload = p.workload
		v.learned = uid != "" && w.learned[a] == uid
	}
	l.mu.Unlock()
	l.tell(bound)
	return v
}

// question is one to Proc. uid and late are set when done is closed.
type question struct {
	done chan struct{}
	uid  string // "" is no answer
	late bool   // there might have been one with more time
}

// ask asks Proc who has a, once for all who ask at the same time. It returns nil without Proc.
func (l *Locator) ask(ctx context.Context, a netip.Addr) *question {
	if l.opt.Proc == nil {
		return nil
	}
	l.asking.Lock()
	defer l.asking.Unlock()
	if q := l.asking.at[a]; q != nil {
		return q
	}
	q := &question{done: make(chan struct{})}
	l.asking.at[a] = q
	ctx = context.WithoutCancel(ctx) // the client who came first may leave before the others
	go func() {
		has, err := l.find(ctx, a)
		if len(has) == 1 {
			q.uid = has[0]
		} else {
			l.opt.Log.Debug("the kernel does not name one pod", "address", a, "uids", has, "err", err)
		}
		q.late = errors.Is(err, context.DeadlineExceeded)
		l.asking.Lock()
		delete(l.asking.at, a)
		l.asking.Unlock()
		close(q.done)
	}()
	return q
}

// elsewhere tells whether no pod of this node can have a, as far as the node's networks tell.
func (l *Locator) elsewhere(a netip.Addr) bool {
	if l.opt.NodeNetworks == nil || within(a, l.opt.PodCIDRs) {
		return false
	}
	return within(a, l.opt.NodeNetworks())
}

func within(a netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// surelyElsewhere tells whether waiting for a pod at a is in vain. Neither the API nor the kernel has one there then, and pods of this
// node have addresses in other networks.
func (l *Locator) surelyElsewhere(a netip.Addr, answer *question, v *view) bool {
	return len(l.opt.PodCIDRs) > 0 && l.notHere(a, answer, v)
}

func (l *Locator) notHere(a netip.Addr, answer *question, v *view) bool {
	return v.synced && v.doubt == nil && answer.uid == "" && !answer.late && l.elsewhere(a)
}

// fail counts a search in vain, and says why it was.
func (l *Locator) fail(a netip.Addr, answer *question, v *view) error {
	if v.doubt != nil {
		l.lookups[wayAmbiguous].Add(1)
		l.warnOfDoubt(a, v.doubt)
		return unknownError(fmt.Sprintf("several pods are known to have %s; ask again when one of them has ended", a))
	}
	l.lookups[wayUnknown].Add(1)
	switch {
	case l.notHere(a, answer, v):
		return fmt.Errorf("%s is in a network of nodes: %w", a, caller.ErrElsewhere)
	case !v.synced:
		return unknownError("the Kubernetes API has not told yet which pods run on this node; ask again")
	case answer.uid != "":
		return unknownError(fmt.Sprintf("%s belongs to processes of a pod that the Kubernetes API does not know by it on this node; ask again", a))
	}
	return unknownError(fmt.Sprintf("no pod of this node is known to have %s yet; ask again", a))
}

// warnOfDoubt names the pods, which only the log may do: a client must not learn who else is there.
func (l *Locator) warnOfDoubt(a netip.Addr, doubt []*pod) {
	if !l.doubts.allow(l.opt.Now(), time.Minute) {
		return
	}
	names := make([]string, 0, len(doubt))
	for _, p := range doubt {
		names = append(names, p.namespace.Value()+"/"+p.name)
	}
	slices.Sort(names)
	l.opt.Log.Warn("several pods have one address", "address", a, "pods", names,
		"hint", "delete one of them; with hostPID the kernel can tell them apart")
}

// unknownError is caller.ErrUnknown with a reason in its place.
type unknownError string

func (e unknownError) Error() string { return string(e) }
func (e unknownError) Unwrap() error { return caller.ErrUnknown }
