package credentials

import (
	"testing"
	"time"
)

// TestPauses holds the pauses against the ranges that they are picked from.
func TestPauses(t *testing.T) {
	const refreshBefore = 15 * time.Minute
	tests := []struct {
		name               string
		failures           int
		err                *Error
		took, left         time.Duration
		shortest, longest  time.Duration
		failuresAfterwards int
	}{
		{"success", 3, nil, time.Second, time.Hour, 10 * time.Minute, 45 * time.Minute, 0},
		{"long life", 0, nil, 0, 12 * time.Hour, 10 * time.Minute, 11*time.Hour + 45*time.Minute, 0},
		{"half an hour", 0, nil, 0, 30 * time.Minute, 10 * time.Minute, 22*time.Minute + 30*time.Second, 0},
		{"short life", 0, nil, 0, time.Minute, 40 * time.Second, 45 * time.Second, 0},
		{"got with little left", 0, nil, 0, time.Second, time.Second, time.Second, 0},
		{"expired meanwhile", 0, nil, 0, -time.Hour, time.Second, time.Second, 0},
		{"first failure", 0, transient, 0, time.Hour, time.Second, 2 * time.Second, 1},
		{"third failure", 2, transient, 0, time.Hour, time.Second, 8 * time.Second, 3},
		{"sixth failure", 5, transient, 0, 0, time.Second, time.Minute, 6},
		{"hundredth failure", 99, transient, 0, 0, time.Second, time.Minute, 100},
		{"slow failure", 99, transient, 30 * time.Second, 0, time.Second, 30 * time.Second, 100},
		{"refused", 4, denied, 0, time.Hour, 30 * time.Second, time.Minute, 4},
	}
	for _, tt := range tests {
		// The jitter may pick either end, and no pause is shorter or longer than those come to.
		first := func(from, _ time.Duration) time.Duration { return from }
		last := func(_, to time.Duration) time.Duration { return to }
		for _, pick := range []func(from, to time.Duration) time.Duration{first, last, jitter} {
			s := schedule{refreshBefore: refreshBefore, jitter: pick, failures: tt.failures}
			if got, _ := s.next(tt.err, tt.took, tt.left); got < tt.shortest || got > tt.longest {
				t.Errorf("%s: a pause of %v, want %v to %v", tt.name, got, tt.shortest, tt.longest)
			}
			if s.failures != tt.failuresAfterwards {
				t.Errorf("%s: %d failures counted, want %d", tt.name, s.failures, tt.failuresAfterwards)
			}
		}
	}
}

// TestIdlePauses are those while nobody asks.
func TestIdlePauses(t *testing.T) {
	for _, tt := range []struct {
		name              string
		failures          int
		err               *Error
		left              time.Duration
		shortest, longest time.Duration
	}{
		{"success", 9, nil, time.Hour, 10 * time.Minute, 45 * time.Minute},
		{"fourth failure", 3, transient, time.Hour, time.Second, 16 * time.Second},
		{"fifth failure", 4, transient, time.Hour, 59 * time.Minute, 59*time.Minute + 30*time.Second},
		{"soon over", 9, transient, time.Minute - 1, time.Second, time.Minute},
		{"over", 9, transient, 0, time.Second, time.Minute},
		{"refused", 9, denied, time.Hour, 30 * time.Second, time.Minute},
	} {
		for range 100 {
			s := schedule{refreshBefore: 15 * time.Minute, jitter: jitter, failures: tt.failures}
			if pause, idle := s.next(tt.err, 0, tt.left); idle < tt.shortest || idle > tt.longest || pause > idle {
				t.Errorf("%s: a pause of %v, %v while nobody asks, want %v to %v", tt.name, pause, idle, tt.shortest, tt.longest)
			}
		}
	}
}

// TestByHand leaves whoever types MFA codes in peace for as long as can be.
func TestByHand(t *testing.T) {
	for range 100 {
		s := schedule{refreshBefore: 15 * time.Minute, jitter: jitter, byHand: true}
		if pause, _ := s.next(nil, 0, time.Hour); pause < 40*time.Minute || pause > 45*time.Minute {
			t.Fatalf("the next code is wanted after %v, want 40m to 45m", pause)
		}
	}
}
