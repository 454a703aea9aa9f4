package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5"
)

type (
	connKey     struct{}
	listenerKey struct{}
)

// connection is what is known of a connection, and of its request under way. Requests of a connection come one after the other.
type connection struct {
	conn     net.Conn
	remote   netip.Addr
	local    netip.Addr
	listener string
	peer     string
	caller   Caller // of the request under way
	fault    string // id of what has changed its answer
	route    Route  // what it asks for
}

// Caller is who a request turned out to come from, for the access log.
type Caller struct {
	// Role is the name of the role whose credentials the client gets; "" for none.
	Role string
	// Identity is the entry of the configuration that the client gets, such as clients[3]; "" for the file's own instance.
	Identity string
}

// WithListener is an http.Server's BaseContext for a listener of this name. Listener needs it.
func WithListener(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, listenerKey{}, name)
}

// WithConn is an http.Server's ConnContext. Conn, Remote, Listener, SetPeer and SetCaller need it. It also gives all requests of a
// connection one routing context; chi would copy each request to add one.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	info := &connection{conn: c}
	if c != nil {
		info.remote, info.local = parseAddr(c.RemoteAddr().String()), parseAddr(c.LocalAddr().String())
	}
	info.listener, _ = ctx.Value(listenerKey{}).(string)
	ctx = context.WithValue(ctx, connKey{}, info)
	return context.WithValue(ctx, chi.RouteCtxKey, chi.NewRouteContext())
}

func infoOf(r *http.Request) *connection {
	info, _ := r.Context().Value(connKey{}).(*connection)
	return info
}

// Conn returns the connection of a request, nil without WithConn.
func Conn(r *http.Request) net.Conn {
	if info := infoOf(r); info != nil {
		return info.conn
	}
	return nil
}

// Remote returns the client's address, of the socket and never of a header: with its zone, and IPv4-mapped addresses as IPv4. It
// is the zero Addr if the socket has none.
func Remote(r *http.Request) netip.Addr {
	if info := infoOf(r); info != nil && info.conn != nil {
		return info.remote
	}
	return parseAddr(r.RemoteAddr)
}

// Local returns the address of this machine that the client asks; the zero Addr without WithConn.
func Local(r *http.Request) netip.Addr {
	if info := infoOf(r); info != nil {
		return info.local
	}
	return netip.Addr{}
}

// Listener returns the name of the listener that a request came to; "" without WithListener.
func Listener(r *http.Request) string {
	if info := infoOf(r); info != nil {
		return info.listener
	}
	return ""
}

// SetPeer notes for the rest of the connection who is at its other end, in any form that tells peers apart. A connection never changes
// hands, though its address may.
func SetPeer(r *http.Request, peer string) {
	if info := infoOf(r); info != nil {
		info.peer = peer
	}
}

// Peer returns what SetPeer has noted for the connection of a request; "" for nothing, and without WithConn.
func Peer(r *http.Request) string {
	if info := infoOf(r); info != nil {
		return info.peer
	}
	return ""
}

// SetCaller notes for the access log who a request comes from.
func SetCaller(r *http.Request, c Caller) {
	if info := infoOf(r); info != nil {
		info.caller = c
	}
}

// callerOf returns what SetCaller has noted.
func callerOf(r *http.Request) Caller {
	if info := infoOf(r); info != nil {
		return info.caller
	}
	return Caller{}
}

// SetFault notes for the access log the id of the fault that changes the answer of a request.
func SetFault(r *http.Request, id string) {
	if info := infoOf(r); info != nil {
		info.fault = id
	}
}

// faultOf returns what SetFault has noted.
func faultOf(r *http.Request) string {
	if info := infoOf(r); info != nil {
		return info.fault
	}
	return ""
}

// parseAddr returns the address of address:port.
func parseAddr(hostPort string) netip.Addr {
	a, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
