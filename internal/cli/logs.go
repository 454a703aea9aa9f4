package cli

import (
	"io"
	"log/slog"
	"sync"

	"mock-ec2-metadata/internal/web"
)

// logs is where the daemon's lines go: its own at once, those of the access log in batches.
type logs struct {
	*slog.Logger
	level  *slog.LevelVar
	access *web.LineWriter
}

// newLogs writes lines to w, in the format text or json.
func newLogs(w io.Writer, format string) *logs {
	w = &lockedWriter{w: w}
	l := &logs{level: new(slog.LevelVar)}
	options := &slog.HandlerOptions{Level: l.level}
	if format == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(w, options))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(w, options))
	}
	l.access = web.NewLineWriter(w, func(lines int) {
		l.Warn("access log lines were dropped", "lines", lines, "hint", "the reader of the log hung")
	})
	return l
}

// Close writes the lines that are buffered.
func (l *logs) Close() { l.access.Close() }

// lockedWriter makes each Write one step, so that lines do not mix.
type lockedWriter struct {
	mu sync.Mutex // held during a Write
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
