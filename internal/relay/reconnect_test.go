package relay

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

func TestHub_ReconnectRepeatsWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		m := newManual(t, n.hub, greet("one"))
		wish := asking(t, n, "cart")
		m.expectLine(`{"id":1,`)
		half := goodAnswer("1", "half")
		_, _ = io.WriteString(m.conn, half[:len(half)/2]) // cut in the middle of a line
		_ = m.conn.Close()
		m.expectEnd(errCut.Error())
		for range 3 {
			time.Sleep(reconnectWait - time.Second)
			m = newManual(t, n.hub, greet("one"))
			m.expectLine(`{"id":1,"want":`)
			_ = m.conn.Close()
			synctest.Wait()
		}
		m = newManual(t, n.hub, greet("one"))
		m.expectLine(`{"id":1,"want":`)
		time.Sleep(reconnectWait)
		m.say(goodAnswer("1", "whole"))
		if a := <-wish; a.err != nil || a.credentials.AccessKeyID != "whole" {
			t.Errorf("got %v", a.err)
		}
	})
}

func TestHub_WishesFailWhenTheLaptopStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		m := newManual(t, n.hub, greet("one"))
		wish := asking(t, n, "cart")
		m.expectLine(`{"id":1,`)
		_ = m.conn.Close()
		began := time.Now()
		if a := <-wish; a.err == nil || a.err.Message != startUp || time.Since(began) != reconnectWait {
			t.Errorf("got %v after %v", a.err, time.Since(began))
		}
	})
}

func TestHub_WishThatNobodyWaitsForIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		m := newManual(t, n.hub, greet("one"))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := n.get(ctx, "cart", roleA)
			ended <- err
		}()
		m.expectLine(`{"id":1,`)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		m.expectLine(`{"drop":1}`)
		m.say(goodAnswer("1", "late"))
		if len(n.hub.pending) != 0 {
			t.Error("still pending")
		}
	})
}

func TestFeeder_DroppedWishIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.bank.delay = 5 * time.Second
		l.start(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.get(ctx, "cart", roleA)
		expectError(t, err, true, "the laptop has not answered in time; see what its `mock-ec2-metadata-kube up` says")
		time.Sleep(time.Minute)
		if got := l.told(EventGave); len(got) != 0 {
			t.Errorf("told %q", got)
		}
		expectCredentials(t, n, 59*time.Minute)
		l.expectCalls(t, 1) // the call outlived the wish
	})
}

func TestFeeder_CutStreamDoesNotEndTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.bank.delay = 3 * time.Second
		l.start(t)
		wish := asking(t, n, "cart")
		n.cut()
		time.Sleep(firstPause)
		if synctest.Wait(); !n.hub.Status().Connected {
			t.Error("the call holds up the next stream")
		}
		if a := <-wish; a.err != nil {
			t.Error(a.err)
		}
		l.expectCalls(t, 1)
	})
}

func TestHub_NewerLaptopReplacesTheOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newNode("n1"), newNode("n2")
		older, newer := newLaptop(t, one, two), newLaptop(t, one, two)
		olderEnds, newerEnds := older.start(t), newer.start(t)
		select {
		case err := <-olderEnds:
			if !errors.Is(err, ErrReplaced) || !strings.HasPrefix(err.Error(), ErrReplaced.Error()+` (node "n`) {
				t.Errorf("the older ends with %v", err)
			}
		case <-time.After(time.Second):
			t.Fatal("the older goes on")
		}
		time.Sleep(time.Hour)
		select {
		case err := <-newerEnds:
			t.Fatalf("the newer ends with %v", err)
		default:
		}
		expectCredentials(t, one, time.Hour)
		expectCredentials(t, two, 50*time.Minute)
		older.expectCalls(t, 0)
		newer.expectCalls(t, 1)
	})
}

// A laptop that slept while another one took its place has not heard of it.
func TestHub_ReplacedLaptopDoesNotTakeItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		asleep := newManual(t, n.hub, greet("older"))
		_ = asleep.conn.Close()
		synctest.Wait()
		newer := newManual(t, n.hub, greet("newer"))
		back := newManual(t, n.hub, greet("older"))
		back.expectLine(`{"bye":{"why":"replaced","text":"relay: another `)
		if err := <-back.ended; err == nil || !n.hub.Status().Connected {
			t.Errorf("got %v, %+v", err, n.hub.Status())
		}
		wish := asking(t, n, "cart")
		newer.expectLine(`{"id":1,`)
		_ = newer.conn.Close()
		synctest.Wait()
		back = newManual(t, n.hub, greet("older")) // now no other laptop is there
		back.expectLine(`{"id":1,`)
		back.say(goodAnswer("1", "k"))
		if a := <-wish; a.err != nil {
			t.Error(a.err)
		}
	})
}

func TestHub_SameLaptopAgainIsNoRival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		_ = newManual(t, n.hub, greet("one")) // half open: its end was not noticed
		for range 3 {
			_ = newManual(t, n.hub, greet("one"))
			if !n.hub.Status().Connected {
				t.Error("not connected")
			}
		}
	})
}

func TestFeeder_AnotherProtocolIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.opt.Dial = func(context.Context, Node) (io.ReadWriteCloser, error) {
			return playback(`{"hello":{"protocol":7,"version":"0.1"}}` + "\n"), nil
		}
		l.start(t)
		time.Sleep(time.Minute)
		want := `node "n1": not connected: relay: mock-ec2-metadata-kube is "laptop-version" (protocol 1) on the laptop and "0.1" (protocol 7) in the pod; run up again with one version`
		if got := l.told(EventLost); len(got) != 1 || got[0] != want {
			t.Errorf("told %q\nwant %q", got, want)
		}
	})
}

// playback is an end that has said all it will say, and takes all that it is told.
func playback(lines string) io.ReadWriteCloser {
	return struct {
		io.Reader
		io.Writer
		io.Closer
	}{strings.NewReader(lines), io.Discard, io.NopCloser(nil)}
}

func TestHub_LaptopThatNeverAnswersIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		m := newManual(t, n.hub, greet("one"))
		wish := asking(t, n, "cart")
		m.expectLine(`{"id":1,`)
		for range 2 {
			time.Sleep(pingEvery - time.Second)
			m.say(`{"ping":true}`)
			m.expectLine(`{"ping":true}`)
		}
		a := <-wish
		expectError(t, a.err, true, "the laptop has not answered in time; see what its `mock-ec2-metadata-kube up` says")
		if !n.hub.Status().Connected {
			t.Error("pings do not count")
		}
	})
}

func TestRelay_ValidCredentialsOutliveTheLaptop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		synctest.Wait()
		pool := credentials.NewPool(credentials.PoolOptions{Provide: n.hub.Provider})
		n.hub.opt.Connected = pool.Retry
		pool.Start(t.Context())
		defer pool.Close()
		k := pool.Keeper(specOf("n1", "cart", roleA))
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		for range 59 {
			time.Sleep(time.Minute)
			if _, err := k.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		_, err := k.Get(t.Context())
		expectError(t, err, true, startUp)
		time.Sleep(10 * time.Minute)
		newLaptop(t, n).start(t)
		if !k.State().Valid {
			t.Errorf("the keeper is not told of the laptop: %+v", k.State())
		}
	})
}

func TestFeeder_SilentPodIsDialedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLaptop(t, newNode("n1"))
		l.opt.Dial = func(context.Context, Node) (io.ReadWriteCloser, error) {
			l.dials.Add(1)
			return newEndless(`{"hello":{"protocol":1}}` + "\n"), nil
		}
		l.start(t)
		time.Sleep(missedPings*pingEvery + firstPause)
		synctest.Wait()
		if got := l.told(EventLost); l.dials.Load() != 2 || len(got) != 1 || got[0] != `node "n1": not connected: `+errSilent.Error() {
			t.Errorf("%d dials, told %q", l.dials.Load(), got)
		}
	})
}

func TestFeeder_WishesThatAreNoneEndTheStream(t *testing.T) {
	for _, lines := range []string{`{"want":{"role":"r"}}`, `{"id":1,"want":{"role":"` + roleA + `"}}` + "\n" + `{"id":1,"want":{"role":"r"}}`} {
		synctest.Test(t, func(t *testing.T) {
			l := newLaptop(t)
			l.bank.delay = time.Second
			_, err := l.serve(t.Context(), Node{Name: "n1"}, newEndless(`{"hello":{"protocol":1}}`+"\n"+lines+"\n"))
			if !errors.Is(err, errGarbage) {
				t.Errorf("%s: %v", lines, err)
			}
		})
	}
}

func TestFeeder_TooManyWishesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.bank.delay = 20 * time.Second
		l.start(t)
		refused := atomic.Int32{}
		var wishes sync.WaitGroup
		for range mostWishes + 10 {
			wishes.Go(func() {
				_, err := n.get(t.Context(), "cart", roleA)
				if err != nil && err.Error() == "the node has 4096 wishes under way; retry" {
					refused.Add(1)
				}
			})
		}
		wishes.Wait()
		if got := refused.Load(); got != 10 {
			t.Errorf("%d are refused, want 10", got)
		}
	})
}
