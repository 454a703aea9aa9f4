package credentials

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// encodeID encodes the access key id and counts its calls.
func encodeID(calls *int) func(*Credentials) *string {
	return func(c *Credentials) *string {
		*calls++
		id := c.AccessKeyID
		return &id
	}
}

func TestEncoded_EncodesOncePerRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		k := run(t, s)
		calls := 0
		e := NewEncoded(k, encodeID(&calls))
		var last *string
		renewals := 0
		for range 100 {
			time.Sleep(time.Minute)
			got, err := e.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got != last {
				last = got
				renewals++
			}
		}
		if want := int(s.calls.Load()); calls != want || renewals != want || want < 2 {
			t.Errorf("encoded %d times, %d results, want %d", calls, renewals, want)
		}
	})
}

func TestEncoded_FailsAsItsKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		e := NewEncoded(run(t, &scripted{err: denied}), encodeID(&calls))
		if got, err := e.Get(t.Context()); got != nil || !errors.Is(err, denied) || calls > 0 {
			t.Errorf("got %v, %v after %d calls, want the keeper's error", got, err, calls)
		}
	})
}

func TestEncoded_GetAllocatesNothing(t *testing.T) {
	k := NewKeeper(&Mock{Lifetime: time.Hour, Now: time.Now}, time.Minute, slog.New(slog.DiscardHandler), time.Now)
	go k.Run(t.Context())
	calls := 0
	e := NewEncoded(k, encodeID(&calls))
	ctx := t.Context()
	if _, err := e.Get(ctx); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(1000, func() {
		if _, err := e.Get(ctx); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
	if calls != 1 {
		t.Errorf("encoded %d times, want once", calls)
	}
}
