package kube

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// Confirm returns the pod that has a now, of which Locate has said that it is w. The API is late: a deleted pod's address may be
// another's before the API has told that the first one is gone. So its word counts only while the kernel does not contradict it.
//
// A pod that was confirmed a moment ago and whose witness lives needs a check of that alone. Else Proc is asked, anew for each call:
//   - It names w: w.
//   - It names another pod alone: that one, if the API knows it and allows that it has a.
//   - It names none: w, since processes in virtual machines cannot be seen; but not if w is being deleted, or if Proc has named w before,
//     so that its processes can be seen.
//   - It names several: none of them. A pod may have added another's address to its own network.
//   - It fails: w as for none, and if its witness lives.
//
// All else fails with an error that wraps caller.ErrUnknown, and never gives w. It fails with the context's error if ctx is done first.
//
// Without Proc it returns w, the API's word: a pod that gets the address of one that the API still calls alive then gets that one's
// role, until the API has told of either.
func (l *Locator) Confirm(ctx context.Context, a netip.Addr, w *caller.Workload) (*caller.Workload, error) {
	if l.opt.Proc == nil {
		return w, nil
	}
	a, uid := a.WithZone(""), w.Pod.UID
	fresh, alive := l.witnesses.vouch(a, uid, l.opt.Now())
	if fresh && alive {
		return w, nil
	}
	l.mu.Lock()
	visible := l.world.pods[uid] == nil || l.world.pods[uid].visible
	l.mu.Unlock()
	// Not by ask: the answer to an earlier question may be older than the connection.
	has, err := l.find(ctx, a)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	l.mu.Lock()
	p := l.world.pods[uid]
	leaving := p == nil || !p.gone.IsZero()
	l.mu.Unlock()
	switch {
	case len(has) == 1 && has[0] == uid, len(has) == 0 && !leaving && !visible, err != nil && alive:
		return w, nil
	case len(has) == 1:
		return l.instead(ctx, a, has[0], w)
	}
	l.opt.Log.Debug("pod is not confirmed by the kernel", "address", a, "pod", w.Name, "uids", has, "err", err)
	l.lookups[wayUnknown].Add(1)
	return nil, unknownError(fmt.Sprintf("%s was that of %s, whose processes are not found there; ask again", a, w.Name))
}

// find asks Proc, and keeps the witness. It returns the UIDs as the API has them; none if Proc fails.
func (l *Locator) find(ctx context.Context, a netip.Addr) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	has, witness, err := l.opt.Proc.Find(ctx, a)
	if err != nil {
		return nil, err
	}
	has = slices.Clone(has)
	l.mu.Lock()
	defer l.mu.Unlock()
	known := false
	for i, uid := range has {
		has[i] = l.world.ofKernel(uid)
		if p := l.world.pods[has[i]]; p != nil {
			known, p.visible = p.live(), true
		}
	}
	switch {
	case witness == nil:
	case len(has) == 1 && known: // then it is dropped when the pod goes
		l.witnesses.keep(a, has[0], witness, l.opt.Now())
	default:
		witness.Close()
	}
	return has, nil
}

// instead returns the pod that the kernel names for a, where the API names w. It waits for it as Locate does.
func (l *Locator) instead(ctx context.Context, a netip.Addr, uid string, w *caller.Workload) (*caller.Workload, error) {
	over := time.NewTimer(l.opt.Wait)
	defer over.Stop()
	for expired := false; ; {
		found, known, next := l.allowed(uid, a)
		if found != nil {
			l.warnOfContradiction(a, w, found.Name)
			l.lookups[wayProc].Add(1)
			return found, nil
		}
		if known || expired {
			l.warnOfContradiction(a, w, "pod "+uid)
			l.lookups[wayUnknown].Add(1)
			return nil, unknownError(fmt.Sprintf("%s belongs to processes of a pod that the Kubernetes API does not know by it on this node; ask again", a))
		}
		select {
		case <-next:
		case <-over.C:
			expired = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// allowed returns the pod of a UID if the API allows that it has a. known tells that it does not; else the pod is not known yet, and
// next is closed when there is something new.
func (l *Locator) allowed(uid string, a netip.Addr) (found *caller.Workload, known bool, next chan struct{}) {
	l.mu.Lock()
	w := l.world
	p := w.pods[uid]
	var bound []*caller.Workload
	if w.mayHave(uid, a) {
		if p.workload == nil { // time alone may have settled it
			if w.settle(p); p.workload != nil {
				bound = w.commit()
			}
		}
		found = p.workload
	} else {
		known = p != nil
	}
	next = w.next
	l.mu.Unlock()
	l.tell(bound)
	return found, known, next
}

// warnOfContradiction names the pods, which only the log may do.
func (l *Locator) warnOfContradiction(a netip.Addr, w *caller.Workload, kernel string) {
	if l.contradictions.allow(l.opt.Now(), time.Minute) {
		l.opt.Log.Warn("kernel and kubernetes name different pods", "address", a, "kubernetes", w.Name, "kernel", kernel,
			"hint", "the kernel counts; the API is late to tell which pods are gone")
	}
}
