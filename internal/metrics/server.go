package metrics

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/web"
)

const (
	// maxScrapes is how many scrapes are answered at one time. It also bounds those that a stuck daemon holds.
	maxScrapes = 4
	// scrapeTime is how long the values may take to collect. It is less than answerTime, so that its error still reaches the client.
	scrapeTime = 4 * time.Second
	// answerTime is how long an answer may take as a whole, and how long a request may take to arrive.
	answerTime = 5 * time.Second
	// maxConnections are open at one time. Further ones close those that have been quiet longest.
	maxConnections = 64
)

// Daemon is what a Server tells about. An app.App is one.
type Daemon interface {
	// Sample is the daemon at this moment.
	Sample() app.Sample
	// Answers returns why a listener of the metadata service does not answer before ctx is done.
	Answers(ctx context.Context) error
	// Ready returns why clients would get no credentials.
	Ready() error
	// Admit lets only allowed clients, Host names and web pages through.
	Admit(next http.Handler) http.Handler
	// Limit closes connections beyond the limits.
	Limit(l net.Listener) net.Listener
}

// Server is the listener of a daemon for a monitoring system.
type Server struct {
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	pages    map[string]http.Handler // by path
	slots    chan struct{}           // holds one for each scrape
}

var _ app.Metrics = (*Server)(nil)

// Listen opens the listener of a daemon at a value of metrics.listen. Its errors name the key. m is for one Server only.
func (m *Metrics) Listen(ctx context.Context, address string, d Daemon, log *slog.Logger) (*Server, error) {
	if err := checkProfiling(address); err != nil {
		return nil, err
	}
	m.registry.MustRegister(newSampler(d, m.roles))
	if d.Sample().Kubernetes != nil {
		m.registry.MustRegister(m.cluster.all...)
	}
	l, err := listen(ctx, address)
	if err != nil {
		return nil, err
	}
	s := &Server{log: log, slots: make(chan struct{}, maxScrapes)}
	h := newHealth(d, m.now)
	s.pages = map[string]http.Handler{
		"/metrics": s.limit(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
			ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
			EnableOpenMetrics:   true,
			MaxRequestsInFlight: maxScrapes, // of those that have taken longer than Timeout, too
			Timeout:             scrapeTime,
		})),
		"/healthz": http.HandlerFunc(h.serveHealthy),
		"/readyz":  http.HandlerFunc(h.serveReady),
	}
	addProfiling(s.pages)
	s.listener = d.Limit(l)
	s.http = &http.Server{
		Handler:                      d.Admit(http.HandlerFunc(s.serve)),
		ReadHeaderTimeout:            answerTime,
		ReadTimeout:                  answerTime,
		WriteTimeout:                 answerTime,
		IdleTimeout:                  2 * time.Minute, // servers scrape once a minute at least
		MaxHeaderBytes:               32 << 10,        // package guard allows less
		DisableGeneralOptionsHandler: true,            // it would answer OPTIONS * before any check
		ConnContext:                  web.WithConn,
		ConnState:                    web.NewCrowd(maxConnections).Changed,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until Close.
func (s *Server) Serve() {
	if at := s.Addr(); at.Network() == "unix" {
		s.log.Info("serving metrics", "socket", at.String())
	} else {
		s.log.Info("serving metrics", "url", api.URL(at.String())+"metrics", "listen", at.String())
	}
	_ = s.http.Serve(s.listener)
}

// Close ends Serve, gives up requests in flight and removes the socket.
func (s *Server) Close() {
	_ = s.http.Close()
	_ = s.listener.Close() // which the server does not know before Serve
}

// serve answers on all pages.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	page := s.pages[web.Path(r)]
	switch {
	case page == nil:
		answer(w, http.StatusNotFound, "there are /metrics, /healthz and /readyz\n")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, http.StatusMethodNotAllowed, "only GET and HEAD are allowed\n")
	default:
		page.ServeHTTP(w, r)
	}
}

// limit refuses scrapes beyond maxScrapes. One lasts until the client has its answer.
func (s *Server) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusServiceUnavailable, "4 scrapes are under way; try again later\n")
		}
	})
}

// answer sends a text that must not be kept.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	web.Write(w, status, "text/plain; charset=utf-8", []byte(text))
}
