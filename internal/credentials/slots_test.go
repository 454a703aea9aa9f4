package credentials

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

func TestPool_TooManySessionsAreRefusedUntilOthersHaveEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testutil.Buffer
		p := NewPool(PoolOptions{Provide: mocked, Log: slog.New(slog.NewTextHandler(&log, nil))})
		p.slots.most = 2
		p.Start(t.Context())
		defer p.Close()
		p.Retain([]Spec{session("eager")}, nil)
		a, b, c := p.Keeper(session("a")), p.Keeper(session("b")), p.Keeper(session("c"))
		for range 2 {
			for _, k := range []*Keeper{a, b} {
				if _, err := k.Get(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 3 {
			start := time.Now()
			_, err := c.Get(t.Context())
			e, ok := errors.AsType[*Error](err)
			if !ok || !e.Temporary || time.Since(start) != 0 || e.Message != "there are 2 sessions, as many as can be at one time; retry when others have expired" {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		}
		if got := strings.Count(log.String(), "too many sessions at one time"); got != 1 {
			t.Errorf("logged %d times", got)
		}
		p.Retain([]Spec{session("eager"), session("d")}, nil) // stops a and b, and eager keepers do not count
		synctest.Wait()
		if !p.Keeper(session("d")).State().Valid {
			t.Error("an eager keeper does not run")
		}
		for _, name := range []string{"e", "f"} {
			if _, err := p.Keeper(session(name)).Get(t.Context()); err != nil {
				t.Errorf("after others were stopped: %v", err)
			}
		}
		time.Sleep(2 * time.Hour)
		if _, err := p.Keeper(session("g")).Get(t.Context()); err != nil {
			t.Errorf("after others have expired: %v", err)
		}
	})
}

// A reload changes how credentials are got, and their keeper takes them over.
func TestPool_CredentialsTakenOverNeedNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(PoolOptions{Provide: mocked})
		p.Start(t.Context())
		defer p.Close()
		want, err := p.Keeper(session("a")).Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Retain(nil, nil)
		synctest.Wait()
		p.slots.most = 0
		after := session("a")
		after.Region = "eu-west-1"
		if got, err := p.Keeper(after).Get(t.Context()); got != want || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
	})
}
