package credentials

import (
	"math/rand/v2"
	"time"
)

const (
	// The back-off after temporary failures doubles from minBackoff to maxBackoff.
	minBackoff = time.Second
	maxBackoff = time.Minute
	// quickRetries is how many temporary failures are retried with back-off even without demand by clients.
	quickRetries = 4
)

// schedule decides how long a keeper pauses between calls. It reads no clock, so that tests can simulate a fleet.
type schedule struct {
	refreshBefore time.Duration
	// jitter picks a duration from a range, so that many daemons do not call STS at the same time.
	jitter   func(from, to time.Duration) time.Duration
	failures int // temporary ones since the last success
	// usedMFA says that the last success took an MFA code. The next call may need one too, so it comes as late as possible.
	usedMFA bool
}

// next returns the pause after a call. took is the call's duration, err its failure (nil: success), left how long the
// current credentials are still valid. idle is the pause without demand by clients. It is longer while STS is failing
// and the credentials are valid, until their last minute, so that a fleet does not overload an STS that recovers.
func (s *schedule) next(err *Error, took, left time.Duration) (pause, idle time.Duration) {
	switch {
	case err == nil:
		s.failures = 0
		pause = s.untilRenewal(left)
		return pause, pause
	case err.Temporary:
		pause = s.backoff()
		s.failures++
	default: // fails until the user fixes the cause
		pause = s.jitter(maxBackoff/2, maxBackoff)
	}
	pause = max(minBackoff, pause-took) // a call that timed out counts as a part of the pause
	if !err.Temporary || s.failures <= quickRetries || left < maxBackoff {
		return pause, pause
	}
	return pause, max(pause, s.jitter(left-maxBackoff, left-maxBackoff/2))
}

// untilRenewal returns the pause after a success. The next call comes ahead of the expiry, by refreshBefore or a
// quarter of left, whichever is shorter. Jitter makes it earlier: by up to a third of that, or, for long lifetimes, at
// any time from two thirds of refreshBefore after now. This spreads a fleet that started at once.
func (s *schedule) untilRenewal(left time.Duration) time.Duration {
	ahead := max(0, min(s.refreshBefore, left/4)) // left is negative if the machine slept meanwhile
	early := ahead / 3
	if !s.usedMFA {
		early = max(early, left-ahead-s.refreshBefore*2/3)
	}
	return max(left-s.jitter(ahead, ahead+early), minBackoff)
}

// backoff returns a pause with full jitter above minBackoff.
func (s *schedule) backoff() time.Duration {
	limit := maxBackoff
	if s.failures < 6 {
		limit = min(maxBackoff, 2*minBackoff<<s.failures)
	}
	return s.jitter(minBackoff, limit)
}

func jitter(from, to time.Duration) time.Duration {
	return from + rand.N(to-from+1) //nolint:gosec // spreads load, protects nothing
}
