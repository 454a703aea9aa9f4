// Package podproc finds the pod that has an address by the processes of the node: from the network namespaces of /proc to the processes
// in them, and from their cgroups to the pod's UID. It needs the node's process namespace (hostPID), and no privilege. Linux only.
package podproc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// maxScans is how many scans of /proc run at once. A burst of new pods must not take the whole node's time.
const maxScans = 4

var (
	// ErrNone says that no process of a pod is in a network namespace with the address.
	ErrNone = errors.New("no process of a pod has the address")
	// ErrAmbiguous says that processes of several pods are in network namespaces with the address.
	ErrAmbiguous = errors.New("processes of several pods have the address")
)

// AmbiguousError is ErrAmbiguous with the UIDs of the pods.
type AmbiguousError struct{ UIDs []string }

func (*AmbiguousError) Error() string { return ErrAmbiguous.Error() }
func (*AmbiguousError) Unwrap() error { return ErrAmbiguous }

// Options of a Finder.
type Options struct {
	Root string // where procfs is mounted; "" is /proc
}

// Finder finds pods by their processes. It is safe for concurrent use.
type Finder struct {
	scan  scan
	slots chan struct{} // one element for each scan that runs

	mu sync.Mutex // guards the maps, and each search's waiting
	// next has the searches that have not begun. A caller that asks for their address waits for them.
	next map[netip.Addr]*search
	// last has the newest search of an address, which may have begun. The next one of that address runs after it.
	last map[netip.Addr]*search
}

// scan looks for an address once. The Witness is nil with an error.
type scan func(ctx context.Context, a netip.Addr) (uid string, w *Witness, err error)

// search is one scan for an address, shared by all that asked before it began. Those who ask later need a scan of their own: the
// address may have changed hands since.
type search struct {
	waiting int // how many wait for it
	cancel  context.CancelFunc
	done    chan struct{} // closed when what follows is set
	uid     string
	witness *Witness // the search's own, closed once it is over and no caller waits; nil with an error
	err     error
	over    bool
}

// closeWitness closes the search's own witness if no caller needs it any more. The caller holds the Finder's mu.
func (s *search) closeWitness() {
	if s.over && s.waiting == 0 && s.witness != nil {
		s.witness.Close()
	}
}

func newFinder(s scan) *Finder {
	return &Finder{scan: s, slots: make(chan struct{}, maxScans), next: map[netip.Addr]*search{}, last: map[netip.Addr]*search{}}
}

// Find returns the UID of the pod that has the address, by the cgroups of its processes. For most pods it is the object's UID. For a
// static pod it is a hash of 32 hexadecimal digits, which the API has as the annotation kubernetes.io/config.hash. The error is ErrNone,
// ErrAmbiguous, the context's, or what failed; ErrAmbiguous is an *AmbiguousError. At most 4 scans run at once, and one for each address.
//
// With a pod comes a Witness, which tells later whether the answer still holds. It is the caller's to close.
//
// The node's own network, loopback and link-local addresses have no pod. A pod that has taken on another's address makes both ambiguous.
func (f *Finder) Find(ctx context.Context, a netip.Addr) (uid string, w *Witness, err error) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return "", nil, ErrNone
	}
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	s := f.join(ctx, a)
	defer f.leave(a, s)
	select {
	case <-s.done:
	case <-ctx.Done():
		return "", nil, ctx.Err()
	}
	if s.err != nil || s.witness == nil {
		return s.uid, nil, s.err
	}
	if w, err = s.witness.again(); err != nil {
		return "", nil, fmt.Errorf("witness of a pod: %w", err)
	}
	return s.uid, w, nil
}

// join returns a search for the address that has not begun.
func (f *Finder) join(ctx context.Context, a netip.Addr) *search {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.next[a]
	if s == nil {
		s = &search{done: make(chan struct{})}
		ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
		before := f.last[a]
		f.next[a], f.last[a] = s, s
		go f.run(ctx, a, s, before)
	}
	s.waiting++
	return s
}

// leave stops the search if this was the last who waited for it.
func (f *Finder) leave(a netip.Addr, s *search) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.waiting--
	if s.waiting == 0 {
		s.cancel()
		f.begin(a, s) // no caller may join it any more
		s.closeWitness()
	}
}

// begin keeps others from joining the search. The caller holds mu.
func (f *Finder) begin(a netip.Addr, s *search) {
	if f.next[a] == s {
		delete(f.next, a)
	}
}

// run scans once the search before has ended and a slot is free.
func (f *Finder) run(ctx context.Context, a netip.Addr, s, before *search) {
	uid, w, err := f.wait(ctx, a, s, before)
	f.mu.Lock()
	s.uid, s.witness, s.err, s.over = uid, w, err, true
	s.closeWitness()
	f.begin(a, s)
	if f.last[a] == s {
		delete(f.last, a)
	}
	f.mu.Unlock()
	close(s.done)
}

func (f *Finder) wait(ctx context.Context, a netip.Addr, s, before *search) (uid string, w *Witness, err error) {
	if before != nil {
		<-before.done // not ctx: then two scans of one address could run at once
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return "", nil, ctx.Err()
	}
	f.mu.Lock()
	f.begin(a, s)
	f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	return f.scan(ctx, a)
}
