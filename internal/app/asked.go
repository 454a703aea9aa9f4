package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/lifecycle"
	"mock-ec2-metadata/internal/web"
)

// madeUpConn stands for a client's connection in a request that no client has sent.
type madeUpConn struct {
	net.Conn      // nil: only the addresses are asked for
	local, remote net.Addr
}

func (c madeUpConn) LocalAddr() net.Addr  { return c.local }
func (c madeUpConn) RemoteAddr() net.Addr { return c.remote }

// madeUpPort is the client's port in such a request.
const madeUpPort = 40000

// wrongField is the answer to a parameter that has no such value.
func wrongField(field, text string) *api.Refusal {
	return &api.Refusal{Status: http.StatusUnprocessableEntity, Text: field + ": " + text, Field: field}
}

// madeUp makes the request that a question is about, as the handlers would see it. Its errors are *api.Refusal.
func (a *App) madeUp(ctx context.Context, q api.Question) (*http.Request, error) {
	names := a.server.Names()
	listener := 0
	if q.Listener != "" {
		listener = slices.Index(names, q.Listener)
		if listener < 0 {
			listener = slices.IndexFunc(a.Addrs(), func(at net.Addr) bool { return at.String() == q.Listener })
		}
		if listener < 0 {
			return nil, wrongField("listener", quoted(q.Listener)+" is no listener; these are: "+strings.Join(names, ", "))
		}
	}
	address := a.Addrs()[listener]
	remote := netip.MustParseAddr("127.0.0.1")
	if q.Client != "" {
		var err error
		if remote, err = netip.ParseAddr(q.Client); err != nil {
			return nil, wrongField("client", quoted(q.Client)+" is not an address; write e.g. 172.17.0.2")
		}
	}
	if strings.ContainsFunc(q.Host, notOfHost) {
		return nil, wrongField("host", quoted(q.Host)+" is no Host header; write e.g. localhost:5000")
	}
	if strings.ContainsFunc(q.Origin, unicode.IsControl) {
		return nil, wrongField("origin", quoted(q.Origin)+" is no Origin header; write e.g. http://localhost:3000")
	}
	u, err := url.ParseRequestURI(q.Path)
	switch {
	case q.Path == "":
		u = &url.URL{Path: "/latest/meta-data/"}
	case err != nil || q.Path[0] != '/' || strings.Contains(q.Path, " "):
		return nil, wrongField("path", quoted(q.Path)+" is not the path of a request; write e.g. /latest/meta-data/")
	}
	r := &http.Request{
		Method: http.MethodGet, URL: u, Host: q.Host, Header: http.Header{}, RequestURI: u.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, RemoteAddr: netip.AddrPortFrom(remote, madeUpPort).String(),
	}
	if q.Host == "" {
		r.Host = api.Reachable(address.String())
	}
	if q.Origin != "" {
		r.Header.Set("Origin", q.Origin)
	}
	switch q.IMDS {
	case "", "v1", "v2":
	default:
		return nil, wrongField("imds", quoted(q.IMDS)+" is neither v1 nor v2")
	}
	conn := madeUpConn{local: localOf(address), remote: net.TCPAddrFromAddrPort(netip.AddrPortFrom(remote, madeUpPort))}
	r = r.WithContext(web.WithConn(web.WithListener(ctx, names[listener]), conn))
	chi.RouteContext(r.Context()).RoutePath = web.Clean(u.Path)
	return r, nil
}

// notOfHost tells which runes net/http accepts in no Host header.
func notOfHost(c rune) bool {
	return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("!$%&()*+,-.:;=[']_~", c)
}

// localOf is the address that a client of a listener connects to: for one of all interfaces the loopback address.
func localOf(listener net.Addr) net.Addr {
	at, err := netip.ParseAddrPort(api.Reachable(listener.String()))
	if err != nil {
		return listener
	}
	return net.TCPAddrFromAddrPort(at)
}

// lookUp finds out what the client of a request would get, without asking: it counts and logs nothing. The guard allows the client.
func (a *App) lookUp(s *State, r *http.Request) (client, error) {
	class := a.guard.ClassBy(s.Rules, web.Remote(r))
	if s.cluster == nil {
		return a.identify(s, r, class)
	}
	c := client{state: s, local: class == guard.Local, entry: caller.None, identity: s.cluster.host}
	if c.local {
		return c, nil
	}
	w, err := s.Cluster.Locate(r.Context(), web.Remote(r))
	switch {
	case err != nil:
		return client{}, err
	case w == nil || w.Pod == nil:
		return client{}, errNoPod
	}
	p := s.ofPodAt(w)
	c.workload, c.container, c.pod, c.identity = w, w, p, p.id
	return c, nil
}

// errNoPod says that no pod of this node has an address.
var errNoPod = errors.New("no pod of this node has this address")

// peekMetadata returns what the metadata service needs for a client, and which events it sees; nil if it has no tree. No client becomes one
// of the first clients of an event by it.
func (s *State) peekMetadata(c client, address netip.Addr) (*metadata, lifecycle.Selection) {
	var selection lifecycle.Selection
	if s.restricted {
		selection = s.Events.Peek(address.WithZone(""), c.entry, s.Now)
	}
	if selection == (lifecycle.Selection{}) {
		return s.serveMetadata(c.identity), selection
	}
	return s.makeMetadataWith(c.identity, selection), selection
}
