package guard

import (
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"
)

const (
	// logInterval is the minimum time between two log lines for one source.
	logInterval = time.Minute
	// maxSources limits the sources in memory and so the lines per interval.
	maxSources = 256
)

// refusals counts and logs refusals. Neither the log nor the memory grows with their number.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex // guards the fields below
	byRule map[string]int64
	logged map[netip.Addr]time.Time // last log line of each source
}

func newRefusals(log *slog.Logger, now func() time.Time) *refusals {
	return &refusals{log: log, now: now, byRule: map[string]int64{}, logged: map[netip.Addr]time.Time{}}
}

func (r *refusals) counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.byRule)
}

// add counts a refusal, and logs it unless the log interval of its source has not passed.
func (r *refusals) add(client netip.Addr, rule, text string) {
	if r.count(client, rule) {
		r.log.Warn("refused", "client", client.String(), "rule", rule, "reason", text)
	}
}

// count counts a refusal and reports whether to log it.
func (r *refusals) count(client netip.Addr, rule string) bool {
	now := r.now()
	client = source(client)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byRule[rule]++
	if last, ok := r.logged[client]; ok && now.Sub(last) < logInterval {
		return false
	}
	if len(r.logged) >= maxSources {
		maps.DeleteFunc(r.logged, func(_ netip.Addr, last time.Time) bool { return now.Sub(last) >= logInterval })
		if len(r.logged) >= maxSources {
			return false
		}
	}
	r.logged[client] = now
	return true
}
