package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckMFACode_RequiresSixDigits(t *testing.T) {
	for _, bad := range []string{"", "12345", "1234567", "12345a", "１２３４５６", "123456\n"} {
		t.Run(bad, func(t *testing.T) {
			if err := CheckMFACode(bad); err == nil || err.Error() != "an MFA code has 6 digits" {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := CheckMFACode("000000"); err != nil {
		t.Error(err)
	}
}

// guarded needs the code 123456 for each call.
type guarded struct{ lifetime time.Duration }

func (g *guarded) Retrieve(ctx context.Context) (*Credentials, error) {
	code, ok := TakeMFACode(ctx, "device")
	switch {
	case !ok:
		return nil, &NeedsMFA{Serial: "device", Reason: &Error{Code: CodeUnauthorized, Message: "wanted"}}
	case code != "123456":
		return nil, &NeedsMFA{Serial: "device", Reason: &Error{Code: CodeUnauthorized, Message: "refused"}}
	}
	now := time.Now()
	return &Credentials{AccessKeyID: "ASIA", Expiration: now.Add(g.lifetime), LastUpdated: now}, nil
}

// runGuarded runs a keeper of guarded within a bubble. reasons are those that NeedsMFA was called with.
func runGuarded(t *testing.T) (k *Keeper, reasons *[]string) {
	t.Helper()
	k = NewKeeper(&guarded{lifetime: time.Hour}, 15*time.Minute, slog.New(slog.DiscardHandler), time.Now)
	reasons = new([]string)
	k.NeedsMFA = func(n *NeedsMFA) { *reasons = append(*reasons, n.Error()) }
	go k.Run(t.Context())
	synctest.Wait()
	return k, reasons
}

func TestKeeper_NeedsMFAIsCalledOncePerReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, reasons := runGuarded(t)
		if _, err := k.Get(t.Context()); err == nil || err.Error() != "wanted" {
			t.Errorf("a client gets %v", err)
		}
		time.Sleep(10 * time.Minute) // the keeper retries
		synctest.Wait()
		if got := fmt.Sprint(*reasons); got != "[wanted]" || k.State().MFASerial != "device" {
			t.Errorf("called with %s, state %+v", got, k.State())
		}
		for range 2 { // each refused code is a reason
			if err := k.Answer(t.Context(), "000000"); err == nil || err.Error() != "refused" {
				t.Errorf("a wrong code: %v", err)
			}
		}
		synctest.Wait()
		if got := fmt.Sprint(*reasons); got != "[wanted refused refused]" || k.State().Valid {
			t.Errorf("called with %s, state %+v", got, k.State())
		}
	})
}

func TestKeeper_AnswerWithTheRightCodeGetsCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := runGuarded(t)
		if err := k.Answer(t.Context(), "123456"); err != nil {
			t.Error(err)
		}
		if s := k.State(); !s.Valid || s.MFASerial != "" {
			t.Errorf("state %+v", s)
		}
		if err := k.Answer(t.Context(), "123456"); err == nil || err.Error() != "no MFA code is wanted now" {
			t.Errorf("another code: %v", err)
		}
	})
}

func TestKeeper_NextCodeIsWantedWhileCredentialsAreValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, reasons := runGuarded(t)
		if err := k.Answer(t.Context(), "123456"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(46 * time.Minute)
		synctest.Wait()
		if s := k.State(); !s.Valid || s.MFASerial != "device" || fmt.Sprint(*reasons) != "[wanted wanted]" {
			t.Errorf("state %+v, called with %v", s, *reasons)
		}
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("a client gets %v", err)
		}
	})
}

func TestKeeper_AnswerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := runGuarded(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.Answer(ctx, "123456"); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestKeeper_AnswerAfterStopIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(&guarded{lifetime: time.Hour}, 15*time.Minute, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		go k.Run(ctx)
		synctest.Wait()
		cancel()
		want := "the configuration has been reloaded; if a code is still wanted, give the next one"
		if err := k.Answer(t.Context(), "123456"); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}
