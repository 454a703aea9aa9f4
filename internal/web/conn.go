package web

import (
	"context"
	"net"
	"net/http"
)

type connKey struct{}

// WithConn is an http.Server's ConnContext: it makes Conn work.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// Conn is the connection that a request came on, nil without WithConn.
func Conn(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}
