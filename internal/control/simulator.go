package control

import (
	"context"

	"mock-ec2-metadata/internal/api"
)

// Simulator is the part of a Daemon that simulates events and faults. Errors are *api.Refusal.
type Simulator interface {
	Events() []api.Event
	Event(id string) (api.Event, error)
	// PutEvent makes an event of a JSON body; "" makes up an id. created is false if the same event is there already.
	PutEvent(id string, body []byte, by Peer) (e api.Event, created bool, err error)
	// ChangeEvent completes, cancels or reschedules a maintenance event, by our id or EC2's.
	ChangeEvent(id string, body []byte, by Peer) (api.Event, error)
	// DeleteEvents ends an event, "" for all, as if it had never been. That there is none is no error.
	DeleteEvents(id string, by Peer) error
	// WaitEvent returns the event once it is in the phase, or has passed it; "" is the first phase after pending. Its error may be ctx's.
	WaitEvent(ctx context.Context, id, phase string) (api.Event, error)

	Faults() []api.Fault
	Fault(id string) (api.Fault, error)
	PutFault(id string, body []byte, by Peer) (f api.Fault, created bool, err error)
	DeleteFaults(id string, by Peer) error

	// Requests returns those with a number above after whose path fits the pattern ("" is any). With wait it waits for one, or for ctx, whose
	// end is no error.
	Requests(ctx context.Context, after int64, pattern string, wait bool) ([]api.Request, error)
	// SimulationState describes the state; if its generation is not above the given one, it waits for a newer one or for ctx.
	SimulationState(ctx context.Context, after int64) api.SimulationState
}

// Peer is who asks for a change.
type Peer = api.Peer
