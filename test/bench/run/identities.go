package main

import (
	"context"
	"fmt"

	shared "mock-ec2-metadata/test/bench"
)

// Limits of a daemon with many identities. The small crowd of a short run has the same.
const (
	wantedCrowdMemory = 60.0  // MB
	wantedCrowdReload = 250.0 // ms
	wantedOneIdentity = 0.95  // requests a second, of those with one identity
	wantedRoute       = 150   // ns
	wantedCold        = 25.0  // s
)

// crowd is who asks a daemon with many identities.
func (b *bench) crowd() shared.Crowd {
	if b.short {
		return shared.Crowd{Roles: 60, Clients: 600}
	}
	return shared.Crowd{Roles: 1_000, Clients: 10_000}
}

func describe(c shared.Crowd) string {
	return fmt.Sprintf("%s roles, %s clients", thousands(float64(c.Roles)), thousands(float64(c.Clients)))
}

// moment is the resident memory at one time, in MB.
type moment struct{ now, peak float64 }

func (m moment) String() string { return fmt.Sprintf("peak %.1f MB", m.peak) }

// remember waits until a daemon is idle and measures its memory.
func remember(ctx context.Context, s *server) (moment, error) {
	if err := settle(ctx); err != nil {
		return moment{}, err
	}
	now, peak, err := s.residentAndPeak()
	return moment{float64(now) / megabyte, float64(peak) / megabyte}, err
}

// identitiesMemory measures the memory of a daemon that serves a crowd, beside that of a daemon for each role. Then it reloads
// the configuration.
func (b *bench) identitiesMemory(ctx context.Context) error {
	crowd := b.crowd()
	w, err := b.newWorld(crowd)
	if err != nil {
		return err
	}
	defer w.close()
	single, err := b.singleMemory(ctx, w)
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, w, b.daemon, crowd)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	moments := make([]moment, 3)
	for i, last := range []int{0, crowd.Roles, crowd.Clients} {
		if err := w.askAll(ctx, s, 0, last); err != nil {
			return err
		}
		if moments[i], err = remember(ctx, s); err != nil {
			return err
		}
	}
	what := describe(crowd) + ": resident memory "
	b.rows = append(b.rows,
		row{what + "after the start", "", fmt.Sprintf("%.1f MB", moments[0].now), "", moments[0].String()},
		atMost(what+"after all roles were fetched", "%.1f MB", wantedCrowdMemory, moments[1].now,
			fmt.Sprintf("%s; %s", moments[1], b.instead(single, crowd.Roles))),
		row{what + "after all clients have asked", "", fmt.Sprintf("%.1f MB", moments[2].now), "", moments[2].String()})
	return b.identitiesReload(ctx, w, s)
}

// singleMemory measures the memory of a daemon with one role, in MB: of the older build, if there is one.
func (b *bench) singleMemory(ctx context.Context, w *world) (float64, error) {
	program := b.daemons()[len(b.daemons())-1]
	s, err := b.serve(ctx, w, program, shared.Crowd{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.stop() }()
	m, err := remember(ctx, s)
	return m.now, err
}

// instead says how much memory a daemon for each role would take.
func (b *bench) instead(single float64, roles int) string {
	build := "this build"
	if b.base != "" {
		build = "old"
	}
	return fmt.Sprintf("%s with one role %.1f MB, times %s: %s MB", build, single, thousands(float64(roles)), thousands(single*float64(roles)))
}
