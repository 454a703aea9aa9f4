package docker

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"mock-ec2-metadata/internal/caller"
)

// world is what is known of the engine. Events are numbered by seq. An answer counts only if no event about its container
// came after the request, or else it could bring back a container that has ended.
type world struct {
	read        bool   // as a whole, at least once
	listing     bool   // a list is in flight
	seq         uint64 // of the last event
	records     map[string]*record
	networks    networks
	networksSeq uint64 // of the last event about networks
}

// record is what is known of one container.
type record struct {
	running *container // nil: it ended, or is not inspected yet
	seq     uint64     // of the last event about it
	busy    bool       // an inspect is in flight
	again   bool       // an event came since, so its answer is out of date
}

func newWorld() *world { return &world{records: map[string]*record{}} }

func (w *world) record(id string) *record {
	r := w.records[id]
	if r == nil {
		r = &record{}
		w.records[id] = r
	}
	return r
}

func (w *world) runs(id string) bool {
	r := w.records[id]
	return r != nil && (r.running != nil || r.busy)
}

// running are the containers that run, by id.
func (w *world) running() map[string]*container {
	all := map[string]*container{}
	for id, r := range w.records {
		if r.running != nil {
			all[id] = r.running
		}
	}
	return all
}

// end notes that a container no longer runs.
func (w *world) end(id string) {
	r := w.record(id)
	r.seq, r.running, r.again = w.seq, nil, false
	w.forget(id)
}

// forget drops the record of a container that ended, unless a request in flight may still show it running.
func (w *world) forget(id string) {
	if r := w.records[id]; r != nil && r.running == nil && !r.busy && !w.listing {
		delete(w.records, id)
	}
}

// leave takes a container's addresses in a network away, or all of them if it is not known which are.
func (w *world) leave(id, network string) {
	r := w.records[id]
	if r.running == nil {
		return
	}
	less := r.running.without(func(e endpoint) bool { return e.network == network })
	if less == r.running {
		less = r.running.without(func(endpoint) bool { return true })
	}
	r.running = less
}

// set takes the answer to a request that was sent after event seq. c is nil if the container does not run.
func (w *world) set(id string, c *container, seq uint64) {
	r := w.record(id)
	if r.seq > seq {
		return
	}
	if old := r.running; c != nil && old != nil && *old.workload == *c.workload {
		same := *c
		same.workload = old.workload
		c = &same
	}
	r.running = c
}

// replace takes a list of all containers that run, asked for after event seq.
func (w *world) replace(found []*container, seq uint64) {
	w.read = true
	listed := map[string]bool{}
	for _, c := range found {
		listed[c.id] = true
		w.set(c.id, c, seq)
	}
	for id := range w.records {
		if !listed[id] {
			w.set(id, nil, seq)
		}
		w.forget(id)
	}
}

func (w *world) setNetworks(n networks, seq uint64) {
	if w.networksSeq <= seq {
		w.networks = n
	}
}

// abandon forgets the requests in flight.
func (w *world) abandon() {
	w.listing = false
	for _, r := range w.records {
		r.busy, r.again = false, false
	}
}

// view settles which container has which address: the one that started last. The others lose it for good.
func (w *world) view() *view {
	v := &view{
		read: w.read, networks: w.networks, next: make(chan struct{}),
		byAddr: map[netip.Addr]*caller.Workload{},
		byMAC:  map[mac]*caller.Workload{},
	}
	var all []*record
	for _, r := range w.records {
		if r.running != nil {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *record) int { // the last first
		return cmp.Or(b.running.started.Compare(a.running.started), cmp.Compare(b.running.id, a.running.id))
	})
	v.status.Containers = len(all)
	for _, r := range all {
		r.running = r.running.losing(v.byAddr)
		for _, e := range r.running.endpoints {
			for _, a := range e.addrs {
				v.byAddr[a] = r.running.workload
			}
			v.addMAC(e.mac, r.running.workload)
		}
		v.containers = append(v.containers, r.running)
	}
	v.running = sync.OnceValue(func() []caller.Running { return listRunning(v.containers) })
	return v
}

// losing returns c without the addresses that others have.
func (c *container) losing(others map[netip.Addr]*caller.Workload) *container {
	lost := func(a netip.Addr) bool { return others[a] != nil }
	if !slices.ContainsFunc(addresses(c.endpoints), lost) {
		return c
	}
	less := *c
	less.endpoints = slices.Clone(c.endpoints)
	for i := range less.endpoints {
		less.endpoints[i].addrs = slices.DeleteFunc(slices.Clone(less.endpoints[i].addrs), lost)
	}
	return &less
}
