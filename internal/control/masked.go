package control

import (
	"context"
	"encoding/json"

	"mock-ec2-metadata/internal/api"
)

// masked is a Daemon as a web page may see it: without the user data and the values of metadata that events have. The socket gives
// them in clear, so that a PUT of what GET gave is the same event.
type masked struct{ Daemon }

func (m masked) Events() []api.Event { return maskAll(m.Daemon.Events()) }

func (m masked) Event(id string) (api.Event, error) {
	e, err := m.Daemon.Event(id)
	return mask(e), err
}

func (m masked) PutEvent(id string, body []byte, by Peer) (e api.Event, created bool, err error) {
	e, created, err = m.Daemon.PutEvent(id, body, by)
	return mask(e), created, err
}

func (m masked) ChangeEvent(id string, body []byte, by Peer) (api.Event, error) {
	e, err := m.Daemon.ChangeEvent(id, body, by)
	return mask(e), err
}

func (m masked) WaitEvent(ctx context.Context, id, phase string) (api.Event, error) {
	e, err := m.Daemon.WaitEvent(ctx, id, phase)
	return mask(e), err
}

func (m masked) SimulationState(ctx context.Context, after int64) api.SimulationState {
	s := m.Daemon.SimulationState(ctx, after)
	s.Events = maskAll(s.Events)
	return s
}

func maskAll(events []api.Event) []api.Event {
	for i := range events {
		events[i] = mask(events[i])
	}
	return events
}

// folded stands for a value that GET /v1/tree reveals.
const folded = "[folded]"

// mask replaces the user data of a restart, and what an event sets below meta-data or as user-data.
func mask(e api.Event) api.Event {
	var spec map[string]json.RawMessage
	if json.Unmarshal(e.Spec, &spec) != nil || spec["user_data"] == nil && spec["set"] == nil {
		return e
	}
	if spec["user_data"] != nil {
		spec["user_data"] = marshal(redacted)
	}
	var set map[string]string
	if json.Unmarshal(spec["set"], &set) == nil {
		for path := range set {
			set[path] = folded
		}
		spec["set"] = marshal(set)
	}
	e.Spec = marshal(spec)
	return e
}

// marshal encodes a document of package api or a part of one, which always succeeds.
func marshal(document any) []byte {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	return text
}
