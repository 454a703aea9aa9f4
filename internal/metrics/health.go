package metrics

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// healthTime is how long the listeners may take to answer.
	healthTime = time.Second
	// healthKept is how long their answers count.
	healthKept = time.Second
)

// health tells whether a daemon is healthy and ready.
type health struct {
	daemon Daemon
	now    func() time.Time
	pods   bool // credentials are those of pods

	mu    sync.Mutex // guards the fields below, and is held while the listeners are asked: further requests wait for that
	asked time.Time  // when the listeners have answered last; zero for never
	err   error      // what they answered
}

func newHealth(d Daemon, now func() time.Time) *health {
	return &health{daemon: d, now: now, pods: d.Sample().Kubernetes != nil}
}

// answers asks the listeners, at most once per healthKept.
func (h *health) answers() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.asked.IsZero() && h.now().Sub(h.asked) < healthKept {
		return h.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTime) // the answer is not for one client only
	defer cancel()
	h.err, h.asked = h.daemon.Answers(ctx), h.now()
	return h.err
}

// serveHealthy says whether the listeners answer. Credentials do not matter: a restart would not help.
func (h *health) serveHealthy(w http.ResponseWriter, _ *http.Request) {
	if err := h.answers(); err != nil {
		answer(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	answer(w, http.StatusOK, "ok\n")
}

// serveReady says whether clients would get credentials. ?verbose lists each check.
func (h *health) serveReady(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	credentials := "credentials"
	if h.pods {
		credentials = "pods"
	}
	var all, wrong strings.Builder
	for _, check := range []struct {
		name string
		err  error
	}{{"listeners", h.answers()}, {credentials, h.daemon.Ready()}} {
		if check.err == nil {
			fmt.Fprintf(&all, "[+]%s ok\n", check.name)
			continue
		}
		status = http.StatusServiceUnavailable
		why := strings.ReplaceAll(check.err.Error(), "\n", ", ")
		fmt.Fprintf(&all, "[-]%s %s\n", check.name, why)
		fmt.Fprintf(&wrong, "%s: %s\n", check.name, why)
	}
	switch {
	case r.URL.Query().Has("verbose"):
		answer(w, status, all.String())
	case status == http.StatusOK:
		answer(w, status, "ok\n")
	default:
		answer(w, status, wrong.String())
	}
}
