// Package control is the private entrance to a running daemon: a Unix socket for its own commands, with the server's and the
// client's side. Only root and the daemon's user can use it. Where the configuration says so, it listens on the loopback interface, too;
// there a secret in a file of the daemon's user is needed. It is never reachable over the network.
package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"mock-ec2-metadata/internal/api"
)

// Server serves the control socket. Its methods may be called concurrently.
type Server struct {
	log    *slog.Logger
	path   string
	auto   bool         // the directory is the daemon's to make
	port   string       // of the daemon's first listener
	api    http.Handler // of the socket and of the entrance by TCP
	server *http.Server

	serving sync.WaitGroup
	done    chan struct{} // closed by Close

	mu       sync.Mutex        // guards the fields below
	listener *net.UnixListener // nil: it could not be made
	bound    fs.FileInfo       // the listener's file
	failure  error
	tcp      *entrance   // nil without
	console  ConsolePort // nil: server.console is off
	started  bool        // Serve has been called
	closed   bool
}

// Listen makes the socket of a daemon. mode is the value of server.control: a path, or Auto for PORT.sock in dir, where port
// is that of the first listener; it is not Off. A socket that a killed daemon left is replaced; one that is in use is an error
// that names it. When the socket cannot be made for another reason, a path is an error; under Auto the daemon goes without, and
// Status says why.
func Listen(mode, dir, port string, d Daemon, log *slog.Logger) (*Server, error) {
	s := &Server{log: log, path: mode, auto: mode == Auto, port: port, done: make(chan struct{})}
	if s.auto {
		s.path = filepath.Join(dir, port+suffix)
	}
	s.api = Handler(d, log)
	s.server = newHTTPServer(s.onSocket(log), log)
	l, err := s.listen()
	if _, inUse := errors.AsType[*inUseError](err); inUse || err != nil && !s.auto {
		return nil, err
	}
	if err != nil {
		log.Info("running without a control socket", "error", err)
	}
	s.listener, s.failure = l, err
	return s, nil
}

// newHTTPServer bounds how long a request may take to arrive. Its handler bounds the rest.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  5 * time.Second,
		DisableGeneralOptionsHandler: true, // it would answer OPTIONS * before any check
		ConnContext:                  withPeer,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// inUseError says that another daemon has the socket.
type inUseError struct{ path string }

func (e *inUseError) Error() string {
	return fmt.Sprintf("the control socket %s is in use by another mock-ec2-metadata; stop that, or set server.control to another path or off", e.path)
}

// listen makes the socket, of mode 0600 in a directory of mode 0700.
func (s *Server) listen() (*net.UnixListener, error) {
	if s.auto {
		if err := makePrivate(filepath.Dir(s.path)); err != nil {
			return nil, fmt.Errorf("no control socket: %w", err)
		}
	}
	if err := s.removeStale(); err != nil {
		return nil, err
	}
	if len(s.path) > maxPath {
		return nil, fmt.Errorf("no control socket: %s has more than %d bytes; set server.control to a shorter path", s.path, maxPath)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("no control socket: %w; %s", reason(err), writableHint)
	}
	l.SetUnlinkOnClose(false) // the path may be another daemon's by then; see Close
	err = os.Chmod(s.path, 0o600)
	if err == nil {
		s.bound, err = os.Lstat(s.path)
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("no control socket: %w", err)
	}
	return l, nil
}

// reason takes the cause out of a net.OpError, which would name the path twice.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %w", op.Addr, op.Err)
	}
	return err
}

// removeStale removes a socket that no process listens on. Anything else at the path stays.
func (s *Server) removeStale() error {
	info, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("no control socket: %w", err)
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("no control socket: %s is not a socket; remove it, or set server.control to another path", s.path)
	case !errors.Is(knock(s.path), syscall.ECONNREFUSED):
		return &inUseError{s.path}
	default:
		return os.Remove(s.path)
	}
}

// Status says where the socket is, or why there is none. It makes a socket anew that could not be made before, or that
// something has removed, as logind does with XDG_RUNTIME_DIR at the last logout.
func (s *Server) Status() *api.Control {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Lstat(s.path)
	if !s.closed && (s.listener == nil || err != nil) {
		s.replace()
	}
	status := new(api.Control)
	switch {
	case s.failure != nil:
		status.Error = s.failure.Error()
	case err == nil && s.listener != nil && !os.SameFile(info, s.bound):
		status.Error = fmt.Sprintf("no control socket: something else is at %s now; restart the daemon", s.path)
	default:
		status.Socket = s.path
	}
	if s.tcp != nil {
		if !s.closed {
			s.tcp.token.restore()
		}
		status.Listen, status.TokenFile = s.tcp.listener.Addr().String(), s.tcp.token.path
	}
	return status
}

// replace makes the socket anew. It is called with s.mu held.
func (s *Server) replace() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	s.listener, s.failure = s.listen()
	s.serve()
}

// serve answers on the listener, once Serve has been called. It is called with s.mu held.
func (s *Server) serve() {
	if l := s.listener; l != nil && s.started && !s.closed {
		s.serving.Go(func() { _ = s.server.Serve(&peers{l, s.log}) })
	}
}

// Serve answers until Close.
func (s *Server) Serve() {
	s.mu.Lock()
	s.started = true
	s.serve()
	if s.tcp != nil && !s.closed {
		s.serving.Go(s.tcp.serve)
	}
	s.mu.Unlock()
	<-s.done
	s.serving.Wait()
}

// Close ends Serve, gives up requests in flight and removes the socket and the token, and their directory if that is empty.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	close(s.done)
	_ = s.server.Close()
	if s.tcp != nil {
		s.tcp.close()
	}
	if s.console != nil {
		s.console.Close()
	}
	if s.listener != nil {
		_ = s.listener.Close()
		if info, err := os.Lstat(s.path); err == nil && os.SameFile(info, s.bound) { //nolint:gosec // the daemon's own path
			_ = os.Remove(s.path) //nolint:gosec // likewise
		}
		if s.auto {
			removePages(filepath.Dir(s.path))
			_ = os.Remove(filepath.Dir(s.path)) //nolint:gosec // our directory; fails while other daemons have sockets there
		}
	}
}

// isSocket tells whether a directory entry is one of our sockets.
func isSocket(entry os.DirEntry) bool {
	return entry.Type() == os.ModeSocket && strings.HasSuffix(entry.Name(), suffix)
}
