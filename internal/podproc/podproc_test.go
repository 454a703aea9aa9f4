package podproc

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var someAddress = netip.MustParseAddr("10.244.0.7")

// scanTime is how long a slowScan takes.
const scanTime = time.Second

// slowScan counts scans, and answers with the address after scanTime.
type slowScan struct {
	begun, stopped, running, most atomic.Int32
}

func (s *slowScan) scan(ctx context.Context, a netip.Addr) (string, *Witness, error) {
	s.begun.Add(1)
	now := s.running.Add(1)
	defer s.running.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	select {
	case <-time.After(scanTime):
		return a.String(), nil, nil
	case <-ctx.Done():
		s.stopped.Add(1)
		return "", nil, ctx.Err()
	}
}

func TestFind_OneScanIsForAllThatAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slowScan
		f := newFinder(s.scan)
		for range maxScans { // so that the scan cannot begin yet
			f.slots <- struct{}{}
		}
		var asking sync.WaitGroup
		for range 1000 {
			asking.Go(func() {
				if uid, _, err := f.Find(t.Context(), someAddress); uid != someAddress.String() || err != nil {
					t.Errorf("got %q, %v", uid, err)
				}
			})
		}
		synctest.Wait()
		<-f.slots
		asking.Wait()
		if got := s.begun.Load(); got != 1 {
			t.Errorf("%d scans, want 1", got)
		}
	})
}

func TestFind_AskedDuringAScanWaitsForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slowScan
		f := newFinder(s.scan)
		began := time.Now()
		took := make([]time.Duration, 100)
		var asking sync.WaitGroup
		for i := range took {
			asking.Go(func() {
				_, _, _ = f.Find(t.Context(), someAddress)
				took[i] = time.Since(began)
			})
			if i == 0 {
				synctest.Wait() // the first one's scan has begun
			}
		}
		asking.Wait()
		if took[0] != scanTime {
			t.Errorf("the first took %v, want %v", took[0], scanTime)
		}
		for i, d := range took[1:] {
			if d != 2*scanTime {
				t.Errorf("number %d took %v, want %v", i+1, d, 2*scanTime)
			}
		}
		if s.begun.Load() != 2 || s.most.Load() != 1 {
			t.Errorf("%d scans, %d at once, want 2, 1 at once", s.begun.Load(), s.most.Load())
		}
	})
}

func TestFind_AtMostFourScansRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slowScan
		f := newFinder(s.scan)
		var asking sync.WaitGroup
		next := someAddress
		for range 100 {
			address := next
			for range 10 {
				asking.Go(func() {
					if uid, _, err := f.Find(t.Context(), address); uid != address.String() || err != nil {
						t.Errorf("%v: got %q, %v", address, uid, err)
					}
				})
			}
			next = next.Next()
		}
		asking.Wait()
		if got := s.most.Load(); got != 4 {
			t.Errorf("%d scans at once, want 4", got)
		}
		if len(f.next) != 0 || len(f.last) != 0 || len(f.slots) != 0 {
			t.Errorf("it keeps %d, %d, %d of them", len(f.next), len(f.last), len(f.slots))
		}
	})
}

func TestFind_ScanStopsWhenTheLastHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slowScan
		f := newFinder(s.scan)
		for range maxScans {
			f.slots <- struct{}{}
		}
		var asking sync.WaitGroup
		for _, patience := range []time.Duration{scanTime / 4, scanTime / 2} {
			asking.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				began := time.Now()
				if _, _, err := f.Find(ctx, someAddress); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's error", err)
				}
				if waited := time.Since(began); waited != patience {
					t.Errorf("waited %v, want %v", waited, patience)
				}
			})
		}
		synctest.Wait()
		<-f.slots
		time.Sleep(scanTime / 3)
		if s.running.Load() != 1 {
			t.Error("the scan has stopped, though one still waits for it")
		}
		asking.Wait()
		synctest.Wait()
		if s.stopped.Load() != 1 || s.begun.Load() != 1 {
			t.Errorf("%d of %d scans stopped, want 1 of 1", s.stopped.Load(), s.begun.Load())
		}
		if uid, _, err := f.Find(t.Context(), someAddress); uid == "" || err != nil {
			t.Errorf("afterwards: %q, %v; the next scan must not be the stopped one", uid, err)
		}
	})
}

func TestFind_AbandonedBeforeItsTurnNeverScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slowScan
		f := newFinder(s.scan)
		for range maxScans {
			f.slots <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, _ = f.Find(ctx, someAddress)
		for range maxScans {
			<-f.slots
		}
		synctest.Wait()
		if s.begun.Load() != 0 || len(f.next) != 0 || len(f.last) != 0 {
			t.Errorf("%d scans began; it keeps %d, %d", s.begun.Load(), len(f.next), len(f.last))
		}
	})
}

func TestFind_AddressesOfNoPodAreNotLookedFor(t *testing.T) {
	f := newFinder(func(_ context.Context, a netip.Addr) (string, *Witness, error) {
		t.Errorf("a scan for %v", a)
		return "", nil, nil
	})
	for _, text := range []string{"127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1%eth0", "224.0.0.1", "ff02::1", "::ffff:127.0.0.1"} {
		if _, _, err := f.Find(t.Context(), netip.MustParseAddr(text)); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v, want %v", text, err, ErrNone)
		}
	}
	if _, _, err := f.Find(t.Context(), netip.Addr{}); !errors.Is(err, ErrNone) {
		t.Errorf("no address: %v, want %v", err, ErrNone)
	}
}

func TestFind_MappedAddressIsIPv4(t *testing.T) {
	f := newFinder(func(_ context.Context, a netip.Addr) (string, *Witness, error) { return a.String(), nil, nil })
	if got, _, err := f.Find(t.Context(), netip.MustParseAddr("::ffff:10.1.2.3")); got != "10.1.2.3" || err != nil {
		t.Errorf("looked for %q, %v", got, err)
	}
}

func TestFind_AbandonedSearchIsNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s slowScan
		f := newFinder(s.scan)
		for range maxScans {
			f.slots <- struct{}{}
		}
		var asking sync.WaitGroup
		asking.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, _, _ = f.Find(ctx, someAddress)
			// Its search has not seen yet that it is abandoned.
			if uid, _, err := f.Find(t.Context(), someAddress); uid != someAddress.String() || err != nil {
				t.Errorf("got %q, %v", uid, err)
			}
		})
		time.Sleep(2 * time.Second)
		for range maxScans {
			<-f.slots
		}
		asking.Wait()
	})
}
