package control

import (
	"context"
	"log/slog"
	"net/http"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/web"
)

// consolePath is a path of the socket alone: who may use the socket may open the console, and no one else.
const consolePath = "/v1/console"

// ConsolePort opens the page of a daemon in a browser. Package console implements it. Its methods may be called concurrently; their errors are *api.Refusal.
type ConsolePort interface {
	// Open makes a URL that opens a session once. The port is open from then on.
	Open(by Peer) (api.ConsoleURL, error)
	// Revoke ends all sessions and closes the port.
	Revoke(by Peer)
	// Close is for the daemon's end.
	Close()
}

// UseConsole adds a console, which Close closes. It is called before Serve. Without it, the socket says that server.console is off.
func (s *Server) UseConsole(c ConsolePort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.console = c
}

// ConsoleHandler is Handler for the console's page, without what a page must not have.
func ConsoleHandler(d Daemon, log *slog.Logger) http.Handler {
	return ForConsole(Handler(masked{d}, log))
}

// ForConsole gives the requests of the console a peer of their own. Without a socket no user is known.
func ForConsole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, Peer{UID: noUID, Entrance: "console"})))
	})
}

// onSocket adds to the API what the socket alone has.
func (s *Server) onSocket(log *slog.Logger) http.Handler {
	allowed := methods{http.MethodPost: {serve: s.openConsole}, http.MethodDelete: {serve: s.revokeConsole}}
	console := (&web.Adapter{Log: log, Render: render}).Handle(allowed.serve)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == consolePath {
			console(w, r)
			return
		}
		s.api.ServeHTTP(w, r)
	})
}

func (s *Server) theConsole() (ConsolePort, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.console == nil {
		return nil, refuse(http.StatusConflict, "", "server.console is off, so there is no console; set it to auto, and restart the daemon")
	}
	return s.console, nil
}

func (s *Server) openConsole(w http.ResponseWriter, r *http.Request) error {
	c, err := s.theConsole()
	if err != nil {
		return err
	}
	u, err := c.Open(peerOf(r))
	if err != nil {
		return asAnswer(err)
	}
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, http.StatusOK, u)
}

func (s *Server) revokeConsole(w http.ResponseWriter, r *http.Request) error {
	c, err := s.theConsole()
	if err != nil {
		return err
	}
	c.Revoke(peerOf(r))
	return nothing(w)
}
