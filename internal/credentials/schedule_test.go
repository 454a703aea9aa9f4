package credentials

import (
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
		{name: "success", failures: 3, took: time.Second, left: time.Hour, min: 10 * time.Minute, max: 45 * time.Minute},
		{name: "long lifetime", left: 12 * time.Hour, min: 10 * time.Minute, max: 11*time.Hour + 45*time.Minute},
		{name: "half an hour", left: 30 * time.Minute, min: 10 * time.Minute, max: 22*time.Minute + 30*time.Second},
		{name: "short lifetime", left: time.Minute, min: 40 * time.Second, max: 45 * time.Second},
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
				s := schedule{refreshBefore: 15 * time.Minute, jitter: pick, failures: tt.failures}
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
		{name: "success", failures: 9, left: time.Hour, min: 10 * time.Minute, max: 45 * time.Minute},
		{name: "fourth failure", failures: 3, err: transient, left: time.Hour, min: time.Second, max: 16 * time.Second},
		{name: "fifth failure", failures: 4, err: transient, left: time.Hour, min: 59 * time.Minute, max: 59*time.Minute + 30*time.Second},
		{name: "in the last minute", failures: 9, err: transient, left: time.Minute - 1, min: time.Second, max: time.Minute},
		{name: "expired", failures: 9, err: transient, min: time.Second, max: time.Minute},
		{name: "denied", failures: 9, err: denied, left: time.Hour, min: 30 * time.Second, max: time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 100 {
				s := schedule{refreshBefore: 15 * time.Minute, jitter: jitter, failures: tt.failures}
				if pause, idle := s.next(tt.err, 0, tt.left); idle < tt.min || idle > tt.max || pause > idle {
					t.Errorf("pause %v, idle %v; want idle of %v to %v", pause, idle, tt.min, tt.max)
				}
			}
		})
	}
}

func TestSchedule_AsksForMFACodesAsLateAsPossible(t *testing.T) {
	for range 100 {
		s := schedule{refreshBefore: 15 * time.Minute, jitter: jitter, usedMFA: true}
		if pause, _ := s.next(nil, 0, time.Hour); pause < 40*time.Minute || pause > 45*time.Minute {
			t.Fatalf("the next code is needed after %v, want 40m to 45m", pause)
		}
	}
}
