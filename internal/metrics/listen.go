package metrics

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	key = "metrics.listen"
	// maxPath is how long the path of a Unix socket can be, in bytes, on every system that we build for (unix(4) of macOS).
	maxPath = 103
)

// listen opens a value of metrics.listen.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if path, isSocket := strings.CutPrefix(address, "unix:"); isSocket {
		return listenSocket(ctx, path)
	}
	network := "tcp"
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		network = "tcp4" // Go would open 0.0.0.0 on IPv6, too
	}
	l, err := new(net.ListenConfig).Listen(ctx, network, address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use; stop what uses it, or choose another port", key, address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: %s needs root; choose a port above 1023", key, address)
	case err != nil:
		return nil, fmt.Errorf("%s: %w; choose another address", key, reason(err))
	}
	return l, nil
}

// reason takes the cause out of a net.OpError, which would name the address twice.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return fmt.Errorf("%s: %w", op.Addr, op.Err)
	}
	return err
}

// socket is a Unix socket of mode 0600.
type socket struct {
	*net.UnixListener
	bound fs.FileInfo // the socket's file
	close func() error
}

// listenSocket makes a socket. One that a killed daemon left is replaced; anything else at the path is an error.
func listenSocket(ctx context.Context, path string) (*socket, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("%s: %s has more than %d bytes; choose a shorter path", key, path, maxPath)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: the directory %s does not exist; make it, or choose another path", key, filepath.Dir(path))
	case err != nil:
		return nil, fmt.Errorf("%s: %w; choose a path that the daemon's user can write", key, reason(err))
	}
	l.SetUnlinkOnClose(false) // the path may be another daemon's by then; see Close
	s := &socket{UnixListener: l}
	s.close = sync.OnceValue(s.remove)
	err = os.Chmod(path, 0o600)
	if err == nil {
		s.bound, err = os.Lstat(path)
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return s, nil
}

// removeStale removes a socket that no process listens on.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", key, err)
	case info.IsDir():
		return fmt.Errorf("%s: %s is a directory; name a socket in it, such as %s", key, path, filepath.Join(path, "metrics.sock"))
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s: %s is not a socket; choose another path, or remove the file if nothing needs it", key, path)
	}
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // which alone says that no process listens
		return fmt.Errorf("%s: the socket %s is in use; stop what uses it, or choose another path", key, path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// Accept waits for the next connection, which is of this machine.
func (s *socket) Accept() (net.Conn, error) {
	c, err := s.UnixListener.Accept()
	if err != nil {
		return nil, err
	}
	return local{c}, nil
}

// Close may be called more than once.
func (s *socket) Close() error { return s.close() }

// remove closes the socket, and removes its file unless another daemon has replaced it.
func (s *socket) remove() error {
	err := s.UnixListener.Close()
	path := s.Addr().String()
	if info, statErr := os.Lstat(path); statErr == nil && os.SameFile(info, s.bound) {
		_ = os.Remove(path)
	}
	return err
}

// local is a connection of this machine that has no address of its own. The guard judges clients by their addresses.
type local struct{ net.Conn }

// RemoteAddr is the loopback address.
func (local) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
