package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// knockWait bounds how long Listen waits for another daemon at the socket.
const knockWait = time.Second

// Listener is the Unix socket of a Hub. Pipe connects to it.
type Listener struct {
	hub   *Hub
	log   *slog.Logger
	unix  *net.UnixListener
	bound fs.FileInfo // of the socket
	path  string
}

// Listen makes a Unix socket of mode 0600 in a directory of mode 0700, which it makes too. A socket that a killed daemon left is
// replaced; one in use is an error. The caller must call Run or Close of the Listener.
//
// In a container without CAP_DAC_OVERRIDE, root cannot use a socket of another user. So a daemon that is started as root listens before
// it becomes another user: `kubectl exec` runs as root.
func (h *Hub) Listen(path string) (*Listener, error) {
	l := &Listener{hub: h, log: h.opt.Log, path: path}
	dir := filepath.Dir(path)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700) //nolint:gosec // a directory needs the x bit
	}
	if err == nil {
		err = removeStale(path)
	}
	if err != nil {
		return nil, fmt.Errorf("relay: no socket: %w; give it a directory of its own that the daemon can write", err)
	}
	if l.unix, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
		return nil, fmt.Errorf("relay: no socket: %w; give it a directory of its own that the daemon can write", err)
	}
	l.unix.SetUnlinkOnClose(false) // the path may be another daemon's by then
	err = os.Chmod(path, 0o600)
	if err == nil {
		l.bound, err = os.Lstat(path)
	}
	if err != nil {
		_ = l.unix.Close()
		return nil, fmt.Errorf("relay: no socket: %w", err)
	}
	return l, nil
}

// removeStale removes a socket that no process listens on. Anything else at the path is an error.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is not a socket", path)
	}
	c, err := (&net.Dialer{Timeout: knockWait}).Dial("unix", path)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is in use by another mock-ec2-metadata-kube", path)
	}
	return os.Remove(path)
}

// Run serves laptops that connect until ctx is done, then removes the socket and waits for its goroutines. Only root and the user of
// this process may connect.
func (l *Listener) Run(ctx context.Context) {
	var serving sync.WaitGroup
	defer serving.Wait()
	defer l.Close()
	stop := context.AfterFunc(ctx, l.Close)
	defer stop()
	for {
		c, err := l.unix.AcceptUnix()
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			if c != nil {
				_ = c.Close()
			}
			return
		case err != nil:
			l.log.Warn("cannot accept a laptop", "error", err)
			if !sleep(ctx, time.Second) { // out of files, for example
				return
			}
		case !trusted(c):
			l.log.Warn("refused another user at the relay")
			_ = c.Close()
		default:
			serving.Go(func() { _ = l.hub.Serve(ctx, c) })
		}
	}
}

// Close ends Run and removes the socket. It may be called again.
func (l *Listener) Close() {
	_ = l.unix.Close()
	if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.bound) {
		_ = os.Remove(l.path) // fails if the daemon has become another user, and the next start replaces it
	}
}

// sleep waits; it returns false if ctx is done first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
