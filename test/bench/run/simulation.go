package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"mock-ec2-metadata/internal/control"
)

// Limits of events and faults.
const (
	wantedNone   = 0.99 // requests a second, of the old daemon's
	wantedSwap   = 50.0 // ms
	wantedGrowth = 2.0  // MB
	wantedHung   = 1.2  // of the same without requests that hang
)

// simulation measures events and faults.
func (b *bench) simulation(ctx context.Context) error {
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{{"none", b.simulationNone}, {"go", b.simulationGo}, {"swaps", b.simulationSwaps}, {"changes", b.simulationChanges}, {"hanging requests", b.simulationHang}} {
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// simulator is a daemon and its control socket.
type simulator struct {
	*server
	socket  string // of the control
	control *control.Client
}

// simulate starts a daemon with a configuration, and waits until it is idle, unless the run is a short one.
func (b *bench) simulate(ctx context.Context, name, config string) (*simulator, error) {
	file, err := b.configFile(name, config)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(b.dir, strconv.Itoa(b.launched)+".sock")
	s, err := b.launch(ctx, b.serverCPUs, b.daemon, "--config", file, "--set", "server.control="+socket)
	if err != nil {
		return nil, err
	}
	if !b.short {
		if err := settle(ctx); err != nil {
			_ = s.stop()
			return nil, err
		}
	}
	return &simulator{s, socket, control.NewClient(socket)}, nil
}

// put makes an event or a fault that is not there yet.
func (s *simulator) put(ctx context.Context, isFault bool, id, body string) error {
	var created bool
	var err error
	if isFault {
		_, created, err = s.control.PutFault(ctx, id, json.RawMessage(body))
	} else {
		_, created, err = s.control.PutEvent(ctx, id, json.RawMessage(body))
	}
	if err == nil && !created {
		err = fmt.Errorf("%s was there already", id)
	}
	if err != nil {
		return fmt.Errorf("PUT of %s: %w", body, err)
	}
	return nil
}

// remove ends an event or a fault.
func (s *simulator) remove(ctx context.Context, isFault bool, id string) error {
	if isFault {
		return s.control.DeleteFaults(ctx, id)
	}
	return s.control.DeleteEvents(ctx, id)
}

// simulationGo measures the handler while events and faults are active.
func (b *bench) simulationGo(ctx context.Context) error {
	length := "300ms"
	if b.short {
		length = "20ms"
	}
	all, err := goBench(ctx, "./internal/app", "Simulation", "SimulationAllocates", length)
	if err != nil {
		return err
	}
	found := &found{all: all}
	ns := func(name string) float64 { return found.of("Simulation/"+name, "ns/op") / 1e3 }
	allocations := func(name string) float64 { return found.of("Simulation/"+name, "allocs/op") }
	b.rows = append(b.rows, atMost("own heap allocations, IMDSv2 GET of a leaf, no event, no fault", "%.0f", 0, allocations("nothing"),
		fmt.Sprintf("the handler alone takes %.1f µs, with the journal", ns("nothing"))))
	for _, c := range []struct{ name, what string }{
		{"event-for-all", "an event for all clients"},
		{"event-for-some", "an event for this client"},
		{"event-for-others", "an event for other clients"},
		{"fault-for-others", "a fault for other requests"},
		{"fault", "a fault for this request (`status: 503`)"},
	} {
		b.rows = append(b.rows, row{
			"the same with " + c.what, "", fmt.Sprintf("%.0f", allocations(c.name)), "", fmt.Sprintf("%.1f µs", ns(c.name)),
		})
	}
	return found.missing
}
