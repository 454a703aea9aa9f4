package credentials

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// retrieveTimeout bounds one call, credential_process and SSO included.
	retrieveTimeout = 30 * time.Second
	// answerWait is how long a request waits for the call in flight when nothing valid is at hand: most SDKs give up
	// after one second.
	answerWait = 900 * time.Millisecond
	// readyWait is how long a keeper counts as starting.
	readyWait = 5 * time.Second
	// wallClockCheck is how often a pause looks at the wall clock: timers stand still while a laptop sleeps.
	wallClockCheck = 10 * time.Second
)

// State is what a Keeper tells about itself. It holds no secret.
type State struct {
	// Valid says that there are credentials to hand out.
	Valid bool
	// Since is when the keeper began to run; zero before.
	Since time.Time
	// ARN, Expiration and LastRenewal belong to the last credentials got, valid or not; zero before the first.
	ARN         string
	Expiration  time.Time
	LastRenewal time.Time
	// LastError is why the last call failed, at LastAttempt; nil when it succeeded.
	LastError   *Error
	LastAttempt time.Time
	// MFASerial is the MFA device whose code the next call needs, see Answer; "" if it needs none.
	MFASerial string
}

// Keeper holds the credentials of one provider: it alone calls the provider, one call at a time, in the background,
// before the credentials expire, whatever its clients do.
type Keeper struct {
	// NeedsMFA, if set before Run, is called when a code is wanted, until Answer has given the right one: once for each
	// reason. It must not wait.
	NeedsMFA func(*NeedsMFA)

	provider Provider
	schedule schedule
	log      *slog.Logger
	now      func() time.Time
	wake     chan struct{} // ends a pause
	answers  chan answer   // likewise, with an MFA code
	done     chan struct{} // closed when Run has returned
	asked    chan struct{} // a client has got credentials that could not be renewed

	mu       sync.RWMutex
	since    time.Time // when Run began
	current  *Credentials
	expires  time.Time // when current does, by a clock that nobody sets
	lastErr  *Error
	lastTime time.Time
	needsMFA *NeedsMFA     // what lastErr is about, if it is about a code
	inFlight bool          // a call is being made, or about to be
	ended    chan struct{} // closed, and made anew, when a call has ended
}

// NewKeeper makes a keeper that renews credentials refreshBefore their expiry. It does nothing until Run.
func NewKeeper(p Provider, refreshBefore time.Duration, log *slog.Logger, now func() time.Time) *Keeper {
	return &Keeper{
		provider: p,
		schedule: schedule{refreshBefore: refreshBefore, jitter: jitter},
		log:      log,
		now:      now,
		wake:     make(chan struct{}, 1),
		answers:  make(chan answer),
		done:     make(chan struct{}),
		asked:    make(chan struct{}, 1),
		inFlight: true,
		ended:    make(chan struct{}),
	}
}

// Run gets and renews credentials until ctx is done.
func (k *Keeper) Run(ctx context.Context) {
	defer close(k.done)
	k.mu.Lock()
	k.since = k.now()
	k.mu.Unlock()
	var by *answer
	for {
		began := time.Now()
		err := k.renew(ctx, by)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			select {
			case <-k.wake: // asked for before the call succeeded
			default:
			}
		}
		if err == nil {
			k.schedule.byHand = by != nil
		}
		pause, idle := k.schedule.next(err, time.Since(began), k.left())
		var ok bool
		if by, ok = k.pause(ctx, pause, idle); !ok {
			return
		}
	}
}

// renew makes one call, by an MFA code or none, and keeps its outcome.
func (k *Keeper) renew(ctx context.Context, by *answer) *Error {
	k.mu.Lock()
	k.inFlight = true
	select {
	case <-k.wake: // this call is the one that was asked for
	default:
	}
	k.mu.Unlock()
	call, cancel := context.WithTimeout(ctx, retrieveTimeout)
	defer cancel()
	if by != nil {
		call = WithMFACode(call, by.code)
	}
	c, err := k.provider.Retrieve(call)
	if ctx.Err() != nil {
		return nil // the keeper ends; whoever waits is told to ask again
	}
	var e *Error
	if err != nil && !errors.As(err, &e) {
		e = &Error{Code: codeFailed, Message: err.Error(), Temporary: true}
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
	if by != nil {
		by.ended <- e
	}
	switch {
	case e == nil:
		attrs := []any{"expiration", c.Expiration.UTC().Format(time.RFC3339)}
		if c.ARN != "" {
			attrs = append([]any{"arn", c.ARN}, attrs...)
		}
		k.log.Info("got credentials", attrs...)
	case needs != nil && by == nil && before != nil && needs.Error() == before.Error():
		// Whoever has the code knows already.
	case needs != nil && k.NeedsMFA != nil:
		k.NeedsMFA(needs)
	default:
		k.log.Warn("cannot get credentials", "error", e.Message)
	}
	return e
}

// left is how long the credentials at hand are valid, 0 without any.
func (k *Keeper) left() time.Duration {
	if k.current == nil {
		return 0
	}
	return min(k.current.Expiration.Sub(k.now()), time.Until(k.expires))
}

// pause waits until Retry or Answer, whose answer it gives, or for d, if a client has asked meanwhile, else for idle; by the
// wall clock, which goes on while a laptop sleeps, or by timers, which nobody sets back, whichever is first; false when ctx is
// done.
func (k *Keeper) pause(ctx context.Context, d, idle time.Duration) (*answer, bool) {
	began, wall := time.Now(), k.now().Round(0)
	asked := k.asked
	if d == idle {
		asked = nil
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
			if k.needsMFA == nil { // somebody has been faster; only this goroutine writes it
				a.ended <- noCodeWanted()
				continue
			}
			return &a, true
		case <-asked:
			length, asked = d, nil
			timer.Stop()
		case <-timer.C:
		}
	}
}

// Retry ends the pause after a failure, that of a call in flight included, because something that it may be due to has
// changed. Without a failure it does nothing.
func (k *Keeper) Retry() {
	k.mu.RLock()
	useful := k.lastErr != nil || k.inFlight
	k.mu.RUnlock()
	if useful {
		k.endPause()
	}
}

// answer is an MFA code, and where to say how the call with it ended.
type answer struct {
	code  string
	ended chan<- *Error // has room for one
}

// Answer makes the call that waits for an MFA code, with this one. It fails with an *Error when the code is refused or the
// call fails, or when no code is wanted, and with the context's error when that is done first.
func (k *Keeper) Answer(ctx context.Context, code string) error {
	if k.State().MFASerial == "" {
		return noCodeWanted()
	}
	replaced := &Error{Code: codeFailed, Message: "the configuration has been reloaded meanwhile; if a code is still wanted, give the next one"}
	ended := make(chan *Error, 1)
	select {
	case k.answers <- answer{code, ended}:
	case <-k.done:
		return replaced
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-ended:
		if err != nil {
			return err
		}
		return nil
	case <-k.done:
		return replaced
	case <-ctx.Done():
		return ctx.Err()
	}
}

func noCodeWanted() *Error { return &Error{Code: codeFailed, Message: "no MFA code is wanted now"} }

// takeOver hands out another keeper's credentials, if they expire later than its own, until the first call has ended. Both
// keepers have the same holder, and k does not run yet.
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

// hurry ends the pause that follows the last call, unless there has been another one, or is.
func (k *Keeper) hurry(last chan struct{}) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if !k.inFlight && k.ended == last {
		k.endPause()
	}
}

func (k *Keeper) endPause() {
	select {
	case k.wake <- struct{}{}:
	default: // ended already
	}
}

// Get gives valid credentials, waiting at most 900 ms for a call in flight if there are none. It fails with an *Error or,
// when the client has gone, the context's error.
func (k *Keeper) Get(ctx context.Context) (*Credentials, error) {
	if c, renewed := k.validAndRenewed(); c != nil {
		if !renewed {
			select {
			case k.asked <- struct{}{}:
			default: // somebody else has
			}
		}
		return c, nil
	}
	timer := time.NewTimer(answerWait)
	defer timer.Stop()
	for {
		k.mu.RLock()
		lastErr, inFlight, ended := k.lastErr, k.inFlight, k.ended
		k.mu.RUnlock()
		if c := k.valid(); c != nil {
			return c, nil
		}
		if !inFlight {
			if lastErr != nil {
				return nil, lastErr
			}
			k.hurry(ended) // they have expired during the pause: the machine slept
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			if lastErr != nil {
				return nil, lastErr
			}
			return nil, &Error{Code: codeFailed, Temporary: true, Message: "credentials are still being fetched; ask again"}
		}
	}
}

// valid gives the credentials if they have not expired, whichever way the wall clock has been set since.
func (k *Keeper) valid() *Credentials {
	c, _ := k.validAndRenewed()
	return c
}

// validAndRenewed also says whether the last call has succeeded.
func (k *Keeper) validAndRenewed() (c *Credentials, renewed bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.current == nil || !k.current.Expiration.After(k.now()) || time.Until(k.expires) <= 0 {
		return nil, k.lastErr == nil
	}
	return k.current, k.lastErr == nil
}

// Settled waits until there are credentials, the first call has ended, or the keeper has run, or has not, for readyWait.
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

// Ended is closed when the call under way, or the next one, has ended.
func (k *Keeper) Ended() <-chan struct{} {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ended
}

// State says how things stand.
func (k *Keeper) State() State {
	valid := k.valid()
	k.mu.RLock()
	defer k.mu.RUnlock()
	s := State{Valid: valid != nil, Since: k.since, LastError: k.lastErr, LastAttempt: k.lastTime}
	if k.needsMFA != nil {
		s.MFASerial = k.needsMFA.Serial
	}
	if k.current != nil {
		s.ARN, s.Expiration, s.LastRenewal = k.current.ARN, k.current.Expiration, k.current.LastUpdated
	}
	return s
}
