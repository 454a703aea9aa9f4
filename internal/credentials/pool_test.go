package credentials

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scripts provides a scripted provider for each Spec, by session name.
type scripts map[string]*scripted

func (s scripts) provide(spec Spec) Provider { return s[spec.SessionName] }

func mocked(Spec) Provider { return &Mock{Lifetime: time.Hour, Now: time.Now} }

// poolOf makes a Pool that has begun and ends with the test. It is called within a bubble.
func poolOf(t *testing.T, s scripts) *Pool {
	t.Helper()
	p := NewPool(PoolOptions{Provide: s.provide})
	p.Start(t.Context())
	t.Cleanup(p.Close)
	return p
}

// session is the Spec of one session of a role.
func session(name string) Spec {
	return Spec{RoleARN: roleARN, SessionName: name, Duration: time.Hour, RefreshBefore: 15 * time.Minute}
}

func TestPool_EqualSpecsShareOneKeeper(t *testing.T) {
	p := NewPool(PoolOptions{Provide: mocked})
	if first, second := p.Keeper(fullSpec()), p.Keeper(fullSpec()); first != second {
		t.Error("two keepers of equal Specs")
	}
	if p.Keeper(session("a")) == p.Keeper(session("b")) {
		t.Error("one keeper of different Specs")
	}
}

func TestPool_KeeperRunsOnlyWhenRetainedAndStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"retained": {lifetime: time.Hour}, "made": {lifetime: time.Hour}}
		var reads atomic.Int32 // of the clock
		now := func() time.Time { reads.Add(1); return time.Now() }
		p := NewPool(PoolOptions{Provide: s.provide, Now: now})
		defer p.Close()
		made, retained := p.Keeper(session("made")), p.Keeper(session("retained"))
		p.Retain([]Spec{session("retained")}, nil)
		made2 := p.Keeper(session("made"))
		if made == made2 {
			t.Error("Retain has not forgotten a keeper that it was not given")
		}
		synctest.Wait()
		if state := retained.State(); state != (State{}) || reads.Load() > 0 {
			t.Errorf("before Start: %+v; the clock was read %d times", state, reads.Load())
		}
		p.Start(t.Context())
		synctest.Wait()
		if state := retained.State(); !state.Valid || state.Since.IsZero() {
			t.Errorf("the retained keeper does not run: %+v", state)
		}
		if got := s["made"].calls.Load(); got != 0 {
			t.Errorf("a keeper that is not retained makes %d calls", got)
		}
	})
}

func TestPool_RetainKeepsWhatStaysAndStopsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"stays": {lifetime: time.Hour}, "goes": {lifetime: time.Hour}, "comes": {lifetime: time.Hour}}
		p := poolOf(t, s)
		p.Retain([]Spec{session("stays"), session("goes")}, nil)
		stays, goes := p.Keeper(session("stays")), p.Keeper(session("goes"))
		synctest.Wait()
		p.Retain([]Spec{session("comes"), session("stays"), session("stays")}, nil)
		synctest.Wait()
		if p.Keeper(session("stays")) != stays {
			t.Error("a retained keeper has been replaced")
		}
		if !p.Keeper(session("comes")).State().Valid {
			t.Error("a new keeper does not run")
		}
		time.Sleep(59 * time.Minute)
		if got := s["goes"].calls.Load(); got != 1 {
			t.Errorf("a stopped keeper has made %d calls, want 1", got)
		}
		if got := s["stays"].calls.Load(); got < 2 {
			t.Errorf("a retained keeper has made %d calls, want at least 2", got)
		}
		if _, err := goes.Get(t.Context()); err != nil {
			t.Errorf("a stopped keeper before the expiry: %v", err)
		}
		time.Sleep(time.Minute)
		start := time.Now()
		_, err := goes.Get(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || !e.Temporary || time.Since(start) > answerWait {
			t.Errorf("a stopped keeper after the expiry: %v after %v, want a temporary error", err, time.Since(start))
		}
		if p.Keeper(session("goes")) == goes {
			t.Error("a stopped keeper is handed out again")
		}
	})
}

// TestPool_NewKeeperTakesOverFromSameHolder changes how credentials are got while STS is down.
func TestPool_NewKeeperTakesOverFromSameHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {lifetime: time.Hour}, "b": {err: transient}}
		p := poolOf(t, s)
		before, after, other := session("a"), session("a"), session("b")
		after.Region, after.RefreshBefore = "eu-west-1", time.Minute
		p.Retain([]Spec{before}, nil)
		synctest.Wait()
		want, err := p.Keeper(before).Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s["a"].set(transient)

		k := p.Keeper(after)
		if k.State().Valid {
			t.Error("two Specs in use share credentials")
		}
		for _, step := range []func(){func() { p.Retain([]Spec{after, other}, nil) }, synctest.Wait, func() { time.Sleep(59 * time.Minute) }} {
			step()
			if got, err := k.Get(t.Context()); got != want || err != nil {
				t.Fatalf("got %v, %v, want the credentials of the keeper before", got, err)
			}
		}
		if state := p.Keeper(other).State(); state.Valid {
			t.Errorf("another holder got them: %+v", state)
		}
	})
}

// TestPool_RetainTakesOverWhatCameMeanwhile has a keeper get its first credentials after its successor was made.
func TestPool_RetainTakesOverWhatCameMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {lifetime: time.Hour, delay: time.Second}}
		p := poolOf(t, s)
		before, after := session("a"), session("a")
		after.Duration = 2 * time.Hour
		p.Retain([]Spec{before}, nil)
		k := p.Keeper(after)
		time.Sleep(2 * time.Second)
		if k.State().Valid {
			t.Fatal("no time for credentials to come meanwhile")
		}
		s["a"] = nil // nothing is made of it any more
		p.Retain([]Spec{after}, nil)
		if !k.State().Valid {
			t.Errorf("not taken over: %+v", k.State())
		}
	})
}

func TestPool_TakesOverWhatExpiresLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := session("a"), session("a"), session("a")
		a.Duration, b.Duration, c.Duration = time.Hour, 3*time.Hour, 2*time.Hour
		p := NewPool(PoolOptions{Provide: func(s Spec) Provider { return &scripted{lifetime: s.Duration} }})
		p.Start(t.Context())
		defer p.Close()
		p.Retain([]Spec{a, b}, nil)
		synctest.Wait()
		want := p.Keeper(b).State().Expiration
		p.Retain(nil, nil)
		if got := p.Keeper(c).State().Expiration; !got.Equal(want) {
			t.Errorf("until %v, want %v", got, want)
		}
	})
}

func TestPool_CloseWaitsForCallsAndEndsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {delay: time.Hour}, "b": {delay: time.Hour}, "late": {}}
		p := NewPool(PoolOptions{Provide: s.provide})
		p.Start(t.Context())
		p.Retain([]Spec{session("a"), session("b")}, nil)
		synctest.Wait()
		p.Retain([]Spec{session("b")}, nil)
		p.Close()
		for name, script := range s {
			if n := script.running.Load(); n != 0 {
				t.Errorf("%s: %d calls under way after Close", name, n)
			}
		}
		p.Close()
		p.Start(t.Context())
		p.Retain([]Spec{session("late")}, nil)
		synctest.Wait()
		if got := s["late"].calls.Load(); got != 0 {
			t.Errorf("%d calls after Close", got)
		}
	})
}

func TestPool_EndOfContextStopsKeepers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {lifetime: time.Hour}, "late": {}}
		p := NewPool(PoolOptions{Provide: s.provide})
		ctx, cancel := context.WithCancel(t.Context())
		p.Start(ctx)
		p.Retain([]Spec{session("a")}, nil)
		synctest.Wait()
		cancel()
		p.Retain([]Spec{session("a"), session("late")}, nil)
		time.Sleep(2 * time.Hour)
		if a, late := s["a"].calls.Load(), s["late"].calls.Load(); a != 1 || late != 0 {
			t.Errorf("%d and %d calls, want 1 and 0", a, late)
		}
		p.Close()
	})
}

func TestPool_CloseBeforeStart(t *testing.T) {
	p := NewPool(PoolOptions{Provide: mocked})
	k := p.Keeper(session("a"))
	p.Retain([]Spec{session("a")}, nil)
	p.Close()
	p.Start(t.Context())
	if state := k.State(); state != (State{}) {
		t.Errorf("a keeper runs after Close: %+v", state)
	}
}

func TestPool_NeedsMFASaysWhichKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := map[*Keeper]string{}
		p := NewPool(PoolOptions{
			NeedsMFA: func(k *Keeper, n *NeedsMFA) { told[k] += n.Serial },
			Provide: func(s Spec) Provider {
				if s.MFASerial == "" {
					return &scripted{lifetime: time.Hour}
				}
				return &guarded{lifetime: time.Hour}
			},
		})
		p.Start(t.Context())
		defer p.Close()
		with, without := session("with"), session("without")
		with.MFASerial = "device"
		p.Retain([]Spec{with, without}, nil)
		synctest.Wait()
		k := p.Keeper(with)
		if len(told) != 1 || told[k] != "device" {
			t.Fatalf("told %v, want the device of one keeper", told)
		}
		if err := k.Answer(t.Context(), "123456"); err != nil || !k.State().Valid {
			t.Errorf("answered: %v, %+v", err, k.State())
		}
	})
}

// TestPool_ConcurrentUse is for the race detector: readers of an old and a new state, and changes.
func TestPool_ConcurrentUse(t *testing.T) {
	p := NewPool(PoolOptions{Provide: mocked})
	p.Start(t.Context())
	specs := []Spec{session("a"), session("b"), session("c")}
	other := session("a")
	other.Region = "eu-west-1"
	specs = append(specs, other)
	var users sync.WaitGroup
	for i := range 4 {
		users.Go(func() {
			for n := range 100 {
				p.Retain(specs[(i+n)%len(specs):], nil)
				k := p.Keeper(specs[(i+n)%len(specs)])
				k.State()
				k.Retry()
			}
		})
		users.Go(func() {
			k := p.Keeper(specs[i])
			for range 100 {
				k.State()
				k.Ended()
			}
		})
	}
	users.Wait()
	p.Close()
}
