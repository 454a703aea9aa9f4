package kube

import (
	"maps"
	"net/netip"
	"sync/atomic"

	"mock-ec2-metadata/internal/caller"
)

// shards is how many maps an index has. A change copies one of them: of 10,000 pods, 160 entries.
const shards = 64

// index says which pod has an address. Reading takes no lock; one goroutine at a time may change it. It has no entry for an address in
// doubt. The zero value is empty.
type index struct {
	shards [shards]atomic.Pointer[map[netip.Addr]*caller.Workload]
}

// shard spreads addresses by their last byte, in which pods of a node differ.
func shard(a netip.Addr) int {
	b := a.As16()
	return int(b[15] % shards)
}

// get returns nil if no pod is known to have a, which has no zone.
func (x *index) get(a netip.Addr) *caller.Workload {
	if m := x.shards[shard(a)].Load(); m != nil {
		return (*m)[a]
	}
	return nil
}

// apply sets what the addresses lead to; nil removes one. Each address changes at once, none is absent in between.
func (x *index) apply(changes map[netip.Addr]*caller.Workload) {
	var next [shards]map[netip.Addr]*caller.Workload
	for a, w := range changes {
		n := shard(a)
		if next[n] == nil {
			next[n] = map[netip.Addr]*caller.Workload{}
			if m := x.shards[n].Load(); m != nil {
				next[n] = maps.Clone(*m)
			}
		}
		if w == nil {
			delete(next[n], a)
		} else {
			next[n][a] = w
		}
	}
	for n, m := range next {
		if m != nil {
			x.shards[n].Store(&m)
		}
	}
}
