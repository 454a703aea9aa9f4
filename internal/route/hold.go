package route

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// holdLockTimeout exceeds the time that a daemon needs to shut down, after which its holder releases the lock.
	holdLockTimeout = 10 * time.Second
	// holdReady is the line that Hold writes when the addresses are in place.
	holdReady = "ready"
)

// Hold is the whole work of the process that StartHolder starts. It adds the services' addresses, writes "ready" to out, and
// removes them when in ends. It cannot tell whether the daemon, which has the other end of in, has stopped or was killed. The
// daemon has dropped root by then; this process has not. Hold makes the process ignore the signals that end a daemon.
func Hold(in io.Reader, out io.Writer, s Services) error {
	// A terminal or a service manager signals all processes; SIGPIPE comes of a daemon that has closed out.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	h := &holding{services: s, lock: Lock, add: Add, remove: Remove}
	return h.until(in, out)
}

// holding has the package's functions as fields, which tests replace.
type holding struct {
	services Services
	lock     func(ctx context.Context) (io.Closer, error)
	add      func(ctx context.Context, target netip.AddrPort, s Services) (bool, error)
	remove   func(ctx context.Context) (bool, error)
}

func (h *holding) until(in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	lockCtx, stop := context.WithTimeout(ctx, holdLockTimeout)
	defer stop()
	lock, err := h.lock(lockCtx)
	if err != nil {
		return err
	}
	// Held until the addresses are removed: else this process could remove what the next daemon has added.
	defer func() { _ = lock.Close() }()
	if _, err := h.add(ctx, netip.AddrPort{}, h.services); err != nil {
		return err
	}
	fmt.Fprintln(out, holdReady)
	<-ctx.Done()
	_, err = h.remove(context.WithoutCancel(ctx))
	return err
}
