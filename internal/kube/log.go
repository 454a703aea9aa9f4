package kube

import (
	"context"
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// chatter is the lowest level of client-go that is kept: V(2). Above it, there is a line for each request.
const chatter = slog.Level(-2)

// quiet is a Handler that turns what client-go logs, of any level, into debug messages.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= chatter && q.Handler.Enabled(ctx, slog.LevelDebug)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if !q.Handler.Enabled(ctx, slog.LevelDebug) { // errors are logged without asking Enabled
		return nil
	}
	r.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }

func clientLog(log *slog.Logger) klog.Logger {
	return logr.FromSlogHandler(quiet{log.With("by", "client-go").Handler()})
}

// withLog returns a context under which client-go logs to log.
func withLog(ctx context.Context, log *slog.Logger) context.Context {
	return klog.NewContext(ctx, clientLog(log))
}

// redirected guards klog's logger, which is one per process: the first Locator has it.
var redirected sync.Once

// redirectOnce sends what client-go logs without a context to log, instead of the standard error.
func redirectOnce(log *slog.Logger) {
	redirected.Do(func() { klog.SetLogger(clientLog(log)) })
}
