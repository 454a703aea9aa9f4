package credentials

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// expectFresh fails the test unless Fresh returns credentials with at least that much time left.
func expectFresh(t *testing.T, k *Keeper, atLeast, want time.Duration) {
	t.Helper()
	c, err := k.Fresh(t.Context(), atLeast)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(c.Expiration); left < want {
		t.Errorf("%v left, want at least %v", left, want)
	}
}

func TestFresh_ManyCallersShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{delay: 3 * time.Second, lifetime: time.Hour}
		_, k := onDemandPool(t, s)
		for _, calls := range []int32{1, 2} {
			var callers sync.WaitGroup
			for range 1000 {
				callers.Go(func() { expectFresh(t, k, 50*time.Minute, 50*time.Minute) })
			}
			callers.Wait()
			expectCalls(t, s, calls)
			time.Sleep(11 * time.Minute) // of an hour, too little is left then
		}
	})
}

func TestFresh_EnoughLeftCallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		_, k := onDemandPool(t, s)
		expectFresh(t, k, 30*time.Minute, time.Hour)
		time.Sleep(29 * time.Minute)
		expectFresh(t, k, 30*time.Minute, 31*time.Minute)
		expectCalls(t, s, 1)
		time.Sleep(2 * time.Minute)
		expectFresh(t, k, 30*time.Minute, time.Hour)
		expectCalls(t, s, 2)
	})
}

func TestFresh_WakesAKeeperAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		_, k := onDemandPool(t, s)
		expectFresh(t, k, time.Minute, time.Hour)
		time.Sleep(50 * time.Minute)
		expectIdle(t, k, true)
		expectFresh(t, k, 30*time.Minute, time.Hour)
		expectCalls(t, s, 2)
		time.Sleep(3 * time.Hour)
		if k.isRunning() {
			t.Fatal("the keeper runs without clients")
		}
		expectFresh(t, k, 30*time.Minute, time.Hour)
		expectCalls(t, s, 3)
	})
}

// Callers who want more than a provider ever gives do not call it each time.
func TestFresh_ShortLivesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: 12 * time.Minute}
		_, k := onDemandPool(t, s)
		expectFresh(t, k, time.Hour, 12*time.Minute)
		time.Sleep(2*time.Minute - time.Second)
		expectFresh(t, k, time.Hour, 10*time.Minute)
		expectCalls(t, s, 1)
		time.Sleep(2 * time.Second)
		expectFresh(t, k, time.Hour, 12*time.Minute)
		expectCalls(t, s, 2)
	})
}

// A provider may give the same credentials again, as those of credential_process do.
func TestFresh_NoneThatLiveLongerAreReturnedAfterOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, issued := 0, time.Now()
		_, k := onDemandPool(t, providerFunc(func(context.Context) (*Credentials, error) {
			calls++
			return &Credentials{Expiration: issued.Add(time.Hour), LastUpdated: issued}, nil
		}))
		expectFresh(t, k, 30*time.Minute, time.Hour)
		time.Sleep(35 * time.Minute)
		expectFresh(t, k, 30*time.Minute, 25*time.Minute)
		if synctest.Wait(); calls != 2 {
			t.Errorf("%d calls, want 2", calls)
		}
	})
}

func TestFresh_FailureReturnsValidOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		_, k := onDemandPool(t, s)
		expectFresh(t, k, 30*time.Minute, time.Hour)
		time.Sleep(40 * time.Minute)
		s.set(transient)
		expectFresh(t, k, 30*time.Minute, 20*time.Minute)
		expectCalls(t, s, 2)
		for range 100 { // the back-off is kept
			expectFresh(t, k, 30*time.Minute, 20*time.Minute)
		}
		expectCalls(t, s, 2)
		s.set(nil)
		time.Sleep(maxBackoff)
		expectFresh(t, k, 30*time.Minute, 59*time.Minute)
	})
}

func TestFresh_FailureWithoutCredentialsIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, delay: 5 * time.Second, err: denied}
		_, k := onDemandPool(t, s)
		for range 2 {
			if c, err := k.Fresh(t.Context(), time.Minute); !errors.Is(err, denied) {
				t.Errorf("got %v, %v", c, err)
			}
		}
		expectCalls(t, s, 1)
	})
}

func TestFresh_ContextEndsTheWaitNotTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, delay: 5 * time.Second}
		_, k := onDemandPool(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c, err := k.Fresh(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", c, err)
		}
		expectFresh(t, k, time.Minute, time.Hour)
		expectCalls(t, s, 1)
		time.Sleep(30 * time.Minute)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c, err := k.Fresh(ctx, time.Hour); err != nil || time.Until(c.Expiration) > 30*time.Minute {
			t.Errorf("while the renewal takes longer: %v, %v", c, err)
		}
	})
}

func TestFresh_FirstCallerAfterSleepGetsFreshCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSleeper(t)
		s.sleep(50 * time.Minute)
		c, err := s.Fresh(t.Context(), 50*time.Minute)
		if err != nil || c.Expiration.Sub(s.now()) < 50*time.Minute {
			t.Errorf("got %v, %v", c, err)
		}
	})
}
