package credentials

import (
	"math/rand/v2"
	"time"
)

const (
	// Failures are followed by pauses that double from the first to the second of these.
	minBackoff = time.Second
	maxBackoff = time.Minute
	// quick is how many failures are followed by such a pause even if nobody asks.
	quick = 4
)

// schedule decides how long a keeper pauses between calls. It looks at no clock, so that a fleet's can be tried at once.
type schedule struct {
	refreshBefore time.Duration
	// jitter picks a time between two, so that many daemons do not call together.
	jitter   func(from, to time.Duration) time.Duration
	failures int // temporary ones since the last success
	// byHand says that the last success took an MFA code, so that the next may need one: somebody has to type it, and no
	// sooner than need be.
	byHand bool
}

// next is the pause after a call that took so long and has failed with err, or succeeded. left is how long the credentials
// now at hand are valid. While they are, and STS is failing, only clients are a reason to hurry: idle is the pause if none
// asks, until the last minute, so that a fleet does not fall upon an STS that comes back.
func (s *schedule) next(err *Error, took, left time.Duration) (pause, idle time.Duration) {
	switch {
	case err == nil:
		s.failures = 0
		pause = s.untilRenewal(left)
		return pause, pause
	case err.Temporary:
		pause = s.backoff()
		s.failures++
	default: // refused until somebody mends something
		pause = s.jitter(maxBackoff/2, maxBackoff)
	}
	pause = max(minBackoff, pause-took) // waiting for an answer that never came was a pause too
	if !err.Temporary || s.failures <= quick || left < maxBackoff {
		return pause, pause
	}
	return pause, max(pause, s.jitter(left-maxBackoff, left-maxBackoff/2))
}

// untilRenewal is the pause before the next call: refreshBefore ahead of the expiry, or when a quarter of what was left
// is left if that is shorter, and up to a third of that earlier. Long lives may end from two thirds of refreshBefore after they
// began, which spreads a fleet that started at once over the hour.
func (s *schedule) untilRenewal(left time.Duration) time.Duration {
	ahead := max(0, min(s.refreshBefore, left/4)) // they may have expired since they came: the machine slept
	early := ahead / 3
	if !s.byHand {
		early = max(early, left-ahead-s.refreshBefore*2/3)
	}
	return max(left-s.jitter(ahead, ahead+early), minBackoff)
}

// backoff doubles from minBackoff to maxBackoff, with full jitter above minBackoff.
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
