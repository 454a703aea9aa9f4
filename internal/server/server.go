// Package server owns the listeners: binding, timeouts, serving and graceful shutdown.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mock-ec2-metadata/internal/web"
)

// Limits of one connection. Metadata clients send small requests in one piece and give up within seconds. net/http sets a
// timer for each of its timeouts with each request, so there is none for the body, which hardly any request has.
const (
	readHeaderTimeout = 5 * time.Second
	bodyTimeout       = 10 * time.Second // from the end of the header
	// writeTimeout, from the end of the header, ends answers that the client does not read. It is longer than kubernetes.pods.wait may be.
	writeTimeout = 12 * time.Second
	idleTimeout  = 2 * time.Minute
	// maxHeaderBytes includes the request line. Package guard allows less and says so in its answer.
	maxHeaderBytes = 32 << 10

	// drainTime is how long requests may take to end during shutdown.
	drainTime = 5 * time.Second
)

// Server serves on several listeners.
type Server struct {
	http      *http.Server
	listeners []net.Listener
	names     []string // of the listeners, for web.Listener
	leaving   leaver
	accepted  atomic.Int64
	log       *slog.Logger
}

// Listen binds all addresses or none. The error names the address that cannot be bound and the fix. Clients can connect
// from then on; Serve answers them. inherited are listeners that exist already, see Inherit; they come first. web.Listener gives
// handlers the address as it is in addresses, or of an inherited listener its own.
func Listen(ctx context.Context, log *slog.Logger, addresses []string, inherited ...net.Listener) (*Server, error) {
	s := newServer(log, inherited)
	for _, address := range addresses {
		l, err := bindAddress(ctx, address)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.listeners, s.names = append(s.listeners, l), append(s.names, address)
	}
	return s, nil
}

// Add binds one more address, as Listen does, and returns its name for web.Listener: the address, or with port 0 the one that the
// system has chosen. It is called before Serve.
func (s *Server) Add(ctx context.Context, address string) (name string, err error) {
	l, err := bindAddress(ctx, address)
	if err != nil {
		return "", err
	}
	if name = address; strings.HasSuffix(address, ":0") {
		name = l.Addr().String()
	}
	s.listeners, s.names = append(s.listeners, l), append(s.names, name)
	return name, nil
}

func bindAddress(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, network(address), address)
	if err != nil {
		return nil, explain(address, err)
	}
	return l, nil
}

// bindError is the error of an address that cannot be bound, with the system's error.
type bindError struct {
	text string
	err  error
}

func (e *bindError) Error() string { return e.text }
func (e *bindError) Unwrap() error { return e.err }

// IsUnavailable reports whether an error of Listen or Add says that this machine lacks the address, or does not let this process have
// its port.
func IsUnavailable(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EACCES)
}

func newServer(log *slog.Logger, listeners []net.Listener) *Server {
	var names []string
	for _, l := range listeners {
		names = append(names, l.Addr().String())
	}
	return &Server{
		names:     names,
		log:       log,
		listeners: slices.Clone(listeners),
		http: &http.Server{
			ReadHeaderTimeout: readHeaderTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			// The handler answers OPTIONS *, too.
			DisableGeneralOptionsHandler: true,
			ConnContext:                  web.WithConn,
			ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
}

// network keeps 0.0.0.0 to IPv4: Go would listen on IPv6, too.
func network(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); ip != nil && ip.To4() != nil {
		return "tcp4"
	}
	return "tcp"
}

// explain says in one line why an address cannot be bound, and the fix.
func explain(address string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	why := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = "the port is in use; stop what uses it (perhaps another mock-ec2-metadata), or choose another address with --listen"
	case errors.Is(err, syscall.EACCES):
		why = fmt.Sprintf("port %s needs root; choose a port above 1023 with --listen", port)
	case errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT):
		why = "this machine has no such address; choose another with --listen"
	default:
		why = err.Error()
	}
	return &bindError{fmt.Sprintf("cannot listen on %s: %s", address, why), err}
}

// Addrs returns the bound addresses, inherited ones first, in the order of Listen. Port 0 has become the real port.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Names returns the addresses as the configuration has them, in the order of Addrs.
func (s *Server) Names() []string { return s.names }

// Limit replaces each listener by limit's result. Call it before Serve.
func (s *Server) Limit(limit func(net.Listener) net.Listener) {
	for i, l := range s.listeners {
		s.listeners[i] = limit(l)
	}
}

// Serve answers with handler until ctx is done, then gives requests under way 5 seconds to end. The error is a listener's.
func (s *Server) Serve(ctx context.Context, handler http.Handler) error {
	leaving := &s.leaving
	s.http.Handler = leaving.wrap(limitBody(handler))
	s.http.BaseContext = func(l net.Listener) context.Context {
		base := web.WithStop(context.WithoutCancel(ctx), ctx.Done())
		if a, ok := l.(*acceptor); ok {
			base = web.WithListener(base, a.name)
		}
		return base
	}
	failed := make(chan error, len(s.listeners))
	var serving sync.WaitGroup
	acceptors := make([]*acceptor, len(s.listeners))
	for i, l := range s.listeners {
		acceptors[i] = newAcceptor(l, s.names[i], &leaving.open, &s.accepted)
		serving.Go(func() {
			err := s.http.Serve(acceptors[i])
			if !errors.Is(err, http.ErrServerClosed) && !leaving.begun.Load() {
				failed <- fmt.Errorf("serving on %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer stop()
	leaving.begun.Store(true)
	for _, a := range acceptors {
		_ = a.Close()
	}
	serving.Wait() // all accepted connections are counted
	leaving.wait()
	if shut := s.http.Shutdown(drain); shut != nil {
		s.log.Warn("stopped with requests under way", "waited", drainTime)
		_ = s.http.Close()
	}
	return err
}

// limitBody sets a deadline for the body. net/http reads the whole body before it answers, and removes the deadline then.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

// Connections are how many are open, and how many there have been, without those beyond a limit.
func (s *Server) Connections() (open, all int64) { return s.leaving.open.Load(), s.accepted.Load() }

// Close closes the listeners of a server that will not serve.
func (s *Server) Close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}
