package credentials

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// RetrieveTimeout bounds one call of a Provider, including credential_process and SSO. The Provider gives up a single request
// earlier.
const RetrieveTimeout = 30 * time.Second

const (
	// answerWait bounds how long Get waits for credentials. Most SDKs time out one second after they have sent the request,
	// some after they have begun to connect; the rest is for the way there and back.
	answerWait = 950 * time.Millisecond
	// readyWait bounds how long Settled waits.
	readyWait = 5 * time.Second
	// wallClockCheck is how often a pause reads the wall clock: timers stand still while a laptop sleeps.
	wallClockCheck = 10 * time.Second
)

// State describes a Keeper. It holds no secret.
type State struct {
	// Valid reports whether Get has credentials to return.
	Valid bool
	// Since is when Run began; zero before.
	Since time.Time
	// ARN, Expiration and LastRenewal describe the last credentials, valid or not; zero before the first.
	ARN         string
	Expiration  time.Time
	LastRenewal time.Time
	// LastError is why the last call, at LastAttempt, failed; nil if it succeeded.
	LastError   *Error
	LastAttempt time.Time
	// MFASerial is the MFA device whose code the next call needs, see Answer; "" if it needs none.
	MFASerial string
	// CacheFile has the credentials on disk for the next run; "" if no file has.
	CacheFile string
}

// Keeper holds the credentials of one provider and refreshes them before they expire. Only Run calls the provider: in the
// background, one call at a time, independent of clients. All other methods may be called concurrently.
type Keeper struct {
	// NeedsMFA, if set before Run, is called when the next call needs an MFA code: once for each reason, and for each
	// code that STS refuses. It must not block.
	NeedsMFA func(*NeedsMFA)

	provider Provider
	cache    *cacheFile // nil: none; only Run uses it
	failed   func()     // called before the failure of a call is recorded; only Run uses it
	schedule schedule   // only Run uses it
	log      *slog.Logger
	now      func() time.Time // wall clock
	wake     chan struct{}    // ends a pause; has room for one
	answers  chan answer      // ends a pause too
	done     chan struct{}    // closed when Run has returned
	demand   chan struct{}    // a client got credentials although the last call failed; has room for one

	// mu guards the fields below. Only Run writes needsMFA once it has begun, and reads it without mu.
	mu       sync.RWMutex
	since    time.Time
	current  *Credentials
	expires  time.Time // of current; monotonic, unaffected by wall-clock changes
	lastErr  *Error
	lastTime time.Time
	needsMFA *NeedsMFA     // the cause of lastErr, if it is a missing code
	inFlight bool          // a call is in flight or about to begin; true before Run
	resumes  time.Time     // when the pause ends by itself; monotonic, zero during a call
	ended    chan struct{} // closed and replaced when a call ends
}

// NewKeeper makes a keeper that refreshes credentials refreshBefore they expire. It does nothing until Run.
func NewKeeper(p Provider, refreshBefore time.Duration, log *slog.Logger, now func() time.Time) *Keeper {
	return &Keeper{
		provider: p,
		schedule: schedule{refreshBefore: refreshBefore, jitter: jitter},
		log:      log,
		now:      now,
		wake:     make(chan struct{}, 1),
		answers:  make(chan answer),
		done:     make(chan struct{}),
		demand:   make(chan struct{}, 1),
		inFlight: true,
		ended:    make(chan struct{}),
	}
}

// Run fetches and refreshes credentials until ctx is done. It may be called once.
func (k *Keeper) Run(ctx context.Context) {
	defer close(k.done)
	k.mu.Lock()
	k.since = k.now()
	k.mu.Unlock()
	var stop func()
	k.failed, stop = k.restore()
	defer stop()
	var code *answer
	for {
		began := time.Now()
		err := k.refresh(ctx, code)
		if ctx.Err() != nil {
			return
		}
		if err != nil && k.left() <= 0 {
			k.cache.remove()
		}
		if err == nil {
			stop()
			k.schedule.usedMFA = code != nil
			select {
			case <-k.wake: // a Retry during the call is served by its success
			default:
			}
		}
		pause, idle := k.schedule.next(err, time.Since(began), k.left())
		var ok bool
		if code, ok = k.pause(ctx, pause, idle); !ok {
			return
		}
	}
}

// refresh makes one call, with the MFA code if there is one, and records the result.
func (k *Keeper) refresh(ctx context.Context, code *answer) *Error {
	k.mu.Lock()
	k.inFlight, k.resumes = true, time.Time{}
	select {
	case <-k.wake: // a Retry before the call is served by it
	default:
	}
	k.mu.Unlock()
	call, cancel := context.WithTimeout(ctx, RetrieveTimeout)
	defer cancel()
	if code != nil {
		call = WithMFACode(call, code.text)
	}
	c, err := k.provider.Retrieve(call)
	if ctx.Err() != nil {
		return nil // Run returns; clients that wait get a temporary error
	}
	var e *Error
	if err != nil && !errors.As(err, &e) {
		e = &Error{Code: CodeFailed, Message: err.Error(), Temporary: true}
	}
	if e != nil {
		k.failed()
	}
	k.mu.Lock()
	if e == nil {
		k.current, k.expires = c, time.Now().Add(c.Expiration.Sub(k.now()))
	}
	before := k.needsMFA
	k.needsMFA, _ = errors.AsType[*NeedsMFA](err)
	k.lastErr, k.lastTime, k.inFlight = e, k.now(), false
	close(k.ended)
	k.ended = make(chan struct{})
	needs := k.needsMFA
	k.mu.Unlock()
	if code != nil {
		code.ended <- e
	}
	switch {
	case e == nil:
		k.cache.save(c)
		attrs := []any{"expiration", c.Expiration.UTC().Format(time.RFC3339)}
		if c.ARN != "" {
			attrs = append([]any{"arn", c.ARN}, attrs...)
		}
		k.log.Info("got credentials", attrs...)
	case needs != nil && code == nil && before != nil && needs.Error() == before.Error():
		// NeedsMFA has been called for this reason.
	case needs != nil && k.NeedsMFA != nil:
		k.NeedsMFA(needs)
	default:
		k.log.Warn("cannot get credentials", "error", e.Message)
	}
	return e
}

// left is how long the current credentials are still valid; 0 without any, negative if they have expired.
func (k *Keeper) left() time.Duration {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.current == nil {
		return 0
	}
	return min(k.current.Expiration.Sub(k.now()), time.Until(k.expires))
}

// pause waits for idle, or for d if a client uses the credentials meanwhile. Retry and Answer end it early; it returns
// the answer. It returns false when ctx is done. Time is measured twice and the first clock to reach the end counts:
// the wall clock advances while a laptop sleeps, and the monotonic clock cannot be set back.
func (k *Keeper) pause(ctx context.Context, d, idle time.Duration) (*answer, bool) {
	began, wall := time.Now(), k.now().Round(0)
	k.mu.Lock()
	k.resumes = began.Add(idle)
	k.mu.Unlock()
	demand := k.demand
	if d == idle {
		demand = nil
	}
	for length := idle; ; {
		left := min(wall.Add(length).Sub(k.now().Round(0)), length-time.Since(began))
		if left <= 0 {
			return nil, true
		}
		timer := time.NewTimer(min(left, wallClockCheck))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, false
		case <-k.wake:
			timer.Stop()
			return nil, true
		case a := <-k.answers:
			timer.Stop()
			if k.needsMFA == nil { // another Answer came first
				a.ended <- noCodeWanted()
				continue
			}
			return &a, true
		case <-demand:
			length, demand = d, nil
			timer.Stop()
		case <-timer.C:
		}
	}
}

// Retry ends the pause after a failed call, including one still in flight: call it when the cause may be gone, such as
// after an edit of a profile. Without a failure it does nothing.
func (k *Keeper) Retry() {
	k.mu.RLock()
	useful := k.lastErr != nil || k.inFlight
	k.mu.RUnlock()
	if useful {
		k.endPause()
	}
}

// takeOver copies another keeper's credentials if they expire later than k's own. Both have the same holder. It must not be
// called once Run has begun.
func (k *Keeper) takeOver(from *Keeper) {
	from.mu.RLock()
	c, expires := from.current, from.expires
	from.mu.RUnlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if c != nil && (k.current == nil || expires.After(k.expires)) {
		k.current, k.expires = c, expires
	}
}

// endPauseAfter ends the pause after the call that closed last, unless another call has begun since.
func (k *Keeper) endPauseAfter(last chan struct{}) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if !k.inFlight && k.ended == last {
		k.endPause()
	}
}

func (k *Keeper) endPause() {
	select {
	case k.wake <- struct{}{}:
	default: // already ended
	}
}

// Get returns valid credentials. Without any, it waits at most 950 ms for a call in flight, or for a retry that begins in this
// time. It fails with an *Error, or with the context's error if ctx is done first.
func (k *Keeper) Get(ctx context.Context) (*Credentials, error) {
	if c, renewed := k.validAndRenewed(); c != nil {
		if !renewed {
			select {
			case k.demand <- struct{}{}:
			default: // already signalled
			}
		}
		return c, nil
	}
	until := time.Now().Add(answerWait)
	timer := time.NewTimer(answerWait)
	defer timer.Stop()
	for {
		k.mu.RLock()
		lastErr, inFlight, resumes, ended := k.lastErr, k.inFlight, k.resumes, k.ended
		k.mu.RUnlock()
		if c := k.valid(); c != nil {
			return c, nil
		}
		switch {
		case inFlight:
		case lastErr != nil && (!lastErr.Temporary || resumes.IsZero() || !resumes.Before(until)):
			return nil, lastErr
		case lastErr == nil:
			k.endPauseAfter(ended) // the credentials expired during the pause: the machine slept
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			if lastErr != nil {
				return nil, lastErr
			}
			return nil, &Error{Code: CodeFailed, Temporary: true, Message: "credentials are still being fetched; retry"}
		}
	}
}

// valid returns the credentials unless they have expired by the wall clock or by the monotonic clock; nil otherwise.
func (k *Keeper) valid() *Credentials {
	c, _ := k.validAndRenewed()
	return c
}

// validAndRenewed also reports whether the last call succeeded.
func (k *Keeper) validAndRenewed() (c *Credentials, renewed bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if !k.isValid() {
		return nil, k.lastErr == nil
	}
	return k.current, k.lastErr == nil
}

// isValid reports whether there are credentials that have not expired. k.mu is held.
func (k *Keeper) isValid() bool {
	return k.current != nil && k.current.Expiration.After(k.now()) && time.Until(k.expires) > 0
}

// Settled waits until the keeper has valid credentials, its first call has ended, or 5 seconds have passed since Run began
// (before Run: since the call of Settled).
func (k *Keeper) Settled(ctx context.Context) {
	k.mu.RLock()
	first, ended, since := k.lastTime.IsZero(), k.ended, k.since
	k.mu.RUnlock()
	left := readyWait
	if !since.IsZero() {
		left -= k.now().Sub(since)
	}
	if !first || left <= 0 || k.valid() != nil {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Ended returns a channel that is closed when the call in flight, or else the next one, has ended.
func (k *Keeper) Ended() <-chan struct{} {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ended
}

// State returns the current state.
func (k *Keeper) State() State {
	valid := k.valid()
	k.mu.RLock()
	defer k.mu.RUnlock()
	s := State{Valid: valid != nil, Since: k.since, LastError: k.lastErr, LastAttempt: k.lastTime, CacheFile: k.cache.path()}
	if k.needsMFA != nil {
		s.MFASerial = k.needsMFA.Serial
	}
	if k.current != nil {
		s.ARN, s.Expiration, s.LastRenewal = k.current.ARN, k.current.Expiration, k.current.LastUpdated
	}
	return s
}
