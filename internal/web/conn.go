package web

import (
	"context"
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"
)

type connKey struct{}

// WithConn is an http.Server's ConnContext: it makes Conn work, and gives the requests of a connection, which come one after
// the other, one routing context, where chi would copy each request to give it one.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	ctx = context.WithValue(ctx, connKey{}, c)
	return context.WithValue(ctx, chi.RouteCtxKey, chi.NewRouteContext())
}

// Conn is the connection that a request came on, nil without WithConn.
func Conn(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}
