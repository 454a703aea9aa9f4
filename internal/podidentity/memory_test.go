package podidentity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counting is a verifier that counts, and does what it is told.
type counting struct {
	asked atomic.Int32
	do    func(token string) (*Claims, error)
}

func (c *counting) Verify(ctx context.Context, token string) (*Claims, error) {
	c.asked.Add(1)
	pod, err := c.do(token)
	if err == nil {
		err = ctx.Err()
	}
	return pod, err
}

// podOf is what a valid token says, which names its pod and expires in an hour.
func podOf(token string) *Claims {
	return &Claims{Namespace: "shop", ServiceAccount: "web", PodName: token, Expires: time.Now().Add(time.Hour)}
}

// acceptAll accepts all tokens, for an hour.
func acceptAll() *counting {
	return &counting{do: func(token string) (*Claims, error) { return podOf(token), nil }}
}

// wantAsked checks the outcome of a token, and how often the verifier has been asked.
func wantAsked(t *testing.T, m *Memory, c *counting, token, wantErr string, asked int32) {
	t.Helper()
	pod, err := m.Verify(t.Context(), token)
	if got := errorText(err); got != wantErr || c.asked.Load() != asked {
		t.Errorf("error %q after %d, want %q after %d", got, c.asked.Load(), wantErr, asked)
	}
	if err == nil && pod.PodName != token {
		t.Errorf("token %q is of pod %q", token, pod.PodName)
	}
	if recalled := m.recall(token); (recalled != nil) != (err == nil) {
		t.Errorf("recalled %v", recalled)
	}
}

func TestMemory_RemembersUntilTheTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := acceptAll()
		m := Remember(c, MemoryOptions{Now: time.Now})
		wantAsked(t, m, c, "a", "", 1)
		time.Sleep(time.Hour - time.Nanosecond)
		wantAsked(t, m, c, "a", "", 1)
		wantAsked(t, m, c, "b", "", 2)
		time.Sleep(time.Nanosecond)
		if m.recall("a") != nil {
			t.Error("an expired token is recalled")
		}
		wantAsked(t, m, c, "a", "", 3)
	})
}

// Checks 49 and 50 of container-credentials-reference section 11.
func TestMemory_RemembersUntilTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := acceptAll()
		m := Remember(c, MemoryOptions{Limit: time.Minute, Remote: true, Now: time.Now})
		wantAsked(t, m, c, "a", "", 1)
		c.do = func(string) (*Claims, error) { return nil, errors.New("API server is away") }
		time.Sleep(time.Minute - time.Nanosecond)
		wantAsked(t, m, c, "a", "", 1)
		time.Sleep(time.Nanosecond)
		wantAsked(t, m, c, "a", "API server is away", 2)
		wantAsked(t, m, c, "a", "API server is away", 3) // a failure is not remembered
		c.do = func(string) (*Claims, error) { return nil, &Refusal{"the pod is gone"} }
		wantAsked(t, m, c, "a", "the pod is gone", 4)
	})
}

func TestMemory_CountsTheLimitFromWhenItAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{do: func(token string) (*Claims, error) {
			time.Sleep(500 * time.Millisecond)
			return podOf(token), nil
		}}
		m := Remember(c, MemoryOptions{Limit: time.Minute, Now: time.Now})
		wantAsked(t, m, c, "a", "", 1)
		time.Sleep(time.Minute - 500*time.Millisecond)
		wantAsked(t, m, c, "a", "", 2)
	})
}

func TestMemory_SharesAVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &counting{do: func(token string) (*Claims, error) { <-release; return podOf(token), nil }}
		m := Remember(c, MemoryOptions{Now: time.Now})
		gone, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := m.Verify(gone, "a"); !errors.Is(err, context.Canceled) {
				t.Errorf("the client that is gone got %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			group.Go(func() {
				if pod, err := m.Verify(t.Context(), "a"); err != nil || pod.PodName != "a" {
					t.Errorf("got %v, %v", pod, err)
				}
			})
		}
		synctest.Wait()
		cancel() // the first client's end does not end the verification
		synctest.Wait()
		close(release)
		group.Wait()
		if got := c.asked.Load(); got != 1 {
			t.Errorf("verified %d times", got)
		}
	})
}

func TestMemory_VerificationGoesOnAfterItsRequest(t *testing.T) {
	token := good("nbf", nil)
	synctest.Test(t, func(t *testing.T) {
		c := &counting{do: func(string) (*Claims, error) {
			time.Sleep(2500 * time.Millisecond)
			return &Claims{Namespace: "shop", ServiceAccount: "web", Expires: time.Now().Add(time.Hour)}, nil
		}}
		h := NewHandler(discard(), &world{verifier: Remember(c, MemoryOptions{Remote: true, Now: time.Now}), source: valid(), now: time.Now})
		for i, want := range []struct {
			code int
			took time.Duration
		}{{503, maxWait}, {503, maxWait}, {200, 2500*time.Millisecond - 2*maxWait}, {200, 0}} {
			began := time.Now()
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
			r.Header.Set("Authorization", token)
			h(w, r)
			if took := time.Since(began); w.Code != want.code || took != want.took {
				t.Errorf("request %d: %d after %s: %s", i, w.Code, took, w.Body)
			}
		}
		if got := c.asked.Load(); got != 1 {
			t.Errorf("verified %d times", got)
		}
	})
}

func TestMemory_VerificationEnds(t *testing.T) {
	for _, tt := range []struct {
		remote bool
		wait   time.Duration
	}{{true, remoteWait}, {false, maxWait}} {
		synctest.Test(t, func(t *testing.T) {
			var took time.Duration
			hang := verifierFunc(func(ctx context.Context, _ string) (*Claims, error) {
				began := time.Now()
				<-ctx.Done()
				took = time.Since(began)
				return nil, ctx.Err()
			})
			m := Remember(hang, MemoryOptions{Remote: tt.remote, Now: time.Now})
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := m.Verify(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if took != tt.wait || len(m.running) != 0 || m.places.shared.free != sharedBurst {
				t.Errorf("remote %v: took %s, %d running, %v places", tt.remote, took, len(m.running), m.places.shared.free)
			}
		})
	}
}

func TestMemory_RemembersARefusalFromItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{do: func(string) (*Claims, error) { time.Sleep(4 * time.Second); return nil, &Refusal{"bad"} }}
		m := Remember(c, MemoryOptions{Remote: true, Now: time.Now})
		wantAsked(t, m, c, "a", "bad", 1)
		time.Sleep(refusalLife - time.Nanosecond)
		wantAsked(t, m, c, "a", "bad", 1)
	})
}

func TestMemory_ForgetsARefusalAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{do: func(string) (*Claims, error) { return nil, &Refusal{"bad"} }}
		m := Remember(c, MemoryOptions{Now: time.Now})
		wantAsked(t, m, c, "a", "bad", 1)
		time.Sleep(refusalLife - time.Nanosecond)
		wantAsked(t, m, c, "a", "bad", 1)
		time.Sleep(time.Nanosecond)
		wantAsked(t, m, c, "a", "bad", 2)
	})
}

func TestMemory_HoldsABoundedNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := acceptAll()
		m := Remember(c, MemoryOptions{Now: time.Now})
		for i := range maxRemembered {
			wantAsked(t, m, c, fmt.Sprint(i), "", int32(i+1))
		}
		time.Sleep(time.Hour)
		wantAsked(t, m, c, "new", "", maxRemembered+1)
		if len(m.valid) != 1 {
			t.Errorf("%d remembered: expired ones are to go first", len(m.valid))
		}
		for i := range 2 * maxRemembered {
			_, _ = m.Verify(t.Context(), fmt.Sprint(i))
		}
		if len(m.valid) != maxRemembered {
			t.Errorf("%d remembered", len(m.valid))
		}
	})
}

func TestMemory_SurvivesAPanic(t *testing.T) {
	m := Remember(&counting{do: func(string) (*Claims, error) { panic("oops") }}, MemoryOptions{Now: time.Now})
	if _, err := m.Verify(t.Context(), "a"); errorText(err) != "panic while verifying: oops" {
		t.Errorf("got %v", err)
	}
}

func TestMemory_HitAllocatesNothing(t *testing.T) {
	m := Remember(acceptAll(), MemoryOptions{Now: time.Now})
	token := strings.Repeat("x", 1200)
	if _, err := m.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { m.recall(token) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestHandler_RefusesATokenThatExpiresWhileItIsRemembered(t *testing.T) {
	now := start
	clock := func() time.Time { return now }
	c := &counting{do: func(token string) (*Claims, error) { return fixedJWKS(t, clock).Verify(t.Context(), token) }}
	h := NewHandler(discard(), &world{verifier: Remember(c, MemoryOptions{Now: clock}), source: valid(), now: clock})
	ask := func(token string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
		r.Header.Set("Authorization", token)
		h(w, r)
		return strings.TrimSpace(w.Body.String())
	}
	token := good()
	for range 3 {
		if got := ask(token); got != document {
			t.Errorf("got %s", got)
		}
	}
	now = start.Add(time.Hour)
	if got := ask(token); got != "Service account token failed basic claim validations: token is expired" {
		t.Errorf("got %s", got)
	}
	if got := c.asked.Load(); got != 1 {
		t.Errorf("verified %d times", got)
	}
}
