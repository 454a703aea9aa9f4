package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// throttling is an STS that answers rate calls a second, after latency, and throttles all others. Its providers issue
// credentials of an hour, whose key is the Spec's.
type throttling struct {
	latency time.Duration
	// allow decides on a call; it may keep state.
	allow func(now time.Time) bool

	mu        sync.Mutex // guards the fields below
	calls     []time.Time
	succeeded int
}

// fixedWindows allows rate calls in each second of the clock.
func fixedWindows(rate int) func(time.Time) bool {
	var second time.Time
	n := 0
	return func(now time.Time) bool {
		if s := now.Truncate(time.Second); !s.Equal(second) {
			second, n = s, 0
		}
		n++
		return n <= rate
	}
}

// tokenBucket allows a burst of rate calls, and rate a second on average.
func tokenBucket(rate int) func(time.Time) bool {
	tokens, last := float64(rate), time.Now()
	return func(now time.Time) bool {
		tokens = min(float64(rate), tokens+now.Sub(last).Seconds()*float64(rate))
		last = now
		if tokens < 1 {
			return false
		}
		tokens--
		return true
	}
}

func (s *throttling) provide(spec Spec) Provider {
	return providerFunc(func(ctx context.Context) (*Credentials, error) {
		s.mu.Lock()
		now := time.Now()
		allowed := s.allow(now)
		s.calls = append(s.calls, now)
		if allowed {
			s.succeeded++
		}
		s.mu.Unlock()
		select {
		case <-time.After(s.latency):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !allowed {
			return nil, throttled
		}
		return &Credentials{AccessKeyID: keyOf(spec), Expiration: time.Now().Add(time.Hour), LastUpdated: time.Now()}, nil
	})
}

var throttled = &Error{Code: CodeFailed, Message: "STS throttles", Temporary: true, Throttled: true}

func keyOf(s Spec) string { return fmt.Sprintf("%x", s.Key()) }

// sessions are Specs of n roles.
func sessions(n int) []Spec {
	specs := make([]Spec, n)
	for i := range specs {
		specs[i] = session(fmt.Sprint(i))
		specs[i].RefreshBefore = 25 * time.Minute
	}
	return specs
}

// poll asks as SDKs do, once a second after a temporary error.
func poll(t *testing.T, k *Keeper) *Credentials {
	for {
		c, err := k.Get(t.Context())
		if err == nil {
			return c
		}
		if e, ok := errors.AsType[*Error](err); !ok || !e.Temporary {
			t.Errorf("got %v", err)
			return nil
		}
		time.Sleep(time.Second)
	}
}

func TestColdFleet_EveryClientOfAThrottlingSTSIsServed(t *testing.T) {
	const roles, rate, longest = 1000, 50, 25 * time.Second
	for _, tt := range []struct {
		name  string
		allow func(int) func(time.Time) bool
		start time.Duration // within a second
		most  int           // throttled calls
	}{
		{name: "fixed windows", allow: fixedWindows, most: roles / 8},
		{name: "fixed windows, from the middle of one", allow: fixedWindows, start: 500 * time.Millisecond, most: roles / 8},
		{name: "token bucket", allow: tokenBucket, most: roles / 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sts := &throttling{latency: 100 * time.Millisecond, allow: tt.allow(rate)}
				p := NewPool(PoolOptions{Provide: sts.provide})
				specs := sessions(roles)
				eager := session("eager")
				p.Retain(nil, slices.Values(specs))
				p.Start(t.Context())
				defer p.Close()
				time.Sleep(tt.start)
				var clients sync.WaitGroup
				waited := make([]time.Duration, roles)
				for i, s := range specs {
					clients.Go(func() {
						time.Sleep(time.Duration(i) * time.Second / roles)
						asked := time.Now()
						if c := poll(t, p.Keeper(s)); c != nil && c.AccessKeyID != keyOf(s) {
							t.Errorf("client %d has another's credentials", i)
						}
						waited[i] = time.Since(asked)
					})
				}
				clients.Go(func() { // a reload in the middle
					time.Sleep(5 * time.Second)
					p.Retain([]Spec{eager}, slices.Values(specs))
					began := time.Now()
					poll(t, p.Keeper(eager))
					if took := time.Since(began); took > 2*time.Second {
						t.Errorf("the eager keeper has waited %v", took)
					}
				})
				clients.Wait()
				slices.Sort(waited)
				again := len(sts.calls) - sts.succeeded
				t.Logf("half were served within %v, all within %v; %d calls were throttled", waited[roles/2], waited[roles-1], again)
				if last := waited[roles-1]; last > longest {
					t.Errorf("a client has waited %v, want at most %v", last, longest)
				}
				if sts.succeeded != roles+1 || again > tt.most {
					t.Errorf("%d calls succeeded, want %d; %d were throttled, want at most %d", sts.succeeded, roles+1, again, tt.most)
				}
			})
		})
	}
}

func TestColdFleet_AHundredFirstRequestsOfTwoSpecsAreTwoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {lifetime: time.Hour, delay: 100 * time.Millisecond}, "b": {lifetime: time.Hour, delay: 100 * time.Millisecond}}
		p := poolOf(t, s)
		p.Retain(nil, slices.Values([]Spec{session("a"), session("b")}))
		start := time.Now()
		var clients sync.WaitGroup
		for i := range 100 {
			clients.Go(func() {
				if _, err := p.Keeper(session([]string{"a", "b"}[i%2])).Get(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		clients.Wait()
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		expectCalls(t, s["a"], 1)
		expectCalls(t, s["b"], 1)
	})
}

// TestColdFleet_RenewalsAreSpread has 1,000 roles that are all used each minute. Their first calls come within 20 s.
func TestColdFleet_RenewalsAreSpread(t *testing.T) {
	const roles, length = 1000, 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		sts := &throttling{latency: 100 * time.Millisecond, allow: tokenBucket(50)}
		p := NewPool(PoolOptions{Provide: sts.provide})
		p.Start(t.Context())
		defer p.Close()
		start := time.Now()
		keepers := make([]*Keeper, roles)
		for i, s := range sessions(roles) {
			keepers[i] = p.Keeper(s)
			if err := keepers[i].start(); err != nil {
				t.Error(err)
			}
		}
		for time.Since(start) < length {
			time.Sleep(time.Minute)
			for i, k := range keepers {
				if _, err := k.Get(t.Context()); err != nil {
					t.Fatalf("role %d after %v: %v", i, time.Since(start), err)
				}
			}
		}
		minutes := make([]int, length/time.Minute+1)
		for _, at := range sts.calls {
			minutes[at.Sub(start)/time.Minute]++
		}
		steady, sum := minutes[60:length/time.Minute], 0
		for _, n := range steady {
			sum += n
		}
		mean, busiest := float64(sum)/float64(len(steady)), slices.Max(steady)
		t.Logf("%.1f calls a minute, %d in the busiest", mean, busiest)
		if float64(busiest) > 2*mean {
			t.Errorf("the busiest minute has %d calls, more than twice the mean of %.1f", busiest, mean)
		}
	})
}

func TestColdFleet_SpecsThatDifferShareNothing(t *testing.T) {
	changes := map[string]func(*Spec){
		"nothing":      func(*Spec) {},
		"external id":  func(s *Spec) { s.ExternalID = "other" },
		"policy":       func(s *Spec) { s.Policy = "{}" },
		"policies":     func(s *Spec) { s.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"} },
		"tags":         func(s *Spec) { s.SessionTags = map[string]string{"team": "red"} },
		"session name": func(s *Spec) { s.SessionName = "other" },
		"region":       func(s *Spec) { s.Region = "eu-west-1" },
		"profile":      func(s *Spec) { s.Profile = "other" },
	}
	synctest.Test(t, func(t *testing.T) {
		sts := &throttling{allow: func(time.Time) bool { return true }}
		p := NewPool(PoolOptions{Provide: sts.provide})
		p.Start(t.Context())
		defer p.Close()
		got := map[string]string{}
		for range 2 {
			for name, change := range changes {
				s := session("a")
				change(&s)
				c, err := p.Keeper(s).Get(t.Context())
				if err != nil || c.AccessKeyID != keyOf(s) {
					t.Errorf("%s: got %v, %v", name, c, err)
					continue
				}
				if other, taken := got[c.AccessKeyID]; taken && other != name {
					t.Errorf("%s and %s share credentials", name, other)
				}
				got[c.AccessKeyID] = name
			}
		}
		if len(sts.calls) != len(changes) {
			t.Errorf("%d calls for %d Specs", len(sts.calls), len(changes))
		}
	})
}
