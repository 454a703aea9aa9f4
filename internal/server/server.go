// Package server owns the listeners: binding, timeouts, serving and the graceful stop.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"mock-ec2-metadata/internal/web"
)

// Limits on one connection. Metadata clients send small requests at once and give up within seconds.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// maxHeaderBytes is for the request line too. Package guard allows less, and says so.
	maxHeaderBytes = 32 << 10

	// drainTime is how long requests under way may take to end when the daemon stops.
	drainTime = 5 * time.Second
)

// Server serves on several listeners.
type Server struct {
	http      *http.Server
	listeners []net.Listener
	log       *slog.Logger
}

// Listen binds every address, or none: the error names the one that cannot be bound and the way out. Clients can connect
// from then on, and wait for Serve. Listeners that are there already, see Inherit, are served before them.
func Listen(ctx context.Context, log *slog.Logger, addresses []string, inherited ...net.Listener) (*Server, error) {
	s := &Server{
		log: log,
		http: &http.Server{
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			// OPTIONS * is the handler's as well.
			DisableGeneralOptionsHandler: true,
			ConnContext:                  web.WithConn,
			ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
	for _, l := range inherited {
		s.listeners = append(s.listeners, listener{l})
	}
	var lc net.ListenConfig
	for _, address := range addresses {
		l, err := lc.Listen(ctx, network(address), address)
		if err != nil {
			s.Close()
			return nil, explain(address, err)
		}
		s.listeners = append(s.listeners, listener{l})
	}
	return s, nil
}

// network keeps 0.0.0.0 to IPv4, as it says: Go would listen on IPv6 too.
func network(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); ip != nil && ip.To4() != nil {
		return "tcp4"
	}
	return "tcp"
}

// explain says in one line why an address cannot be bound and what to do.
func explain(address string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: the port is in use; stop what uses it (perhaps another mock-ec2-metadata), or choose another address with --listen", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: port %s needs root; choose a port above 1023 with --listen", address, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %s: this machine has no such address; choose another with --listen", address)
	default:
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
}

// Addrs are the bound addresses, inherited ones first, in the order asked for, with real ports where 0 was asked.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Limit puts what limit makes of each listener in its place, before Serve.
func (s *Server) Limit(limit func(net.Listener) net.Listener) {
	for i, l := range s.listeners {
		s.listeners[i] = limit(l)
	}
}

// Serve answers with handler until ctx is done, then lets requests under way end within 5 seconds. Its error is why a listener failed.
func (s *Server) Serve(ctx context.Context, handler http.Handler) error {
	s.http.Handler = handler
	failed := make(chan error, len(s.listeners))
	var serving sync.WaitGroup
	for _, l := range s.listeners {
		serving.Go(func() {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
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
	if shut := s.http.Shutdown(drain); shut != nil {
		s.log.Warn("stopped with requests under way", "waited", drainTime)
		_ = s.http.Close()
	}
	serving.Wait()
	return err
}

// Close gives the addresses up, for a server that is not going to serve.
func (s *Server) Close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}
