package credentials

import (
	"cmp"
	"testing"
	"time"
)

func TestSchedule_PauseIsWithinItsRange(t *testing.T) {
	for _, tt := range []struct {
		name         string
		failures     int // before the call
		err          *Error
		took, left   time.Duration
		min, max     time.Duration
		wantFailures int
	}{
		{name: "success", failures: 3, took: time.Second, left: time.Hour, min: 16*time.Minute + 40*time.Second, max: 35 * time.Minute},
		{name: "long lifetime", left: 12 * time.Hour, min: 16*time.Minute + 40*time.Second, max: 11*time.Hour + 35*time.Minute},
		{name: "three quarters of an hour", left: 45 * time.Minute, min: 15 * time.Minute, max: 22*time.Minute + 30*time.Second},
		{name: "half an hour", left: 30 * time.Minute, min: 10 * time.Minute, max: 15 * time.Minute},
		{name: "quarter of an hour", left: 15 * time.Minute, min: 5 * time.Minute, max: 7*time.Minute + 30*time.Second},
		{name: "short lifetime", left: time.Minute, min: 20 * time.Second, max: 30 * time.Second},
		{name: "one second left", left: time.Second, min: time.Second, max: time.Second},
		{name: "expired during the call", left: -time.Hour, min: time.Second, max: time.Second},
		{name: "first failure", err: transient, left: time.Hour, min: time.Second, max: 2 * time.Second, wantFailures: 1},
		{name: "third failure", failures: 2, err: transient, left: time.Hour, min: time.Second, max: 8 * time.Second, wantFailures: 3},
		{name: "sixth failure", failures: 5, err: transient, min: time.Second, max: time.Minute, wantFailures: 6},
		{name: "hundredth failure", failures: 99, err: transient, min: time.Second, max: time.Minute, wantFailures: 100},
		{name: "slow failure", failures: 99, err: transient, took: 30 * time.Second, min: time.Second, max: 30 * time.Second, wantFailures: 100},
		{name: "denied", failures: 4, err: denied, left: time.Hour, min: 30 * time.Second, max: time.Minute, wantFailures: 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lowest := func(from, _ time.Duration) time.Duration { return from }
			highest := func(_, to time.Duration) time.Duration { return to }
			for _, pick := range []func(from, to time.Duration) time.Duration{lowest, highest, jitter} {
				s := schedule{refreshBefore: 25 * time.Minute, jitter: pick, failures: tt.failures}
				if got, _ := s.next(tt.err, tt.took, tt.left); got < tt.min || got > tt.max {
					t.Errorf("a pause of %v, want %v to %v", got, tt.min, tt.max)
				}
				if s.failures != tt.wantFailures {
					t.Errorf("%d failures counted, want %d", s.failures, tt.wantFailures)
				}
			}
		})
	}
}

func TestSchedule_IdlePauseIsWithinItsRange(t *testing.T) {
	for _, tt := range []struct {
		name     string
		failures int // before the call
		err      *Error
		left     time.Duration
		min, max time.Duration
	}{
		{name: "success", failures: 9, left: time.Hour, min: 16*time.Minute + 40*time.Second, max: 35 * time.Minute},
		{name: "fourth failure", failures: 3, err: transient, left: time.Hour, min: time.Second, max: 16 * time.Second},
		{name: "fifth failure", failures: 4, err: transient, left: time.Hour, min: 35 * time.Minute, max: 38 * time.Minute},
		{name: "at the time of refresh", failures: 4, err: transient, left: 25 * time.Minute, min: 90 * time.Second, max: 3 * time.Minute},
		{name: "after the time of refresh", failures: 9, err: transient, left: 20 * time.Minute, min: 19 * time.Minute, max: 19*time.Minute + 30*time.Second},
		{name: "short lifetime", failures: 9, err: transient, left: 10 * time.Minute, min: 9 * time.Minute, max: 9*time.Minute + 30*time.Second},
		{name: "in the last minute", failures: 9, err: transient, left: time.Minute - 1, min: time.Second, max: time.Minute},
		{name: "expired", failures: 9, err: transient, min: time.Second, max: time.Minute},
		{name: "denied", failures: 9, err: denied, left: time.Hour, min: 30 * time.Second, max: time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 100 {
				s := schedule{refreshBefore: 25 * time.Minute, jitter: jitter, failures: tt.failures}
				if pause, idle := s.next(tt.err, 0, tt.left); idle < tt.min || idle > tt.max || pause > idle {
					t.Errorf("pause %v, idle %v; want idle of %v to %v", pause, idle, tt.min, tt.max)
				}
			}
		})
	}
}

func TestSchedule_AsksForMFACodesAsLateAsPossible(t *testing.T) {
	for range 100 {
		s := schedule{refreshBefore: 25 * time.Minute, jitter: jitter, usedMFA: true}
		if pause, _ := s.next(nil, 0, time.Hour); pause < 33*time.Minute || pause > 35*time.Minute {
			t.Fatalf("the next code is needed after %v, want 33m to 35m", pause)
		}
	}
}

// shortest is the shortest life of credentials that a client can get in ten refreshes, each of which fails that often before
// it succeeds. Calls take latency. No client asks, so that retries come as late as possible.
func shortest(s schedule, lifetime, latency time.Duration, failures int) time.Duration {
	least := lifetime
	for range 10 {
		left := lifetime
		pause, _ := s.next(nil, latency, left)
		for attempt := 0; ; attempt++ {
			left -= pause + latency
			if attempt == failures {
				break
			}
			_, pause = s.next(transient, latency, left)
		}
		least = min(least, left)
	}
	return least
}

// The limit of s3fs, and of an hour's credentials, is 20 minutes. Shorter ones have less.
func TestSchedule_CredentialsAreReplacedInTime(t *testing.T) {
	lowest := func(from, _ time.Duration) time.Duration { return from }
	highest := func(_, to time.Duration) time.Duration { return to }
	alternating := func() func(from, to time.Duration) time.Duration {
		n := 0
		return func(from, to time.Duration) time.Duration {
			n++
			return []time.Duration{from, to}[n%2]
		}
	}
	pickers := []func(from, to time.Duration) time.Duration{lowest, highest, alternating()}
	for range 1000 {
		pickers = append(pickers, jitter)
	}
	for _, tt := range []struct {
		name                             string
		lifetime, refreshBefore, latency time.Duration
		failures                         int
		want                             time.Duration
	}{
		{name: "an hour", lifetime: time.Hour, latency: time.Second, want: 24 * time.Minute},
		{name: "an hour, one failure", lifetime: time.Hour, latency: time.Second, failures: 1, want: 24 * time.Minute},
		{name: "an hour, one hanging call", lifetime: time.Hour, latency: 10 * time.Second, failures: 1, want: 24 * time.Minute},
		{name: "an hour, four failures", lifetime: time.Hour, latency: time.Second, failures: 4, want: 24 * time.Minute},
		{name: "an hour, four hanging calls", lifetime: time.Hour, latency: 10 * time.Second, failures: 4, want: 23 * time.Minute},
		{name: "an hour, five failures", lifetime: time.Hour, latency: time.Second, failures: 5, want: 20 * time.Minute},
		{name: "an hour, five hanging calls", lifetime: time.Hour, latency: 10 * time.Second, failures: 5, want: 20 * time.Minute},
		{name: "an hour, requested as two", lifetime: time.Hour - time.Second, latency: time.Second, want: 24 * time.Minute},
		{name: "12 hours", lifetime: 12 * time.Hour, latency: 10 * time.Second, failures: 5, want: 20 * time.Minute},
		{name: "three quarters of an hour", lifetime: 45 * time.Minute, latency: time.Second, failures: 1, want: 20 * time.Minute},
		{name: "half an hour", lifetime: 30 * time.Minute, latency: time.Second, failures: 4, want: 14 * time.Minute},
		{name: "a quarter of an hour", lifetime: 15 * time.Minute, latency: time.Second, failures: 4, want: 6 * time.Minute},
		{name: "a minute", lifetime: time.Minute, latency: time.Second, failures: 1, want: 20 * time.Second},
		{name: "an hour, refresh_before 15m", lifetime: time.Hour, refreshBefore: 15 * time.Minute, latency: time.Second, failures: 4, want: 14 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, pick := range pickers {
				for _, mfa := range []bool{false, true} {
					s := schedule{refreshBefore: cmp.Or(tt.refreshBefore, 25*time.Minute), jitter: pick, usedMFA: mfa}
					if got := shortest(s, tt.lifetime, tt.latency, tt.failures); got < tt.want {
						t.Fatalf("a client can get credentials with %v left, want at least %v", got, tt.want)
					}
				}
			}
		})
	}
}

// A source that hands out its own credentials again until it renews them is not called ever more often.
func TestSchedule_SourceThatDoesNotRenewIsCalledSeldom(t *testing.T) {
	for _, pick := range []func(from, to time.Duration) time.Duration{
		func(from, _ time.Duration) time.Duration { return from },
		func(_, to time.Duration) time.Duration { return to },
		jitter,
	} {
		s := schedule{refreshBefore: 25 * time.Minute, jitter: pick}
		calls := 0
		for left := 15 * time.Minute; left > 0; calls++ {
			pause, _ := s.next(nil, 0, left)
			left -= pause
		}
		if calls > 30 {
			t.Errorf("%d calls in a quarter of an hour", calls)
		}
	}
}
