package ecs

import (
	"log/slog"
	"sync"
	"time"
)

// quiet is the minimum time between two lines of a warner.
const quiet = time.Minute

// warner logs one message. It is quiet for a while after each line of a kind, since clients retry.
type warner struct {
	log     *slog.Logger
	message string

	mu     sync.Mutex           // guards logged
	logged map[string]time.Time // the last line of each kind
}

// warn logs a line. kind says what it is about; there are few of them.
func (l *warner) warn(kind string, attrs ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.logged[kind]; ok && time.Since(last) < quiet {
		return
	}
	if l.logged == nil {
		l.logged = map[string]time.Time{}
	}
	l.logged[kind] = time.Now()
	l.log.Warn(l.message, attrs...)
}
