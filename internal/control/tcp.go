package control

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"mock-ec2-metadata/internal/web"
)

// entrance is the one by TCP.
type entrance struct {
	listener net.Listener
	server   *http.Server
	token    *tokenFile
}

func (e *entrance) serve() { _ = e.server.Serve(e.listener) }

func (e *entrance) close() {
	_ = e.server.Close()
	_ = e.listener.Close() // which the server does not know before serve
	e.token.remove()
}

// ListenTCP adds the value of server.control_listen, an address of the loopback interface; port 0 is any. Clients must know the text of
// a file in the directory of the socket. It is called before Serve. Its errors name the key.
func (s *Server) ListenTCP(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() || at.Addr().Zone() != "" {
		return fmt.Errorf("server.control_listen: %s is not an IP address of the loopback interface with a port; write e.g. 127.0.0.1:5010", quote(address))
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()) //nolint:noctx // it does not wait
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("server.control_listen: %s is in use; stop what uses it, or choose another port", address)
	case err != nil:
		return fmt.Errorf("server.control_listen: %w; choose another address", reason(err))
	}
	token, err := s.makeToken()
	if err != nil {
		_ = l.Close()
		return fmt.Errorf("server.control_listen: no token file: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	check := &gate{port: l.Addr().(*net.TCPAddr).Port, token: token.text, next: s.api} //nolint:forcetypeassert // of net.Listen
	s.tcp = &entrance{web.LimitConnections(l, maxConnections), newHTTPServer(check, s.log), token}
	return nil
}

// makeToken makes the file in the directory of the socket. If another daemon has a token there, the file has the port in its name.
func (s *Server) makeToken() (*tokenFile, error) {
	dir := filepath.Dir(s.path)
	if s.auto {
		if err := makePrivate(dir); err != nil {
			return nil, err
		}
	}
	text := newToken()
	f, err := makeTokenFile(filepath.Join(dir, "token"), text)
	if errors.Is(err, errOwned) {
		f, err = makeTokenFile(filepath.Join(dir, s.port+".token"), text)
	}
	return f, err
}

// gate allows requests of programs of this machine that know the token. Web pages and what comes through proxies get 403 first: that
// tells them nothing about the token.
type gate struct {
	port  int
	token token
	next  http.Handler
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e := g.check(r); e != nil {
		if e.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		w.Header().Set("Connection", "close")
		render(w, r, e)
		return
	}
	g.next.ServeHTTP(w, r)
}

// check returns why a request is refused; nil if it is not.
func (g *gate) check(r *http.Request) *web.Error {
	_, origin := r.Header["Origin"]
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case web.IsForwarded(r.Header):
		return denied("requests through a proxy are not allowed; connect directly")
	case origin || site != "" && site != "none":
		return denied("requests of web pages are not allowed; use a program")
	case !g.isOwnHost(r.Host):
		return denied("the Host header is not this address; use a loopback address or localhost, and the port")
	case !g.isAuthorized(r.Header["Authorization"]):
		return refuse(http.StatusUnauthorized, "", "send Authorization: Bearer and the text of the token file")
	default:
		return nil
	}
}

// isOwnHost tells whether a Host header names the loopback interface, and not a name that an attacker's DNS could lead there.
func (g *gate) isOwnHost(header string) bool {
	host, port, err := net.SplitHostPort(header)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(header, "["), "]"), "80" // of the scheme
	}
	if port != strconv.Itoa(g.port) {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func denied(text string) *web.Error { return refuse(http.StatusForbidden, "", text) }

// isAuthorized tells whether there is one Authorization header, and it has the token.
func (g *gate) isAuthorized(headers []string) bool {
	if len(headers) != 1 {
		return false
	}
	scheme, text, _ := strings.Cut(headers[0], " ")
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(text), []byte(g.token)) == 1
}

// maxConnections is how many are open by TCP at one time, of any user. Further ones wait.
const maxConnections = maxWaiting + 64
