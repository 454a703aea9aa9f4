package web

import (
	"context"
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"
)

type connKey struct{}

// WithConn is an http.Server's ConnContext. Conn needs it. It also gives all requests of a connection, which come one after the
// other, one routing context; chi would copy each request to add one.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	ctx = context.WithValue(ctx, connKey{}, c)
	return context.WithValue(ctx, chi.RouteCtxKey, chi.NewRouteContext())
}

// Conn returns the connection of a request, nil without WithConn.
func Conn(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}
