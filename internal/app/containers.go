package app

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/web"
)

// Locator knows the containers of this machine. Package docker implements it.
type Locator interface {
	caller.Locator
	caller.Engine
	// Run follows what happens to containers until ctx is done.
	Run(ctx context.Context)
	// Status describes the connection to the engine.
	Status() *api.Containers
}

// NewLocator makes the Locator of a configuration. It starts nothing.
type NewLocator func(c config.Containers) (Locator, error)

// locate makes a new Locator if the configuration of containers has changed.
func (in *Inputs) locate(loaded *config.Loaded, newLocator NewLocator) error {
	c := loaded.Config.Containers
	c.Allow = nil // the state's, not the locator's
	if in.Config != nil {
		before := in.Config.Config.Containers
		before.Allow = nil
		if reflect.DeepEqual(before, c) {
			return nil
		}
	}
	in.Locator = nil
	if c.Engine == "" {
		return nil
	}
	if newLocator == nil {
		return errors.New("containers.engine: this program cannot ask a container engine")
	}
	var err error
	in.Locator, err = newLocator(c)
	return err
}

// locating is the Locator that runs.
type locating struct {
	locator Locator
	end     context.CancelFunc
	running sync.WaitGroup
}

// on runs a Locator and ends the one before.
func (l *locating) on(ctx context.Context, next Locator) {
	if l.locator == next {
		return
	}
	l.stop()
	if l.locator = next; next == nil {
		return
	}
	ctx, l.end = context.WithCancel(ctx)
	l.running.Go(func() { next.Run(ctx) })
}

// stop ends the Locator that runs, and waits for it.
func (l *locating) stop() {
	if l.end != nil {
		l.end()
		l.end = nil
	}
	l.running.Wait()
}

// errAway says that a client may be a container of a network that the engine has made while it could not be asked.
var errAway = errors.New("the client may be a container, and the container engine cannot be asked")

// errOrphan says that a listener has lost its entry.
var errOrphan = errors.New("this listener was opened for an entry of clients that is no more; restart the daemon to close it")

// locate returns what runs at the client's address.
func (a *App) locate(s *State, r *http.Request, entry int) (*caller.Workload, error) {
	w, err := s.Locator.Locate(r.Context(), web.Remote(r))
	if w == nil && err == nil && mayBeContainer(s.Locator.Status(), entry, a.guard.IsGuest(r)) {
		return nil, errAway
	}
	return w, err
}

// mayBeContainer reports whether a client that no container is known to be may be one all the same: the engine is away, and may have
// made the network meanwhile. guest says that the client is in a network of this machine's containers and virtual machines. One that
// an entry of clients is for gets what that says.
func mayBeContainer(engine *api.Containers, entry int, guest bool) bool {
	return engine != nil && !engine.Connected && entry == caller.None && guest
}

// unknown counts and logs requests of addresses at which it is not known what runs.
type unknown struct {
	mu     sync.Mutex // guards the fields below
	count  int64
	logged map[netip.Addr]time.Time // when each was logged last; at most maxUnknown
}

// repeatAfter is how long the same address is not logged again.
const repeatAfter = 10 * time.Second

// maxUnknown bounds the addresses that are remembered. Beyond it all are forgotten, and may be logged again at once.
const maxUnknown = 256

// add counts a request. It reports whether to log it.
func (u *unknown) add(a netip.Addr, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count++
	last, ok := u.logged[a]
	if ok && now.Sub(last) < repeatAfter {
		return false
	}
	switch {
	case u.logged == nil:
		u.logged = map[netip.Addr]time.Time{}
	case !ok && len(u.logged) >= maxUnknown:
		clear(u.logged)
	}
	u.logged[a] = now
	return true
}

func (u *unknown) total() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count
}

// refuseUnknown answers a client that is not known: 503, which SDKs retry.
func (a *App) refuseUnknown(r *http.Request, err error) error {
	if r.Context().Err() == nil && a.unknown.add(web.Remote(r), a.opt.Now()) {
		a.log.Warn("client is not known, answered 503", "client", web.Remote(r).String(), "error", err)
	}
	e := &web.Error{Status: http.StatusServiceUnavailable, Err: err, RetryAfter: "1"}
	if errors.Is(err, caller.ErrUnknown) {
		e.Text = "It is not known yet what runs at this address; ask again."
	}
	return e
}
