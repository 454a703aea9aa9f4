package route

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// uniqueLock returns a lock name that no other process has.
func uniqueLock(t *testing.T) string { return "@mock-ec2-metadata/" + t.Name() + rand.Text() }

func TestLock_HasOneHolder(t *testing.T) {
	name := uniqueLock(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var inside atomic.Int32
	errs := make(chan error)
	const goroutines = 8
	for range goroutines {
		go func() {
			held, err := lock(ctx, name)
			if err != nil {
				errs <- err
				return
			}
			if n := inside.Add(1); n != 1 {
				err = fmt.Errorf("%d hold the lock", n)
			}
			inside.Add(-1)
			_ = held.Close()
			errs <- err
		}()
	}
	for range goroutines {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestLock_CancelledWaitNamesHolder(t *testing.T) {
	name := uniqueLock(t)
	held, err := lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error)
	go func() {
		_, err := lock(ctx, name)
		refused <- err
	}()
	testutil.Eventually(t, "the second lock waits", func() bool { return hasWaiter(t, name) })
	cancel()
	want := fmt.Sprintf("process %d holds 169.254.169.254, as a daemon with --link-local does; stop that first", os.Getpid())
	if err := <-refused; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	if again, err := lock(t.Context(), name); err != nil {
		t.Errorf("after the release: %v", err)
	} else if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// hasWaiter reports whether a process has connected to the socket.
func hasWaiter(t *testing.T, name string) bool {
	t.Helper()
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(sockets), name) > 1 // the listener, and a connection
}

func TestHolder_NamesTheProcess(t *testing.T) {
	name := uniqueLock(t)
	if got := holder(t.Context(), name); got != "" {
		t.Errorf("before the lock: %q", got)
	}
	held, err := lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := holder(t.Context(), name), fmt.Sprintf("process %d", os.Getpid()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_ = held.Close()
	if got := holder(t.Context(), name); got != "" {
		t.Errorf("after the lock: %q", got)
	}
}
