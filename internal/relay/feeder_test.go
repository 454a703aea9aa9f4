package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

func TestRelay_PodsOfARoleOnThreeNodesShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := []*node{newNode("n1"), newNode("n2"), newNode("n3")}
		l := newLaptop(t, nodes...)
		l.bank.delay = 2 * time.Second
		l.start(t)
		var pods sync.WaitGroup
		for i := range 50 {
			pods.Go(func() { expectCredentials(t, nodes[i%3], time.Hour-2*time.Second) })
		}
		pods.Wait()
		l.expectCalls(t, 1)
		if got := l.told(EventGave); len(got) != 50 || !strings.HasPrefix(got[0], `pod "shop/cart" on node "n`) || !strings.Contains(got[0], " got role "+roleA+" until ") {
			t.Errorf("told %q", got)
		}
	})
}

func TestRelay_ThousandWishesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.decide = func(w Wish) (credentials.Spec, error) { return specOf(w.Subject.Node, w.Subject.Pod.Name, w.Role), nil }
		l.bank.delay = 100 * time.Millisecond
		l.start(t)
		var pods sync.WaitGroup
		for i := range 1000 {
			pods.Go(func() {
				if _, err := n.get(t.Context(), "cart", fmt.Sprintf("%s%d", roleA, i)); err != nil {
					t.Error(err)
				}
			})
		}
		pods.Wait()
		l.expectCalls(t, 1000)
		if len(n.hub.pending) != 0 {
			t.Errorf("%d wishes are still pending", len(n.hub.pending))
		}
	})
}

// The keeper of a node that is handed credentials with less than twice refresh_before left would serve them below refresh_before.
func TestRelay_KeepersOfNodesStayAboveRefreshBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := []*node{newNode("n1"), newNode("n2"), newNode("n3")}
		l := newLaptop(t, nodes...)
		l.start(t)
		var keepers []*credentials.Keeper
		for _, n := range nodes {
			pool := credentials.NewPool(credentials.PoolOptions{Provide: n.hub.Provider})
			pool.Start(t.Context())
			defer pool.Close()
			keepers = append(keepers, pool.Keeper(specOf(n.name, "cart", roleA)))
		}
		for range 24 * 60 {
			for _, k := range keepers {
				c, err := k.Get(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if left := time.Until(c.Expiration); left < 25*time.Minute-time.Second {
					t.Fatalf("handed out with %v left", left)
				}
			}
			time.Sleep(time.Minute)
		}
		if got := l.bank.calls.Load(); got > 6*24 {
			t.Errorf("%d calls of STS a day", got)
		}
	})
}

func TestRelay_LostStreamIsBackWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.start(t)
		expectCredentials(t, n, time.Hour)
		for range 5 {
			n.cut()
			synctest.Wait()
			if s := n.hub.Status(); s.Connected || s.LastError != "relay: the other end closed the stream" || !s.Since.Equal(time.Now()) {
				t.Errorf("after the loss: %+v", s)
			}
			time.Sleep(10 * time.Second)
			if s := n.hub.Status(); !s.Connected || s.LastError != "" {
				t.Errorf("10 s later: %+v", s)
			}
			expectCredentials(t, n, 50*time.Minute)
		}
		l.expectCalls(t, 1)
		if got := n.connected.Load(); got != 6 {
			t.Errorf("Connected was called %d times, want 6", got)
		}
	})
}

func TestRelay_RestartedDaemonCausesNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.start(t)
		expectCredentials(t, n, time.Hour)
		n.cut()
		next := newNode("n1")
		next.pod = "another-pod"
		l.add(next)
		time.Sleep(10 * time.Second)
		expectCredentials(t, next, 59*time.Minute)
		l.expectCalls(t, 1)
	})
}

func TestRelay_RestartedLaptopIsNotAskedForWhatIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		first := newLaptop(t, n)
		first.start(t)
		pool := credentials.NewPool(credentials.PoolOptions{Provide: n.hub.Provider})
		pool.Start(t.Context())
		defer pool.Close()
		k := pool.Keeper(specOf("n1", "cart", roleA))
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := newLaptop(t, n)
		second.start(t)
		time.Sleep(10 * time.Minute)
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		first.expectCalls(t, 1)
		second.expectCalls(t, 0)
	})
}

func TestFeeder_BacksOffUpToTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		n.refuse(errors.New("connection refused"))
		l.start(t)
		time.Sleep(500 * time.Millisecond)
		if got := l.dials.Load(); got != 2 {
			t.Errorf("%d dials in 0.5 s, want 2", got)
		}
		time.Sleep(10 * time.Minute)
		if got := l.dials.Load(); got < 60 || got > 130 {
			t.Errorf("%d dials in 10 minutes, want one each 5 to 10 s", got)
		}
		if got := l.told(EventLost); !slices.Equal(got, []string{`node "n1": not connected: connection refused`}) {
			t.Errorf("told %q", got)
		}
		n.refuse(nil)
		time.Sleep(10*time.Second + time.Minute)
		if !n.hub.Status().Connected {
			t.Error("not connected")
		}
		before := l.dials.Load()
		n.cut() // after a minute of life the pauses are short again
		time.Sleep(500 * time.Millisecond)
		if got := l.dials.Load() - before; got != 1 {
			t.Errorf("%d dials within 0.5 s, want 1", got)
		}
	})
}

func TestFeeder_DialsAtOnceAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.start(t)
		l.asleep.Add(int64(time.Hour))
		time.Sleep(clockCheck)
		synctest.Wait()
		if got := l.dials.Load(); got != 2 || !n.hub.Status().Connected {
			t.Errorf("%d dials, %+v", got, n.hub.Status())
		}
		n.refuse(errors.New("no network yet"))
		n.cut()
		time.Sleep(5 * time.Minute)
		n.refuse(nil)
		before := l.dials.Load()
		l.asleep.Add(int64(time.Hour)) // during a pause
		time.Sleep(clockCheck)
		synctest.Wait()
		if got := l.dials.Load() - before; got != 1 || !n.hub.Status().Connected {
			t.Errorf("%d dials, %+v", got, n.hub.Status())
		}
	})
}

func TestFeeder_FindsNewNodesAndForgetsOldOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newNode("n1"), newNode("n2")
		l := newLaptop(t, one)
		l.down = errors.New("the API is away")
		l.start(t)
		time.Sleep(time.Minute)
		if got := l.told(EventNodes); !slices.Equal(got, []string{"cannot list the nodes: the API is away"}) {
			t.Errorf("told %q", got)
		}
		l.mu.Lock()
		l.down = nil
		l.mu.Unlock()
		time.Sleep(longestPause)
		l.add(two)
		time.Sleep(listEvery)
		if !one.hub.Status().Connected || !two.hub.Status().Connected {
			t.Error("not connected")
		}
		l.mu.Lock()
		delete(l.nodes, "n1")
		l.mu.Unlock()
		one.cut()
		time.Sleep(2 * goneAfter)
		before := l.dials.Load()
		time.Sleep(time.Hour)
		if got := l.dials.Load() - before; got != 0 {
			t.Errorf("%d dials of a node that is gone", got)
		}
		l.add(one) // as a node that is started again
		time.Sleep(listEvery)
		if !one.hub.Status().Connected {
			t.Error("not connected again")
		}
	})
}

// hang dials until it is given up.
func hang(ctx context.Context, _ Node) (io.ReadWriteCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestFeeder_SlowDialIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLaptop(t, newNode("n1"))
		l.opt.Dial = hang
		l.start(t)
		time.Sleep(time.Minute)
		if got := l.told(EventLost); !slices.Equal(got, []string{`node "n1": not connected: relay: no stream to the pod within 30s`}) {
			t.Errorf("told %q", got)
		}
	})
}
