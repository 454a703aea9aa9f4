package credentials

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// collect makes the garbage collector take what nobody holds. A stack that was interrupted may hold something for one more round.
func collect() {
	runtime.GC()
	runtime.GC()
}

// Pods come and go, and each has a session of its own.
func TestPool_ForgetsKeepersOnceTheyHaveEnded(t *testing.T) {
	var p *Pool
	synctest.Test(t, func(t *testing.T) {
		p = NewPool(PoolOptions{Provide: mocked})
		p.Start(t.Context())
		defer p.Close()
		p.Retain([]Spec{session("eager")}, nil)
		for i := range 1000 {
			if _, err := p.Keeper(session(fmt.Sprint(i))).Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		collect()
		if got := len(p.Keepers()); got != 1001 {
			t.Errorf("%d keepers, want all that run", got)
		}
		time.Sleep(2 * time.Hour) // some are renewed once
		synctest.Wait()
		collect()
		if got, running := len(p.Keepers()), goroutines(); got != 1 || running != 1 {
			t.Errorf("%d keepers and %d goroutines after their credentials have expired", got, running)
		}
	})
	testutil.Eventually(t, "the members of the other keepers are gone", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.members) == 1
	})
}

func TestPool_KeeperThatRunsIsFoundAgainThoughNobodyHoldsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {lifetime: time.Hour}}
		p := poolOf(t, s)
		want := func() *Credentials {
			k := p.Keeper(session("a"))
			k.schedule.jitter = func(_, to time.Duration) time.Duration { return to - 10*time.Minute }
			c, err := k.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return c
		}()
		for _, at := range []time.Duration{0, 50 * time.Minute} { // in use, at rest
			time.Sleep(at)
			synctest.Wait()
			collect()
			k := p.Keeper(session("a"))
			k.mu.RLock()
			if k.current != want {
				t.Errorf("after %v: another keeper", at)
			}
			k.mu.RUnlock()
		}
		expectCalls(t, s["a"], 1)
	})
}

// An identity holds a keeper for as long as the configuration stays. Another identity may have the same Spec.
func TestPool_HeldKeeperIsTheOnlyOneOfItsSpec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripts{"a": {lifetime: time.Hour}}
		p := poolOf(t, s)
		held := p.Keeper(session("a"))
		held.schedule.jitter = func(_, to time.Duration) time.Duration { return to - 10*time.Minute }
		for call := range int32(3) {
			collect()
			if p.Keeper(session("a")) != held {
				t.Fatal("a second keeper")
			}
			if _, err := held.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour) // it ends
			expectCalls(t, s["a"], call+1)
		}
		p.Retain(nil, slices.Values([]Spec{session("a")}))
		if p.Keeper(session("a")) != held {
			t.Error("Retain has replaced it")
		}
	})
}

func TestPool_KeeperThatNobodyHasAskedIsForgotten(t *testing.T) {
	p := NewPool(PoolOptions{Provide: mocked})
	p.Keeper(session("a"))
	p.Retain([]Spec{session("eager")}, nil)
	p.Retain([]Spec{session("eager")}, slices.Values([]Spec{session("a")}))
	p.Keeper(session("a"))
	collect()
	if got := len(p.Keepers()); got != 1 {
		t.Errorf("%d keepers, want the eager one", got)
	}
	p.Retain(nil, slices.Values([]Spec{session("eager")}))
	collect()
	if got := len(p.Keepers()); got != 0 {
		t.Errorf("%d keepers when none is eager", got)
	}
}

// The garbage collector tells of a keeper's end later, when its Spec may have a new one.
func TestPool_EndOfAKeeperLeavesItsSuccessor(t *testing.T) {
	p := NewPool(PoolOptions{Provide: mocked})
	k := p.Keeper(session("a"))
	p.forget(session("a").Key())
	if p.Keeper(session("a")) != k {
		t.Error("forgotten")
	}
	p.forget(session("never").Key())
}
