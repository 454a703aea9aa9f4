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
	// idleRetry is the longest pause after further ones in the first fifth of refreshBefore.
	idleRetry = 3 * time.Minute
)

// schedule decides how long a keeper pauses between calls. It reads no clock, so that tests can simulate a fleet.
//
// The first fifth of refreshBefore is for retries. So with 25 minutes, credentials of an hour are replaced before they have less
// than 20 minutes to live while STS answers: s3fs takes such for expired, and botocore takes less than 1020 to 1500 seconds for
// an outage of the service.
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
	return pause, max(pause, s.idlePause(left))
}

// idlePause returns the pause without demand for credentials that are valid for longer than maxBackoff. It leads to the
// beginning of refreshBefore, then through its first fifth in steps of at most idleRetry, and then to the last minute.
func (s *schedule) idlePause(left time.Duration) time.Duration {
	pause := s.jitter(left-maxBackoff, left-maxBackoff/2)
	switch {
	case left > s.refreshBefore:
		return min(pause, left-s.refreshBefore+s.jitter(0, idleRetry))
	case left > s.refreshBefore*4/5:
		return min(pause, s.jitter(idleRetry/2, idleRetry))
	default:
		return pause
	}
}

// untilRenewal returns the pause after a success. The next call comes ahead of the expiry, by refreshBefore or half of left,
// whichever is shorter. Jitter makes it earlier: by up to a third of that, or, for long lifetimes, at any time from two
// thirds of refreshBefore after now. This spreads a fleet that started at once. Users who type MFA codes are spread anyway.
func (s *schedule) untilRenewal(left time.Duration) time.Duration {
	ahead := max(0, min(s.refreshBefore, left/2)) // left is negative if the machine slept meanwhile
	early := max(ahead/3, left-ahead-s.refreshBefore*2/3)
	if s.usedMFA {
		early = ahead / 15
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
