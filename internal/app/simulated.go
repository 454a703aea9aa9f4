package app

import (
	"net/netip"
	"slices"
	"sync"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/lifecycle"
)

// simulated is the part of a State that events and faults make.
type simulated struct {
	// Generation rises with each state.
	Generation int64
	// replaced is closed when another state is in force.
	replaced chan struct{}
	// own is the file's own instance with the events that are for all clients.
	own lifecycle.Result
	// restricted says that some event is not for all clients.
	restricted bool
	// off leaves requests without an answer while an event says that the instance is off; goneBy names those that do.
	off    *fault.Set
	goneBy string
	// byPath has the last event that sets a path below the version.
	byPath map[string]*lifecycle.Event
}

// simulate makes the part of s that events make.
func (s *State) simulate(old *State) simulated {
	own, userData := s.ownInstance()
	sim := simulated{
		Generation: 1,
		replaced:   make(chan struct{}),
		own:        s.Events.Apply(lifecycle.Selection{}, own, userData, s.Now),
		restricted: s.Events.Restricted(s.Now),
	}
	if old != nil {
		sim.Generation = old.Generation + 1
	}
	for _, e := range s.Events.Events() {
		phase := e.PhaseAt(s.Now).Name
		if phase == lifecycle.Pending {
			continue
		}
		if e.Spec.Then == "gone" && phase == "acted" {
			sim.goneBy += e.ID + " "
		}
		if sim.byPath == nil {
			sim.byPath = map[string]*lifecycle.Event{}
		}
		for _, path := range e.Paths {
			sim.byPath[path] = e
		}
	}
	switch {
	case sim.goneBy == "":
	case old != nil && old.goneBy == sim.goneBy:
		sim.off = old.off
	default:
		sim.off = fault.Off(s.app.waiting)
	}
	return sim
}

// differsInFaults reports whether faults are all that differs. Locator, Cluster and Pods are pointers.
func (in *Inputs) differsInFaults(old *Inputs) bool {
	return in.Faults != old.Faults && in.Config == old.Config && in.LoadedAt.Equal(old.LoadedAt) && in.Identity == old.Identity && in.Secret == old.Secret &&
		in.Choice == old.Choice && in.Locator == old.Locator && in.Cluster == old.Cluster && in.Pods == old.Pods && slices.Equal(in.Events.Events(), old.Events.Events())
}

// withFaults returns s with other faults. Its time stays, so that identities made later see the same phases of events.
func (s *State) withFaults(faults *fault.Set) *State {
	next := *s
	next.Faults = faults
	next.Generation, next.replaced = s.Generation+1, make(chan struct{})
	next.ecs = next.ecsStateOf(s) // both belong to one state
	next.pods = next.podStateOf()
	return &next
}

// maxSelected bounds how many selections of events an identity remembers. Beyond it they are made anew.
const maxSelected = 64

// selected holds what an identity needs for clients that see events that are not for all. The zero value is ready.
type selected struct {
	mu   sync.Mutex // guards made
	made map[lifecycle.Selection]*metadata
}

// serveMetadataTo returns what the metadata service needs for a client; nil if it has no tree.
func (s *State) serveMetadataTo(c client, address netip.Addr) *metadata {
	if !s.restricted {
		return s.serveMetadata(c.identity)
	}
	selection := s.Events.Select(address.WithZone(""), c.entry, s.Now)
	if selection == (lifecycle.Selection{}) {
		return s.serveMetadata(c.identity)
	}
	all := &c.identity.selected
	all.mu.Lock()
	defer all.mu.Unlock()
	if made, ok := all.made[selection]; ok {
		return made
	}
	if all.made == nil || len(all.made) >= maxSelected {
		all.made = map[lifecycle.Selection]*metadata{}
	}
	made := s.makeMetadataWith(c.identity, selection)
	all.made[selection] = made
	return made
}

// observe counts an answered, authorised request of the metadata service. The request that starts an event still gets the state of
// before. All later ones get the next: those that have this one already wait for it, and late is true.
func (s *State) observe(path string) (late bool) {
	path = config.BelowVersion(path)
	ids, late := s.Events.Request(path)
	for _, id := range ids {
		s.app.startEvent(id)
	}
	answers := s
	if late {
		answers = s.app.State()
	}
	if e := answers.byPath[path]; e != nil {
		e.Hit()
	}
	return late
}
