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
)

// lockNameOf is one that nobody else has.
func lockNameOf(t *testing.T) string { return "@mock-ec2-metadata/" + t.Name() + rand.Text() }

func TestLockExcludes(t *testing.T) {
	name := lockNameOf(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var inside atomic.Int32
	errs := make(chan error)
	const takers = 8
	for range takers {
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
	for range takers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestLockNamesHolder(t *testing.T) {
	name := lockNameOf(t)
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
	waitForWaiter(t, name)
	cancel()
	want := fmt.Sprintf("process %d holds 169.254.169.254, as a daemon with --link-local does; stop that first", os.Getpid())
	if err := <-refused; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	if again, err := lock(t.Context(), name); err != nil {
		t.Errorf("after the end of the holder: %v", err)
	} else if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// waitForWaiter returns when somebody has connected to the socket.
func waitForWaiter(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		sockets, err := os.ReadFile("/proc/net/unix")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(sockets), name) > 1 { // the listener, and a connection that waits for it
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody waits for %s:\n%s", name, sockets)
		}
	}
}
