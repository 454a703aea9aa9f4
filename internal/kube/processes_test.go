package kube

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// processes is a Proc that is always right about which pods have an address, with witnesses.
type processes struct {
	mu     sync.Mutex
	at     map[string][]string // UIDs by address
	err    error
	delay  time.Duration // from the look to the answer
	asked  int
	looked int // calls of Alive
	open   int // witnesses
}

func (p *processes) set(address string, uids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[string][]string{}
	}
	p.at[address] = uids
}

func (p *processes) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *processes) Find(ctx context.Context, a netip.Addr) ([]string, Witness, error) {
	p.mu.Lock()
	p.asked++
	uids, err, delay := slices.Clone(p.at[a.String()]), p.err, p.delay
	p.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	if err != nil || len(uids) != 1 {
		return uids, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return uids, &witness{of: p, address: a.String(), uid: uids[0]}, nil
}

// witness is one of processes.
type witness struct {
	of           *processes
	address, uid string
	closed       bool
}

func (w *witness) Alive() bool {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	w.of.looked++
	return !w.closed && slices.Contains(w.of.at[w.address], w.uid)
}

func (w *witness) Close() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	if !w.closed {
		w.closed = true
		w.of.open--
	}
}

// wantCounts checks how often the kernel was asked, how often a witness was, and how many are open.
func (p *processes) wantCounts(t *testing.T, asked, looked, open int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked != asked || p.looked != looked || p.open != open {
		t.Errorf("the kernel was asked %d times, witnesses %d times, %d are open; want %d, %d, %d", p.asked, p.looked, p.open, asked, looked, open)
	}
}

// request locates and confirms, as a connection's first request does.
func (l *testLocator) request(address string) (*caller.Workload, error) {
	a := netip.MustParseAddr(address)
	w, err := l.Locate(l.t.Context(), a)
	if err != nil {
		return nil, err
	}
	return l.Confirm(l.t.Context(), a, w)
}

// wantRequest checks which pod a request is found to come from; "" is none.
func (l *testLocator) wantRequest(address, name string) {
	l.t.Helper()
	w, err := l.request(address)
	wantPod(l.t, w, err, name)
}

func wantPod(t *testing.T, w *caller.Workload, err error, name string) {
	t.Helper()
	switch {
	case name == "" && !isUnknown(err):
		t.Errorf("got %v, %v; want an error", w, err)
	case name != "" && (err != nil || w.Name != "pod shop/"+name):
		t.Errorf("got %v, %v; want %s", w, err, name)
	}
}
