package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/lifecycle"
)

// errSame says that what is asked for is there already.
var errSame = errors.New("the same again")

// Events describes all events.
func (a *App) Events() []api.Event { return eventsOf(a.State()) }

func eventsOf(s *State) []api.Event {
	all := make([]api.Event, 0, len(s.Events.Events()))
	for _, e := range s.Events.Events() {
		all = append(all, eventOf(e, s.Now))
	}
	return all
}

// eventOf describes an event as of the time of a state.
func eventOf(e *lifecycle.Event, now time.Time) api.Event {
	phase := e.PhaseAt(now)
	out := api.Event{
		ID: e.ID, Kind: e.Spec.Kind(), Spec: config.JSON(&e.Spec), Phase: phase.Name, CreatedAt: lifecycle.Seconds(e.Created),
		PhaseSince: lifecycle.Seconds(phase.At), Clients: e.ClientNames(), Hits: e.Hits(), Warnings: e.Warnings,
	}
	if at, ok := e.Activates(); ok {
		at = lifecycle.Seconds(at)
		out.ActivatesAt = &at
	}
	if next, ok := e.NextAt(now); ok {
		at := lifecycle.Seconds(next.At)
		out.NextPhase, out.NextPhaseAt = next.Name, &at
	}
	return out
}

// Event describes one event.
func (a *App) Event(id string) (api.Event, error) {
	s := a.State()
	if e := s.Events.Find(id); e != nil {
		return eventOf(e, s.Now), nil
	}
	return api.Event{}, noEvent(id)
}

func noEvent(id string) error {
	return &api.Refusal{Status: http.StatusNotFound, Text: "no event has the id " + id + "; see event list"}
}

// PutEvent makes an event of a JSON body; id "" makes one up. created is false if the same event is there already.
func (a *App) PutEvent(id string, body []byte, by api.Peer) (out api.Event, created bool, err error) {
	spec, warnings, err := config.ParseEvent(body)
	if err != nil {
		return api.Event{}, false, refusal(err)
	}
	if id == "" {
		id = spec.ID
	}
	// The answer is of the moment of the change: the event may be gone after it.
	err = a.change(func(in *Inputs) error {
		now := a.opt.Now()
		if id == "" {
			id = unusedID(spec.Kind(), func(id string) bool { return in.Events.Find(id) != nil })
		}
		if there := in.Events.Find(id); there != nil && !there.Finished(now) {
			if sameSpec(&there.Spec, &spec) {
				out = eventOf(there, now)
				return errSame
			}
			return &lifecycle.Error{Conflict: true, Field: "id", Reason: "id: " + id + " is another event, which is active; cancel it first, or choose another id"}
		}
		in.Events, _ = in.Events.Remove(id)
		e, err := in.addEvent(id, spec, now)
		if err != nil {
			return err
		}
		e.Warnings = append(slices.Clip(warnings), e.Warnings...)
		out = eventOf(e, now)
		return nil
	}, by.Attrs()...)
	switch {
	case errors.Is(err, errSame):
		return out, false, nil
	case err != nil:
		return api.Event{}, false, refusal(err)
	}
	return out, true, nil
}

// ChangeEvent completes, cancels or reschedules a maintenance event.
func (a *App) ChangeEvent(id string, body []byte, by api.Peer) (api.Event, error) {
	verb, err := config.ParseMaintenance(body)
	if err != nil {
		return api.Event{}, refusal(err)
	}
	var out api.Event
	err = a.change(func(in *Inputs) error {
		now := a.opt.Now()
		next, e, err := in.Events.Maintain(id, verb, now)
		if err != nil {
			return err
		}
		in.Events, out = next, eventOf(e, now)
		return nil
	}, by.Attrs()...)
	if err != nil {
		return api.Event{}, refusal(err)
	}
	return out, nil
}

// DeleteEvents ends an event, "" for all, as if it had never been.
func (a *App) DeleteEvents(id string, by api.Peer) error {
	err := a.change(func(in *Inputs) error {
		before := len(in.Events.Events())
		for _, e := range slices.Clone(in.Events.Events()) {
			if id == "" || e.ID == id {
				in.Events, _ = in.Events.Remove(e.ID)
			}
		}
		if len(in.Events.Events()) == before {
			return errSame
		}
		return nil
	}, by.Attrs()...)
	if err != nil && !errors.Is(err, errSame) {
		return refusal(err)
	}
	return nil
}

// WaitEvent returns an event once it is in a phase or has passed it; "" is the first phase after pending.
func (a *App) WaitEvent(ctx context.Context, id, phase string) (api.Event, error) {
	for {
		s := a.State()
		e := s.Events.Find(id)
		if e == nil {
			return api.Event{}, noEvent(id)
		}
		if names := e.PhaseNames(); phase != "" && !slices.Contains(names, phase) {
			return api.Event{}, &api.Refusal{
				Status: http.StatusUnprocessableEntity, Field: "phase",
				Text: fmt.Sprintf("phase: a %s event has no phase %s; it has %s", e.Spec.Kind(), phase, strings.Join(names, ", ")),
			}
		}
		if e.HasBeen(phase, s.Now) {
			return eventOf(e, s.Now), nil
		}
		select {
		case <-s.replaced:
		case <-ctx.Done():
			return eventOf(e, s.Now), ctx.Err()
		}
	}
}

// refusal is the answer to a request that cannot be fulfilled.
func refusal(err error) error {
	if e, ok := errors.AsType[*lifecycle.Error](err); ok {
		status := http.StatusUnprocessableEntity
		switch {
		case e.NotFound:
			status = http.StatusNotFound
		case e.Conflict:
			status = http.StatusConflict
		}
		return &api.Refusal{Status: status, Text: e.Reason, Field: e.Field}
	}
	if e, ok := errors.AsType[*config.FieldError](err); ok {
		return &api.Refusal{Status: http.StatusUnprocessableEntity, Text: e.Reason, Field: e.Field}
	}
	if errors.Is(err, errNotRunning) {
		return &api.Refusal{Status: http.StatusServiceUnavailable, Text: err.Error()}
	}
	return &api.Refusal{Status: http.StatusConflict, Text: err.Error()}
}
