package podidentity

import (
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// kind is why a request gets no credentials.
type kind int

const (
	proxied kind = iota
	noToken
	unusable // not a token, expired, or not valid yet
	prefixed // "Bearer " before the token
	invalid
	unassociated
	denied
	unavailable
	kinds // the number of kinds
)

// quiet is the minimum time between two log lines of one kind.
const quiet = time.Minute

// refusalLog logs why pods get nothing: few SDKs show that to their user. It is quiet for a while after each line of a kind, since
// clients retry.
type refusalLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards last
	last [kinds]time.Time
}

// refused logs one line. hint may be "". No argument may contain a token.
func (l *refusalLog) refused(r *http.Request, k kind, reason, hint string, attrs ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last := l.last[k]; !last.IsZero() && now.Sub(last) < quiet {
		return
	}
	l.last[k] = now
	attrs = append([]any{"client", r.RemoteAddr, "reason", reason}, attrs...)
	if hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	l.log.Warn("pod credentials refused", attrs...)
}
