package credentials

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// RetrieveTimeout bounds one call of a Provider, including credential_process and SSO. The Provider gives up a single request
// earlier.
const RetrieveTimeout = 30 * time.Second

const (
	// answerWait bounds how long Get waits for credentials. Most SDKs time out one second after they have sent the request,
	// some after they have begun to connect; the rest is for the way there and back.
	answerWait = 950 * time.Millisecond
	// restLeast is the life below which credentials at rest are renewed before a client gets them: SDKs ask again at each use of
	// such (container-credentials-reference section 7.4).
	restLeast = 15 * time.Minute
	// readyWait bounds how long Settled waits.
	readyWait = 5 * time.Second
	// wallClockCheck is how often a pause reads the wall clock: timers stand still while a laptop sleeps.
	wallClockCheck = 10 * time.Second
	// onDemandCheck is the same for on-demand keepers, which may be thousands. Their next client notices an expiry anyway.
	onDemandCheck = time.Minute
)

// State describes a Keeper. It holds no secret.
type State struct {
	// Valid reports whether Get has credentials to return.
	Valid bool
	// Idle says that the keeper is on demand, and that no call is in flight or planned before a client asks.
	Idle bool
	// Since is when the keeper's goroutine began; zero before, and zero again when it has ended because no client asked.
	Since time.Time
	// ARN, Expiration and LastRenewal describe the last credentials, valid or not; zero before the first.
	ARN         string
	Expiration  time.Time
	LastRenewal time.Time
	// LastError is why the last call, at LastAttempt, failed; nil if it succeeded.
	LastError   *Error
	LastAttempt time.Time
	// Failures is how many calls have failed in a row, up to now. Calls that only lack an MFA code are none.
	Failures int
	// MFASerial is the MFA device whose code the next call needs, see Answer; "" if it needs none.
	MFASerial string
	// CacheFile has the credentials on disk for the next run; "" if no file has.
	CacheFile string
	// KeyEnd is the end of the access key id, 4 characters; "" before the first credentials, and of an id that is too short to hide.
	KeyEnd string
	// RenewsAt is when the next call begins by itself; zero while one is in flight, and if none will.
	RenewsAt time.Time
}

// Keeper holds the credentials of one provider and refreshes them before they expire. Only its goroutine calls the provider:
// in the background, one call at a time, independent of clients. Methods may be called concurrently.
type Keeper struct {
	// NeedsMFA, if set before the keeper runs, is called when the next call needs an MFA code: once for each reason, and for each
	// code that STS refuses. It must not block.
	NeedsMFA func(*NeedsMFA)
	// Observer is told what becomes of calls and of clients that wait; nil for none. It is set before the keeper is used.
	Observer Observer

	provider  Provider
	limiter   *limiter
	slots     *slots        // of a Pool
	cache     *cacheFile    // nil: none; only Run uses it
	failed    func()        // called before the failure of a call is recorded; only Run uses it
	schedule  schedule      // only Run uses it
	idleAfter time.Duration // of the last use, on demand
	log       *slog.Logger
	now       func() time.Time // wall clock
	wake      chan struct{}    // ends a pause; has room for one
	answers   chan answer      // ends a pause too
	demand    chan struct{}    // see ask; has room for one
	made      time.Time
	// used is when a client last used the credentials, in nanoseconds after made, give or take a second; 0: no client has since
	// they were issued.
	used atomic.Int64

	// mu guards the fields below. Only Run writes needsMFA once it has begun, and reads it without mu.
	mu       sync.RWMutex
	onDemand bool
	parent   context.Context //nolint:containedctx // of all runs; nil: start does nothing
	runs     *sync.WaitGroup // counts the goroutines of a Pool
	cancel   context.CancelFunc
	running  bool          // it has a goroutine
	resting  bool          // which calls only when a client asks
	done     chan struct{} // closed when Run has returned; nil before the first
	since    time.Time
	current  *Credentials
	expires  time.Time // of current; monotonic, unaffected by wall-clock changes
	lastErr  *Error
	lastTime time.Time
	failures int       // in a row, see State
	needsMFA *NeedsMFA // the cause of lastErr, if it is a missing code
	inFlight bool      // a call is in flight or about to begin; true before Run
	renewed  time.Time // when Renew ended a pause last
	// renewsLater says that a timer is to end a pause for Renew.
	renewsLater bool
	resumes     time.Time     // when the pause ends by itself; monotonic, zero during a call
	ended       chan struct{} // closed and replaced when a call ends
}

// NewKeeper makes an eager keeper that refreshes credentials refreshBefore they expire. It does nothing until Run.
func NewKeeper(p Provider, refreshBefore time.Duration, log *slog.Logger, now func() time.Time) *Keeper {
	return &Keeper{
		provider:  p,
		limiter:   newLimiter(),
		idleAfter: idleAfter,
		schedule:  schedule{refreshBefore: refreshBefore, jitter: jitter},
		log:       log,
		now:       now,
		wake:      make(chan struct{}, 1),
		answers:   make(chan answer),
		demand:    make(chan struct{}, 1),
		made:      time.Now(),
		inFlight:  true,
		ended:     make(chan struct{}),
	}
}

// Retry ends the pause after a failed call, including one still in flight: call it when the cause may be gone, such as
// after an edit of a profile. Without a failure it does nothing. An idle keeper stays idle.
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
// time. It fails with an *Error, or with the context's error if ctx is done first. On an idle keeper it starts a call, unless 10,000
// on-demand keepers run.
func (k *Keeper) Get(ctx context.Context) (*Credentials, error) {
	now := time.Now()
	k.mu.RLock()
	k.use(now)
	c := k.valid(now)
	running, asks := k.running, k.resting || c != nil && k.lastErr != nil
	late, ended := k.resting && c != nil && k.expires.Sub(now) < restLeast, k.ended
	k.mu.RUnlock()
	switch {
	case !running:
		if err := k.start(); err != nil && c == nil {
			return nil, err
		}
	case asks:
		k.ask()
	}
	if c != nil && !late {
		return c, nil
	}
	observed := k.Observer != nil && ctx.Err() == nil
	until := now.Add(answerWait)
	if late {
		waitFor(ctx, ended, until)
		k.mu.RLock()
		c = k.valid(time.Now()) // of the renewal, or those of before
		k.mu.RUnlock()
	}
	var waited bool
	var err error
	if c == nil {
		c, waited, err = k.wait(ctx, until)
	}
	if observed && (late || waited) {
		k.Observer.Waited(time.Since(now), err == nil)
	}
	return c, err
}

// waitFor waits until a channel is closed, at most until a time or the context's end.
func waitFor(ctx context.Context, closed <-chan struct{}, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-closed:
	case <-ctx.Done():
	case <-timer.C:
	}
}

// wait waits for the credentials of the next call. It reports whether it had to: why a call has failed is known at once.
func (k *Keeper) wait(ctx context.Context, until time.Time) (c *Credentials, waited bool, err error) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for {
		now := time.Now()
		k.mu.RLock()
		k.use(now)
		lastErr, resumes, ended := k.lastErr, k.resumes, k.ended
		c = k.valid(now)
		calls := k.inFlight || k.resting // a resting one has been asked
		k.mu.RUnlock()
		switch {
		case c != nil:
			return c, waited, nil
		case calls:
		case lastErr != nil && (!lastErr.Temporary || resumes.IsZero() || !resumes.Before(until)):
			return nil, waited, lastErr
		case lastErr == nil:
			k.endPauseAfter(ended) // the credentials expired during the pause: the machine slept
		}
		waited = true
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, true, ctx.Err()
		case <-timer.C:
			if err := k.State().LastError; err != nil {
				return nil, true, err
			}
			return nil, true, &Error{Code: CodeFailed, Temporary: true, Message: "credentials are still being fetched; retry"}
		}
	}
}

// valid returns the credentials unless they have expired by the wall clock or by the monotonic clock; nil otherwise. k.mu is
// held.
func (k *Keeper) valid(now time.Time) *Credentials {
	if k.current != nil && k.current.Expiration.After(k.now()) && k.expires.After(now) {
		return k.current
	}
	return nil
}

// isValid reports whether there are credentials that have not expired. k.mu is held.
func (k *Keeper) isValid() bool { return k.valid(time.Now()) != nil }

// left is how long the current credentials are still valid; 0 without any, negative if they have expired. k.mu is held.
func (k *Keeper) left() time.Duration {
	if k.current == nil {
		return 0
	}
	return min(k.current.Expiration.Sub(k.now()), time.Until(k.expires))
}

func (k *Keeper) timeLeft() time.Duration {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.left()
}

// isIdle reports whether the keeper calls only when a client asks. k.mu is held.
func (k *Keeper) isIdle() bool { return k.onDemand && (!k.running || k.resting) }

// Settled waits until the keeper has valid credentials, its first call has ended, or 5 seconds have passed since Run began
// (before Run: since the call of Settled).
func (k *Keeper) Settled(ctx context.Context) {
	k.mu.RLock()
	first, ended, since, valid := k.lastTime.IsZero(), k.ended, k.since, k.isValid()
	k.mu.RUnlock()
	left := readyWait
	if !since.IsZero() {
		left -= k.now().Sub(since)
	}
	if !first || left <= 0 || valid {
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
	k.mu.RLock()
	defer k.mu.RUnlock()
	s := State{Valid: k.isValid(), Idle: k.isIdle(), Since: k.since, LastError: k.lastErr, LastAttempt: k.lastTime, Failures: k.failures, CacheFile: k.cache.path()}
	if k.needsMFA != nil {
		s.MFASerial = k.needsMFA.Serial
	}
	if k.current != nil {
		s.ARN, s.Expiration, s.LastRenewal = k.current.ARN, k.current.Expiration, k.current.LastUpdated
		if id := k.current.AccessKeyID; len(id) >= 12 { // of AWS 16 or more
			s.KeyEnd = id[len(id)-4:]
		}
	}
	if k.running && !k.resting {
		s.RenewsAt = k.resumes.Round(0)
	}
	return s
}
