package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// history is which role an address had, one after the other; "" for no pod.
type history struct {
	mu    sync.Mutex
	roles []string
}

// change does what changes the role. A request that overlaps it may get either.
func (h *history) change(role string, do func()) {
	h.mu.Lock()
	h.roles = append(h.roles, role)
	h.mu.Unlock()
	do()
	h.mu.Lock()
	h.roles = append(h.roles, role)
	h.mu.Unlock()
}

func (h *history) now() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.roles)
}

// during returns the roles that the address may have had since a moment.
func (h *history) during(since int) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.roles[max(0, since-2):])
}

// Pods come, change and go, addresses are used again, and the rules change: no answer is ever of another pod.
func TestClusterRace_NoAnswerIsOfAnotherPod(t *testing.T) {
	const addresses, rounds = 6, 60
	open := strings.Replace(withCluster, `allow: ["app-*"]`, `allow: ["*"]`, 1)
	u, p, _ := cluster(t, open)
	var all [addresses]history
	done := make(chan struct{})
	var changing, asking sync.WaitGroup
	for i := range addresses {
		address := podAddress(i)
		changing.Go(func() {
			for n := range rounds {
				role := fmt.Sprintf("app-%d-%d", i, n)
				switch n % 4 {
				case 0: // a new pod
					all[i].change(role, func() { p.bound(p.put(address, fmt.Sprintf("team/pod-%d-%d", i, n), roleOf, role)) })
				case 3:
					all[i].change("", func() { p.remove(address) })
				default: // the same pod with another annotation
					all[i].change(role, func() { p.bound(p.put(address, fmt.Sprintf("team/pod-%d-%d", i, n/4*4), roleOf, role)) })
				}
				u.from(address+":9", rolesPath)
			}
		})
		for range 2 {
			asking.Go(func() {
				for !closed(done) {
					u.checkPod(t, &all[i], address)
				}
			})
		}
	}
	asking.Go(func() {
		for n := 0; !closed(done); n++ {
			text := open
			if n%2 == 0 {
				text = strings.Replace(open, "  rules:", "  session: {scope: pod}\n  rules:", 1)
			}
			if err := u.reload(t, text); err != nil {
				t.Error(err)
			}
			u.Status()
		}
	})
	changing.Wait()
	close(done)
	asking.Wait()
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// checkPod asks once, and compares the answer with the roles that the address had meanwhile.
func (u *unserved) checkPod(t *testing.T, h *history, address string) {
	since := h.now()
	rec := u.do(http.MethodGet, "/latest/meta-data/iam/info", address+":1")
	may := h.during(since)
	switch rec.Code {
	case http.StatusServiceUnavailable:
		if !slices.Contains(may, "") && len(may) > 0 && since > 1 {
			t.Errorf("%s is unknown, but had %q", address, may)
		}
	case http.StatusOK:
		_, role, _ := strings.Cut(rec.Body.String(), "instance-profile/")
		role, _, _ = strings.Cut(role, `"`)
		if !slices.Contains(may, role) {
			t.Errorf("%s has role %q, but had %q", address, role, may)
		}
	default:
		t.Errorf("%s: %d %s", address, rec.Code, rec.Body)
	}
}
