package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// footprint is what a process holds.
type footprint struct {
	resident float64 // MB
	files    int     // descriptors
}

func (s *server) footprint() (footprint, error) {
	bytes, err1 := s.resident()
	files, err2 := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return footprint{float64(bytes) / megabyte, len(files)}, errors.Join(err1, err2)
}

// simulationChanges makes and ends a great many events and faults by the control socket, and looks for what they leave behind: from when
// a tenth has come to the end. The goroutines are compared with those of a daemon that has had one change.
func (b *bench) simulationChanges(ctx context.Context) error {
	total := 100_000
	if b.short {
		total = 2_000
	}
	fresh, err := b.simulate(ctx, "changes", configuration)
	if err != nil {
		return err
	}
	defer func() { _ = fresh.stop() }()
	s, err := b.simulate(ctx, "changes", configuration)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	if _, err := s.change(ctx, 0, total/10); err != nil {
		return err
	}
	before, err := s.rest(ctx)
	if err != nil {
		return err
	}
	took, err := s.change(ctx, total/10, total-total/10)
	if err != nil {
		return err
	}
	after, err := s.rest(ctx)
	if err != nil {
		return err
	}
	if _, err := fresh.change(ctx, 0, 2); err != nil {
		return err
	}
	few, err1 := fresh.goroutines()
	many, err2 := s.goroutines()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	b.rows = append(b.rows, changesRow(total, before, after, few, many, took))
	return nil
}

// changesRow makes the row: goroutines after a few changes and after all, and how long all changes but the first tenth took.
func changesRow(total int, before, after footprint, few, many int, took time.Duration) row {
	changes := thousands(float64(total))
	return atMost(changes+" changes of events and faults: resident memory more than after "+thousands(float64(total/10)), "%.1f MB", wantedGrowth,
		after.resident-before.resident, fmt.Sprintf("%.1f MB, then %.1f MB; %d and %d files; %d goroutines, after one change %d; %s changes a second",
			before.resident, after.resident, before.files, after.files, many, few, thousands(float64(total-total/10)/took.Seconds())))
}

// rest waits until a daemon has returned the memory that it does not need.
func (s *simulator) rest(ctx context.Context) (footprint, error) {
	if err := settle(ctx); err != nil {
		return footprint{}, err
	}
	return s.footprint()
}

// change makes and ends events and faults of all kinds, in all so many changes, while a client asks. Some are active at a time. In the
// end none is.
func (s *simulator) change(ctx context.Context, first, changes int) (time.Duration, error) {
	const active = 6
	began := time.Now()
	asker, err := dial(ctx, s.addr, shared.Member{Address: netip.MustParseAddr("127.0.0.1"), Role: shared.Role})
	if err != nil {
		return 0, err
	}
	defer asker.close()
	kinds := shared.Changes()
	nth := func(i int) (isFault bool, id string) { return kinds[i%len(kinds)].Fault, "c" + strconv.Itoa(i) }
	pairs := changes / 2
	for i := first; i < first+pairs; i++ {
		isFault, id := nth(i)
		if err := s.put(ctx, isFault, id, kinds[i%len(kinds)].Body); err != nil {
			return 0, err
		}
		if old := i - active; old >= first {
			isFault, id := nth(old)
			if err := s.remove(ctx, isFault, id); err != nil {
				return 0, err
			}
		}
		if i%4 == 0 {
			if err := asker.askUnderChanges(i); err != nil {
				return 0, err
			}
		}
		if i%1000 == 0 {
			if err := s.emptyLog(); err != nil {
				return 0, err
			}
		}
	}
	for i := max(first, first+pairs-active); i < first+pairs; i++ {
		isFault, id := nth(i)
		if err := s.remove(ctx, isFault, id); err != nil {
			return 0, err
		}
	}
	state, err := s.control.SimulationState(ctx)
	if n := len(state.Events) + len(state.Faults); err == nil && n > 0 {
		err = fmt.Errorf("%d events and faults are left", n)
	}
	return time.Since(began), err
}

// askUnderChanges asks for what events change and faults may hit. The i-th question decides for what.
func (c *client) askUnderChanges(i int) error {
	path := "/latest/meta-data/"
	switch {
	case i%256 == 0:
		path = "/latest/dynamic/instance-identity/pkcs7" // a signature takes long
	case i%16 == 0:
		path = "/latest/dynamic/instance-identity/document"
	case i%8 == 0:
		path = "/latest/meta-data/mac" // which faults hit
	}
	status, err := c.do(requestBytes(http.MethodGet, path, c.host, "X-aws-ec2-metadata-token", c.token))
	if err == nil && status != http.StatusOK && (status != http.StatusServiceUnavailable || !strings.HasSuffix(path, "/mac")) {
		err = fmt.Errorf("wrong answer: %s: %d %.100q", path, status, c.body)
	}
	return err
}

// goroutines ends a daemon with SIGQUIT, upon which Go's runtime writes all goroutines to its log, and counts them.
func (s *server) goroutines() (int, error) {
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return 0, err
	}
	ended := <-s.ended
	s.ended <- ended
	log, err := os.ReadFile(s.log)
	if err != nil {
		return 0, err
	}
	n := strings.Count(string(log), "\ngoroutine ")
	if n == 0 {
		return 0, fmt.Errorf("the daemon wrote no goroutines on SIGQUIT: %w", ended)
	}
	return n, nil
}
