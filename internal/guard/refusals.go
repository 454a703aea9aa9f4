package guard

import (
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"
)

const (
	// logPause is how long a source is not logged again.
	logPause = time.Minute
	// maxSources bounds how many sources are remembered, and so the lines a minute.
	maxSources = 256
)

// refusals counts and logs what is refused, so that neither the log nor memory grows with it.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	byRule map[string]int64
	logged map[netip.Addr]time.Time // when each source was, see there
}

func newRefusals(log *slog.Logger, now func() time.Time) *refusals {
	return &refusals{log: log, now: now, byRule: map[string]int64{}, logged: map[netip.Addr]time.Time{}}
}

func (r *refusals) counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.byRule)
}

// add counts a refusal, and logs it unless one of the same source has been logged within the minute.
func (r *refusals) add(client netip.Addr, rule, text string) {
	if r.isNew(client, rule) {
		r.log.Warn("refused", "client", client.String(), "rule", rule, "reason", text)
	}
}

func (r *refusals) isNew(client netip.Addr, rule string) bool {
	now := r.now()
	client = source(client)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byRule[rule]++
	if last, ok := r.logged[client]; ok && now.Sub(last) < logPause {
		return false
	}
	if len(r.logged) >= maxSources {
		maps.DeleteFunc(r.logged, func(_ netip.Addr, last time.Time) bool { return now.Sub(last) >= logPause })
		if len(r.logged) >= maxSources {
			return false
		}
	}
	r.logged[client] = now
	return true
}
