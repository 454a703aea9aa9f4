package control

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"mock-ec2-metadata/internal/api"
)

// fakeSimulator remembers events and faults by their bodies. Its zero value has none, and returns nil for empty lists.
type fakeSimulator struct {
	mu       sync.Mutex // guards all below
	events   []api.Event
	faults   []api.Fault
	requests []api.Request
	made     int
	calls    []string      // what has changed something or was asked with arguments
	changed  chan struct{} // closed by the next change
	err      error         // of each call that can fail
}

var made = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// call notes a call. It is called with s.mu held.
func (s *fakeSimulator) call(format string, args ...any) {
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

// change lets waiters look again. It is called with s.mu held.
func (s *fakeSimulator) change() {
	s.made++
	if s.changed != nil {
		close(s.changed)
	}
	s.changed = nil
}

// wait returns when something has changed, or with ctx's error. It is called with s.mu held, and gives it up while it waits.
func (s *fakeSimulator) wait(ctx context.Context) error {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *fakeSimulator) Events() []api.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func (s *fakeSimulator) Faults() []api.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

func notFound(kind, id string) error {
	return &api.Refusal{Status: http.StatusNotFound, Text: "there is no " + kind + " " + id}
}

func (s *fakeSimulator) Event(id string) (api.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.events, func(e api.Event) bool { return e.ID == id }); i >= 0 {
		return s.events[i], s.err
	}
	return api.Event{}, cmp.Or(s.err, notFound("event", id))
}

func (s *fakeSimulator) Fault(id string) (api.Fault, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.faults, func(f api.Fault) bool { return f.ID == id }); i >= 0 {
		return s.faults[i], s.err
	}
	return api.Fault{}, cmp.Or(s.err, notFound("fault", id))
}

// check parses a body as package config does, but knows no key.
func (s *fakeSimulator) check(id string, body []byte, old json.RawMessage, there bool) (newID string, created bool, err error) {
	var object map[string]json.RawMessage
	switch {
	case s.err != nil:
		return "", false, s.err
	case json.Unmarshal(body, &object) != nil:
		return "", false, &api.Refusal{Status: http.StatusUnprocessableEntity, Text: "the body is no JSON object"}
	case object["bad"] != nil:
		return "", false, &api.Refusal{Status: http.StatusUnprocessableEntity, Field: "bad", Text: "bad: unknown key"}
	case there && string(old) != string(body):
		return "", false, &api.Refusal{Status: http.StatusConflict, Text: id + " is there already, and differs"}
	case there:
		return id, false, nil
	case id == "":
		id = fmt.Sprintf("made-up-%d", s.made)
	}
	s.change()
	return id, true, nil
}

func (s *fakeSimulator) PutEvent(id string, body []byte, by Peer) (api.Event, bool, error) {
	old, missing := s.Event(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call("put event %q by %d", id, by.UID)
	id, created, err := s.check(id, body, old.Spec, missing == nil)
	if err != nil || !created {
		return old, false, err
	}
	e := api.Event{ID: id, Kind: "spot", Spec: body, Phase: "pending", CreatedAt: made, PhaseSince: made}
	s.events = append(s.events, e)
	return e, true, nil
}

func (s *fakeSimulator) PutFault(id string, body []byte, by Peer) (api.Fault, bool, error) {
	old, missing := s.Fault(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call("put fault %q by %d", id, by.UID)
	id, created, err := s.check(id, body, old.Effect, missing == nil)
	if err != nil || !created {
		return old, false, err
	}
	f := api.Fault{ID: id, Match: []byte("{}"), Dose: []byte("{}"), Effect: body, CreatedAt: made}
	s.faults = append(s.faults, f)
	return f, true, nil
}

func (s *fakeSimulator) ChangeEvent(id string, body []byte, by Peer) (api.Event, error) {
	s.mu.Lock()
	s.call("change event %q by %d: %s", id, by.UID, body)
	s.mu.Unlock()
	return s.Event(id)
}

func (s *fakeSimulator) DeleteEvents(id string, by Peer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call("delete event %q by %d", id, by.UID)
	s.events = slices.DeleteFunc(s.events, func(e api.Event) bool { return id == "" || e.ID == id })
	s.change()
	return s.err
}

func (s *fakeSimulator) DeleteFaults(id string, by Peer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call("delete fault %q by %d", id, by.UID)
	s.faults = slices.DeleteFunc(s.faults, func(f api.Fault) bool { return id == "" || f.ID == id })
	s.change()
	return s.err
}

// setPhase takes an event to a phase.
func (s *fakeSimulator) setPhase(id, phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.events {
		if s.events[i].ID == id {
			s.events[i].Phase = phase
		}
	}
	s.change()
}

func (s *fakeSimulator) WaitEvent(ctx context.Context, id, phase string) (api.Event, error) {
	for {
		e, err := s.Event(id)
		switch {
		case err != nil:
			return e, err
		case phase != "" && e.Phase == phase || phase == "" && e.Phase != "pending":
			return e, nil
		}
		s.mu.Lock()
		err = s.wait(ctx)
		s.mu.Unlock()
		if err != nil {
			return e, err
		}
	}
}

// add adds a request to the journal.
func (s *fakeSimulator) add(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, api.Request{Seq: int64(len(s.requests) + 1), Path: path})
	s.change()
}

func (s *fakeSimulator) Requests(ctx context.Context, after int64, pattern string, wait bool) ([]api.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call("requests after %d, path %q, wait %v", after, pattern, wait)
	for {
		var found []api.Request
		for _, r := range s.requests {
			if r.Seq > after && strings.HasSuffix(r.Path, pattern) {
				found = append(found, r)
			}
		}
		if len(found) > 0 || !wait || s.err != nil || s.wait(ctx) != nil {
			return found, s.err
		}
	}
}

func (s *fakeSimulator) SimulationState(ctx context.Context, after int64) api.SimulationState {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call("state after %d", after)
	for int64(s.made) <= after && s.wait(ctx) == nil {
	}
	return api.SimulationState{
		Generation: int64(s.made), Events: s.events, Faults: s.faults,
		MetadataOptions: api.MetadataOptions{HTTPTokens: "optional", HTTPEndpoint: "enabled", HTTPPutResponseHopLimit: 64, InstanceMetadataTags: "enabled"},
	}
}
