package credentials

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnDemand_MovesBetweenTheListsOfRetain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		pool, k := onDemandPool(t, s)
		eager, onDemand := []Spec{session("a")}, slices.Values([]Spec{session("b"), session("a")})
		pool.Retain(eager, onDemand)
		expectCalls(t, s, 1)
		time.Sleep(24*time.Hour + time.Minute)
		calls := s.calls.Load()
		if calls < 24 {
			t.Errorf("%d calls of an eager keeper in a day", calls)
		}
		pool.Retain(nil, onDemand)
		time.Sleep(46 * time.Minute)
		expectIdle(t, k, true)
		expectCalls(t, s, calls)
		pool.Retain(eager, nil) // it rests with valid credentials
		expectCalls(t, s, calls+1)
		expectIdle(t, k, false)
		if pool.Keeper(session("a")) != k {
			t.Error("another keeper")
		}
	})
}

func TestOnDemand_RemovedSpecStopsAtOnceAndOthersCallNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"goes": {lifetime: time.Hour, delay: time.Second}, "stays": {lifetime: time.Hour}, "idle": {lifetime: time.Hour}}
		p := poolOf(t, s)
		all := []Spec{session("goes"), session("stays"), session("idle")}
		p.Retain(nil, slices.Values(all))
		goes, stays, idle := p.Keeper(all[0]), p.Keeper(all[1]), p.Keeper(all[2])
		if _, err := stays.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _ = goes.Get(ctx)
		p.Retain(nil, slices.Values(all[1:]))
		synctest.Wait()
		if got := s["goes"].running.Load(); got != 0 {
			t.Errorf("%d calls under way", got)
		}
		if _, err := goes.Get(t.Context()); err == nil {
			t.Error("a stopped keeper gets credentials")
		}
		p.Retain(nil, slices.Values(all[1:]))
		expectCalls(t, s["goes"], 1)
		expectCalls(t, s["stays"], 1)
		expectCalls(t, s["idle"], 0)
		if p.Keeper(all[1]) != stays || p.Keeper(all[2]) != idle {
			t.Error("a retained keeper has been replaced")
		}
	})
}

// A reload gives a role another duration while no client asks. The first client after it finds the old credentials.
func TestOnDemand_SuccessorTakesOverFromAForgottenKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {lifetime: time.Hour}}
		p := poolOf(t, s)
		before, after, other := session("a"), session("a"), session("a")
		after.Duration, other.Policy = 2*time.Hour, "{}"
		want, err := p.Keeper(before).Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s["a"].set(transient)
		for range 2 {
			p.Retain(nil, slices.Values([]Spec{after, other}))
		}
		k := p.Keeper(after)
		if got, err := k.Get(t.Context()); got != want {
			t.Errorf("got %v, %v", got, err)
		}
		expectCalls(t, s["a"], 2) // and it renews them
		if p.Keeper(other).State().Valid {
			t.Error("another holder got them")
		}
		p.Retain(nil, nil)
		time.Sleep(time.Hour)
		p.Retain(nil, nil)
		if n := len(p.stopped) + len(p.members); n > 0 {
			t.Errorf("%d members are kept after the expiry", n)
		}
	})
}

// The profile may have changed between the two reloads. A reload at once keeps the credentials, as ever.
func TestRetain_OwnCredentialsOfAProfileDoNotComeBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		role string
		want bool
	}{{"profile", "", false}, {"role", roleARN, true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPool(PoolOptions{Provide: func(Spec) Provider { return &scripted{lifetime: time.Hour} }})
				p.Start(t.Context())
				defer p.Close()
				before, after := session("a"), session("a")
				before.RoleARN, after.RoleARN, after.Region = tt.role, tt.role, "eu-west-1"
				p.Retain([]Spec{before}, nil)
				synctest.Wait()
				k := p.Keeper(after)
				p.Retain([]Spec{after}, nil)
				if !k.State().Valid {
					t.Error("not taken over at once")
				}
				p.Retain([]Spec{session("b")}, nil)
				if got := p.Keeper(before).State().Valid; got != tt.want {
					t.Errorf("taken over after another reload: %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestRetain_TenThousandOnDemandSpecsAreCheap(t *testing.T) {
	specs := make([]Spec, 10_000)
	for i := range specs {
		specs[i] = fullSpec()
		specs[i].SessionName = fmt.Sprint(i)
	}
	p := NewPool(PoolOptions{Provide: mocked})
	last := p.Keeper(specs[len(specs)-1]) // so that all are looked at
	var seen int
	counted := iter.Seq[Spec](func(yield func(Spec) bool) {
		for _, s := range specs {
			if seen++; !yield(s) {
				return
			}
		}
	})
	start := time.Now()
	p.Retain(nil, counted)
	t.Logf("%v for %d Specs", time.Since(start), seen)
	if seen != len(specs) || len(p.members) != 1 || p.Keeper(specs[len(specs)-1]) != last {
		t.Errorf("%d Specs seen, %d keepers", seen, len(p.members))
	}
}

func BenchmarkRetain(b *testing.B) {
	specs := make([]Spec, 10_000)
	for i := range specs {
		specs[i] = fullSpec()
		specs[i].SessionName = fmt.Sprint(i)
	}
	p := NewPool(PoolOptions{Provide: mocked, Log: slog.New(slog.DiscardHandler)})
	p.Keeper(specs[len(specs)-1])
	b.ReportAllocs()
	for b.Loop() {
		p.Retain(nil, slices.Values(specs))
	}
}

func TestPool_RetryCallsAtOnceAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {err: denied, lifetime: time.Hour}, "b": {err: denied, lifetime: time.Hour}, "idle": {}}
		p := poolOf(t, s)
		p.Retain([]Spec{session("a")}, slices.Values([]Spec{session("b"), session("idle")}))
		p.Keeper(session("idle"))
		_, _ = p.Keeper(session("b")).Get(t.Context())
		synctest.Wait()
		for _, one := range s {
			one.set(nil)
		}
		p.Retry()
		expectCalls(t, s["a"], 2)
		expectCalls(t, s["b"], 2)
		expectCalls(t, s["idle"], 0)
	})
}
