// Package stsfake is a fake AWS Security Token Service for tests. It verifies signatures, issues and records credentials,
// and simulates delays, errors and hangs on demand. It owns its users, roles and clock, and makes no outside calls.
//
// It implements AssumeRole, AssumeRoleWithWebIdentity, GetSessionToken and GetCallerIdentity of the query protocol (POST /
// with a form, XML in return). Any AWS SDK works with it once its STS endpoint is set to URL.
//
//	sts := stsfake.Start(t)
//	key := sts.AddUser("dev")
//	sts.AddRole("arn:aws:iam::123456789012:role/app")
//
// At the same URL it implements what a profile with IAM Identity Center calls: GetRoleCredentials of the portal
// (AWS_ENDPOINT_URL_SSO) and CreateToken of the OIDC service (AWS_ENDPOINT_URL_SSO_OIDC). Delay, Fail and Hang accept
// these names too. LoginSSO replaces the login by browser.
//
// Messages and limits are those that clients get, see
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html. See verify for the checks of Signature
// Version 4.
package stsfake

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// DefaultAccount is the account of users without WithAccount.
const DefaultAccount = "123456789012"

// Server is one fake STS. It is an http.Handler; New makes it, Start also serves it. Its methods may be called
// concurrently.
type Server struct {
	now     func() time.Time
	account string
	http    *http.Server

	mu        sync.Mutex // guards all fields below
	url       string
	users     map[string]*user
	roles     map[string]*role
	keys      map[string]*credential
	behaviors map[string]*behavior
	throttles map[string]*throttle // by action, as behaviors
	throttled int                  // requests
	lifetime  time.Duration
	requests  []Request

	webIdentities  map[string]*webIdentity   // by token
	permissionSets map[[2]string]*role       // by account and name
	ssoAccess      map[string]ssoToken       // by access token
	ssoRefresh     map[string]*ssoSession    // by refresh token; nil once it is used
	ssoClients     map[string]ssoCredentials // by client id
}

// Option changes a Server before it is used.
type Option func(*Server)

// WithNow sets the clock for signatures, credentials and the Date header; the default is time.Now. now is called
// concurrently.
func WithNow(now func() time.Time) Option { return func(s *Server) { s.now = now } }

// WithAccount sets the account that users belong to. A role belongs to the account in its ARN.
func WithAccount(id string) Option { return func(s *Server) { s.account = id } }

// New makes a Server without users, roles or listener.
func New(opts ...Option) *Server {
	s := &Server{
		now:       time.Now,
		account:   DefaultAccount,
		users:     map[string]*user{},
		roles:     map[string]*role{},
		keys:      map[string]*credential{},
		behaviors: map[string]*behavior{},
		throttles: map[string]*throttle{},

		webIdentities:  map[string]*webIdentity{},
		permissionSets: map[[2]string]*role{},
		ssoAccess:      map[string]ssoToken{},
		ssoRefresh:     map[string]*ssoSession{},
		ssoClients:     map[string]ssoCredentials{},
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Start serves a new Server on a free loopback port until the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("stsfake: %v", err)
	}
	return StartOn(t, ln, opts...)
}

// StartOn serves a new Server on ln until the test ends, for clients that cannot reach the loopback, such as containers.
func StartOn(t testing.TB, ln net.Listener, opts ...Option) *Server {
	t.Helper()
	s := New(opts...)
	s.setURL(ln.Addr()) // before the goroutine of Serve does
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-served); err != nil {
			t.Errorf("stsfake: %v", err)
		}
	})
	return s
}

// Serve serves on ln until Close and then returns nil. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	s.setURL(ln.Addr())
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close stops serving at once and closes all connections, including those of hung and delayed requests.
func (s *Server) Close() error { return s.http.Close() }

// URL is the endpoint, such as http://127.0.0.1:4711; empty before Serve. For a wildcard listener it names the loopback.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

func (s *Server) setURL(addr net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = URL(addr)
}

// URL is the endpoint of a listener's address. The wildcard address becomes the loopback.
func URL(addr net.Addr) string {
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return "http://" + host
}
