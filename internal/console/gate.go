package console

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// sessionPath opens a session by a code, and ends it.
const sessionPath = "/v1/console/session"

// gate answers on a port. Foreign pages, foreign names and proxies get 403 first: that tells them nothing about sessions.
type gate struct {
	console *Console
	port    *port
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	switch {
	case web.IsForwarded(r.Header):
		refuse(w, http.StatusForbidden, "requests through a proxy are not allowed; connect directly")
		return
	case !g.isOwnHost(r):
		refuse(w, http.StatusForbidden, "the Host header is not this address; use the URL that mock-ec2-metadata console prints")
		return
	case !isOwnPage(r):
		refuse(w, http.StatusForbidden, "requests of other web pages are not allowed")
		return
	}
	if f := g.console.files()[r.URL.Path]; f != nil {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notAllowed(w, "GET, HEAD")
			return
		}
		f.serve(w, r)
		return
	}
	if r.URL.Path == sessionPath && r.Method == http.MethodPost {
		g.console.login(w, r)
		return
	}
	g.console.serve(w, r)
}

func notAllowed(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	refuse(w, http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed))
}

// isOwnHost tells whether a Host header names the port, and not a name that an attacker's DNS could lead there.
func (g *gate) isOwnHost(r *http.Request) bool {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]"), "80" // of the scheme
	}
	if port != strconv.Itoa(int(g.port.at.Port())) {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !g.port.at.Addr().IsUnspecified() {
		return err == nil && ip == g.port.at.Addr()
	}
	return ip.IsLoopback() || ip == local(r)
}

// local is the address of this machine that a client asks.
func local(r *http.Request) netip.Addr {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return address.AddrPort().Addr().Unmap()
}

// isOwnPage tells whether a request is the page's own, or of no page. A link of another page may lead to the document, which has
// nothing in it: so does the file of console --open.
func isOwnPage(r *http.Request) bool {
	for _, origin := range r.Header["Origin"] {
		if !strings.EqualFold(origin, "http://"+r.Host) {
			return false
		}
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" && !isVisit(r) {
			return false
		}
	}
	return true
}

// isVisit tells whether a browser is to show the document in a tab. In a frame Sec-Fetch-Dest is another.
func isVisit(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// isChange tells whether a method may change something.
func isChange(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// isJSON tells whether a change has the content type that no form can send. DELETE without a body needs none: no form can send it.
func isJSON(r *http.Request) bool {
	if r.Method == http.MethodDelete && r.ContentLength == 0 {
		return true
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
