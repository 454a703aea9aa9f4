package docker

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// minRetry and maxRetry bound the delay between two attempts to connect, before jitter shortens it by up to a half.
	minRetry = 100 * time.Millisecond
	maxRetry = 1600 * time.Millisecond
	// steady is how long a connection must have lasted for the next attempt to come after minRetry.
	steady = 10 * time.Second
	// pingInterval is how often an engine is asked whether it still answers: a stream of events may be silent for days.
	pingInterval = 5 * time.Second
	// listInterval is the shortest time between two lists that misses ask for.
	listInterval = 200 * time.Millisecond
)

// Run connects to the engine and follows its events, and connects again when it is lost. It returns when ctx is done. It must
// be called once.
func (l *Locator) Run(ctx context.Context) {
	w := newWorld()
	delay, last := minRetry, reason{}
	for {
		begun := time.Now()
		err := l.follow(ctx, w)
		if ctx.Err() != nil {
			return
		}
		if l.Status().Connected {
			last = reason{}
		}
		if time.Since(begun) > steady {
			delay = minRetry
		}
		why := l.api.explain(err)
		if why != last {
			last = why
			l.log.Warn("cannot reach container engine", "error", why.problem, "hint", why.fix)
		}
		l.publish(w, why.String())
		select {
		case <-time.After(delay/2 + rand.N(delay/2)): //nolint:gosec // G404: jitter is no secret
		case <-ctx.Done():
			return
		}
		delay = min(2*delay, maxRetry)
	}
}

// session is one connection to the engine. All but the goroutines that start begins runs in the goroutine of Run.
type session struct {
	*Locator
	api   *api
	world *world
	ctx   context.Context // done when the session ends
	inbox chan func()     // what the loop does next
	work  sync.WaitGroup
	err   error // ends the session

	reached bool        // the first list is done
	wanted  bool        // a list must follow
	resting bool        // listInterval after the last one has not passed
	rested  *time.Timer // ends resting
	pings   *time.Ticker
	pinging bool            // the last ping is not answered
	failing map[string]bool // containers that cannot be inspected, by id

	networksBusy, networksAgain bool // as in record
}

// follow reads the engine once as a whole, and then follows its events until the connection is lost.
func (l *Locator) follow(ctx context.Context, w *world) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{Locator: l, world: w, ctx: ctx, inbox: make(chan func()), rested: time.NewTimer(listInterval), pings: time.NewTicker(pingInterval), failing: map[string]bool{}}
	defer func() {
		cancel()
		s.rested.Stop()
		s.pings.Stop()
		s.work.Wait()
		l.api.http.CloseIdleConnections()
		w.abandon()
	}()
	var err error
	if s.api, err = l.api.connect(ctx); err != nil {
		return err
	}
	l.current.Store(s.api)
	s.start(s.stream)
	for s.err == nil {
		if s.wanted && s.reached && !s.world.listing && !s.resting {
			s.list(false)
		}
		select {
		case do := <-s.inbox:
			do()
		case <-l.misses:
			s.wanted = true
		case <-s.rested.C:
			s.resting = false
		case <-s.pings.C:
			if !s.pinging {
				s.pinging = true
				s.start(s.ping)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.err
}

// start runs work in a goroutine, and what it returns in the loop.
func (s *session) start(work func() func()) {
	s.work.Go(func() { s.send(work()) })
}

func (s *session) send(do func()) {
	select {
	case s.inbox <- do:
	case <-s.ctx.Done():
	}
}

// ping ends the session if the engine does not answer.
func (s *session) ping() func() {
	err := s.api.ping(s.ctx)
	return func() {
		s.pinging = false
		if err != nil {
			s.err = err
		}
	}
}

// stream follows the events. The first list starts once the engine sends them, so that nothing between is lost.
func (s *session) stream() func() {
	err := s.api.events(s.ctx,
		func() { s.send(func() { s.list(true) }) },
		func(c change) { s.send(func() { s.apply(c) }) })
	return func() { s.err = err }
}

// apply does what an event asks for.
func (s *session) apply(c change) {
	s.world.seq++
	switch c.action {
	case changed:
		s.inspect(c.id)
	case connected:
		if s.world.runs(c.id) { // else its start follows
			s.inspect(c.id)
		}
		if c.network == "" {
			s.readNetworks()
		}
	case disconnected:
		if s.world.runs(c.id) {
			s.world.leave(c.id, c.network)
			s.update()
			s.inspect(c.id)
		}
	case ended:
		s.world.end(c.id)
		s.update()
	case renetworked:
		s.readNetworks()
	}
}

// inspect reads one container, after an event about it.
func (s *session) inspect(id string) {
	r := s.world.record(id)
	r.seq = s.world.seq
	if r.again = r.busy; r.busy {
		return
	}
	r.busy = true
	seq := r.seq
	s.start(func() func() {
		c, err := s.api.container(s.ctx, id, s.roles)
		return func() {
			r.busy = false
			switch {
			case r.again:
				s.inspect(id)
			case err != nil:
				s.uninspected(id, err)
			default:
				delete(s.failing, id)
				s.world.set(id, c, seq)
				s.update()
			}
			s.world.forget(id)
		}
	})
}

// uninspected logs once that a container cannot be inspected.
func (s *session) uninspected(id string, err error) {
	if !s.failing[id] {
		s.failing[id] = true
		why := s.Locator.api.explain(err)
		s.log.Warn("cannot inspect container", "id", printable(id, maxQuoted), "error", why.problem, "hint", why.fix)
	}
}

// readNetworks reads the networks, after an event about them.
func (s *session) readNetworks() {
	s.world.networksSeq = s.world.seq
	if s.networksAgain = s.networksBusy; s.networksBusy {
		return
	}
	s.networksBusy = true
	seq := s.world.seq
	s.start(func() func() {
		n, err := s.api.networks(s.ctx)
		return func() {
			s.networksBusy = false
			switch {
			case err != nil:
				s.err = err
				return
			case s.networksAgain:
				s.readNetworks()
				return
			}
			s.world.setNetworks(n, seq)
			s.update()
		}
	})
}

// list reads the networks and the containers: all anew, or only those that are not known as the list shows them.
func (s *session) list(anew bool) {
	s.world.listing, s.wanted, s.resting = true, false, true
	s.rested.Reset(listInterval)
	seq, known := s.world.seq, s.world.running()
	s.start(func() func() {
		n, err := s.api.networks(s.ctx)
		var found []*container
		var failed map[string]error
		if err == nil {
			found, failed, err = s.api.running(s.ctx, known, anew, s.roles)
		}
		return func() {
			s.world.listing = false
			if s.err = err; err != nil {
				return
			}
			maps.DeleteFunc(s.failing, func(id string, _ bool) bool { return failed[id] == nil })
			for id, err := range failed {
				s.uninspected(id, err)
			}
			s.world.setNetworks(n, seq)
			s.world.replace(found, seq)
			s.reached = true
			// Docker sends the header of the event stream shortly before it subscribes, so look once more.
			s.wanted = s.wanted || anew
			s.update()
		}
	})
}

// update makes what is known visible. The engine counts as away until it has been read as a whole.
func (s *session) update() {
	away := ""
	if !s.reached {
		away = s.Status().Error
	}
	s.publish(s.world, away)
}

// publish replaces the view. away is why the engine cannot be asked; "" if it can.
func (l *Locator) publish(w *world, away string) {
	old := l.view.Load()
	v := w.view()
	v.status.Since, v.status.Error, v.status.Connected = old.status.Since, away, away == ""
	if v.status.Connected != old.status.Connected {
		v.status.Since = l.now()
		if v.status.Connected {
			l.log.Info("container engine connected", "socket", l.api.path, "containers", v.status.Containers)
		}
	}
	l.view.Store(v)
	close(old.next)
}
