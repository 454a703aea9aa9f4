package web

import (
	"context"
	"net/http"
)

type stopKey struct{}

// WithStop makes Stopping work. stop is closed when the server begins to stop.
func WithStop(ctx context.Context, stop <-chan struct{}) context.Context {
	return context.WithValue(ctx, stopKey{}, stop)
}

// Stopping is closed when the server of a request begins to stop, for handlers that wait for nothing else. It is nil without
// WithStop.
func Stopping(r *http.Request) <-chan struct{} {
	stop, _ := r.Context().Value(stopKey{}).(<-chan struct{})
	return stop
}
