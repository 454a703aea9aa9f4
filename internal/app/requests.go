package app

import (
	"context"
	"math"
	"net/url"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/journal"
	"mock-ec2-metadata/internal/web"
)

// record remembers a request of the metadata service.
func (a *App) record(r *web.Record) {
	a.journal.Add(journal.Entry{
		At: r.At, Client: r.Client, Method: r.Method, Path: r.Path, IMDS: r.IMDS, Status: r.Status, Bytes: r.Bytes, Took: r.Took,
		Identity: r.Identity, Role: r.Role, Fault: r.Fault,
	})
}

// Requests returns the last requests with a number above after whose path fits a pattern; "" is any. With wait it waits for one, or
// for ctx, whose end is no error.
func (a *App) Requests(ctx context.Context, after int64, pattern string, wait bool) ([]api.Request, error) {
	var paths config.PathPattern
	if pattern != "" {
		var err error
		if paths, err = config.ParsePathPattern(pattern); err != nil {
			return nil, &api.Refusal{Status: 422, Text: "path: " + err.Error(), Field: "path"}
		}
	}
	found := []api.Request{}
	for {
		entries := a.journal.After(after)
		for i := range entries {
			after = entries[i].Seq
			if matches(paths, entries[i].Path) {
				found = append(found, requestOf(&entries[i]))
			}
		}
		if len(found) > 0 || !wait {
			return found, nil
		}
		if a.journal.Wait(ctx, after) != nil {
			return found, nil //nolint:nilerr // the end of ctx is no error
		}
	}
}

// matches reports whether an escaped path of a request fits a pattern.
func matches(p config.PathPattern, escaped string) bool {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		path = escaped
	}
	return p.Match(config.BelowVersion(web.Clean(path)))
}

func requestOf(e *journal.Entry) api.Request {
	micros := float64(e.Took.Microseconds())
	return api.Request{
		Seq: e.Seq, Time: e.At.UTC().Truncate(time.Millisecond), Client: e.Client, Method: e.Method, Path: e.Path, IMDS: e.IMDS, Status: e.Status,
		Bytes: e.Bytes, DurationMS: math.Round(micros) / 1000, Identity: e.Identity, Role: e.Role, Fault: e.Fault,
	}
}

// SimulationState describes the state in force. If its generation is not above the given one, it waits for a newer one or for ctx.
func (a *App) SimulationState(ctx context.Context, after int64) api.SimulationState {
	s := a.State()
	for s.Generation <= after && ctx.Err() == nil {
		select {
		case <-s.replaced:
		case <-ctx.Done():
		}
		s = a.State()
	}
	options := s.own.Instance.EC2.MetadataOptions
	return api.SimulationState{
		Generation: s.Generation, Events: eventsOf(s), Faults: faultsOf(s),
		MetadataOptions: api.MetadataOptions{
			HTTPTokens: options.HTTPTokens, HTTPEndpoint: options.HTTPEndpoint, HTTPPutResponseHopLimit: options.HTTPPutResponseHopLimit,
			InstanceMetadataTags: options.InstanceMetadataTags,
		},
	}
}

// simulation is the part of /status about events and faults; nil without any.
func (s *State) simulation() *api.Simulation {
	if len(s.Events.Events())+len(s.Faults.Rules()) == 0 {
		return nil
	}
	sim := &api.Simulation{Events: []api.SimulatedEvent{}, Faults: []api.SimulatedFault{}}
	for _, e := range s.Events.Events() {
		sim.Events = append(sim.Events, api.SimulatedEvent{ID: e.ID, Kind: e.Spec.Kind(), Phase: e.PhaseAt(s.Now).Name})
	}
	for _, r := range s.Faults.Rules() {
		sim.Faults = append(sim.Faults, api.SimulatedFault{ID: r.ID, Hits: r.Hits()})
	}
	return sim
}
