package route

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recorder records what a holding does, in order.
type recorder struct {
	done   []string
	added  Services
	addErr error
	ready  func() // called after "ready" has been written
}

func (r *recorder) holding() *holding {
	return &holding{
		services: Services{ECS: true},
		lock: func(context.Context) (io.Closer, error) {
			r.done = append(r.done, "lock")
			return r, nil
		},
		add: func(_ context.Context, _ netip.AddrPort, s Services) (bool, error) {
			r.done, r.added = append(r.done, "add"), s
			return true, r.addErr
		},
		remove: func(ctx context.Context) (bool, error) {
			r.done = append(r.done, "remove")
			return true, ctx.Err()
		},
	}
}

func (r *recorder) Close() error {
	r.done = append(r.done, "unlock")
	return nil
}

func (r *recorder) Write(p []byte) (int, error) {
	r.done = append(r.done, strings.TrimSpace(string(p)))
	r.ready()
	return len(p), nil
}

func TestHold_RemovesAddressesWhenInputEnds(t *testing.T) {
	in, daemon := io.Pipe()
	r := &recorder{ready: func() { _ = daemon.Close() }}
	if err := r.holding().until(in, r); err != nil {
		t.Error(err)
	}
	if want := []string{"lock", "add", "ready", "remove", "unlock"}; !slices.Equal(r.done, want) || r.added != (Services{ECS: true}) {
		t.Errorf("done %q with %+v, want %q", r.done, r.added, want)
	}
}

func TestHold_FailedAddReleasesLock(t *testing.T) {
	in, daemon := io.Pipe()
	defer func() { _ = daemon.Close() }()
	r := &recorder{addErr: errors.New("occupied")}
	if err := r.holding().until(in, r); !errors.Is(err, r.addErr) {
		t.Errorf("got %v", err)
	}
	if want := []string{"lock", "add", "unlock"}; !slices.Equal(r.done, want) {
		t.Errorf("done %q, want %q", r.done, want)
	}
}

// waitingForLock returns a holding whose lock is never free.
func waitingForLock(r *recorder) *holding {
	h := r.holding()
	h.lock = func(ctx context.Context) (io.Closer, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h
}

func TestHold_InputThatEndsStopsWaitForLock(t *testing.T) {
	r := &recorder{}
	if err := waitingForLock(r).until(strings.NewReader(""), r); !errors.Is(err, context.Canceled) || len(r.done) > 0 {
		t.Errorf("done %q, %v", r.done, err)
	}
}

func TestHold_WaitsForLockUpToTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, daemon := io.Pipe()
		defer func() { _ = daemon.Close() }()
		r := &recorder{}
		began := time.Now()
		if err := waitingForLock(r).until(in, r); !errors.Is(err, context.DeadlineExceeded) || len(r.done) > 0 {
			t.Errorf("done %q, %v", r.done, err)
		}
		if waited := time.Since(began); waited != holdLockTimeout {
			t.Errorf("waited %v, want %v", waited, holdLockTimeout)
		}
	})
}
