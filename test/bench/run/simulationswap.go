package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// simulationSwaps measures how long an event takes until it is seen, with a large tree and with many identities, while requests go on.
func (b *bench) simulationSwaps(ctx context.Context) error {
	scale := shared.Scales()[2]
	one := []shared.Member{{Address: netip.MustParseAddr("127.0.0.1"), Role: shared.Role}}
	if err := b.swaps(ctx, scale.What, configuration+scale.Config, one); err != nil {
		return err
	}
	crowd := shared.Crowd{Roles: 1_000, Clients: 1_000}
	members := make([]shared.Member, crowd.Clients)
	for i := range members {
		members[i] = crowd.Member(i)
	}
	return b.swaps(ctx, "1,000 identities", crowd.Config("mock: true"), members)
}

// watcher is a client that sees to it that each answer is of one tree, and of none older than the one before.
type watcher struct {
	*client
	listing, roles []byte // requests
	newest         int    // event
	gone           bool   // that event has ended
}

func (s *server) watch(ctx context.Context, m shared.Member) (*watcher, error) {
	c, err := dial(ctx, s.addr, m)
	if err != nil {
		return nil, err
	}
	get := func(path string) []byte {
		return requestBytes(http.MethodGet, path, s.addr, "X-aws-ec2-metadata-token", c.token)
	}
	return &watcher{client: c, listing: get(shared.SwapListing), roles: get("/latest/meta-data/iam/security-credentials/")}, nil
}

// look returns which event a client sees, 0 for none.
func (w *watcher) look() (n int, err error) {
	status, err := w.do(w.listing)
	if err != nil {
		return 0, err
	}
	if n, err = shared.SwapOf(status, w.body); err != nil {
		return 0, err
	}
	return n, w.follow(n)
}

// follow notes the event that is seen. Its error says that it had ended before.
func (w *watcher) follow(n int) error {
	switch {
	case n == 0:
		w.gone = w.newest > 0
		return nil
	case n < w.newest || n == w.newest && w.gone:
		return fmt.Errorf("wrong answer: the tree of event %d after a newer one", n)
	}
	w.newest, w.gone = n, false
	return nil
}

// lookAtRole checks that a client sees its own role.
func (w *watcher) lookAtRole() error {
	status, err := w.do(w.roles)
	if err == nil && (status != http.StatusOK || string(w.body) != w.member.Role) {
		err = fmt.Errorf("wrong answer: %s got %d %.100q, not its role %s", w.member.Address, status, w.body, w.member.Role)
	}
	return err
}

// crowdOfWatchers are connected clients, whom so many goroutines have ask in turn.
type crowdOfWatchers struct {
	all    []*watcher
	askers int
}

func (s *server) watchAll(ctx context.Context, members []shared.Member, askers int) (*crowdOfWatchers, error) {
	c := &crowdOfWatchers{askers: askers}
	for i := range max(askers, len(members)) {
		w, err := s.watch(ctx, members[i%len(members)])
		if err != nil {
			c.close()
			return nil, err
		}
		c.all = append(c.all, w)
	}
	return c, nil
}

func (c *crowdOfWatchers) close() {
	for _, w := range c.all {
		w.close()
	}
}

// askWhile has clients ask without a pause until between returns. It returns how long the slowest request took, and how many there were.
func (c *crowdOfWatchers) askWhile(ctx context.Context, between func(context.Context) error) (slowest time.Duration, n int, err error) {
	asking, end := context.WithCancel(ctx)
	defer end()
	var running sync.WaitGroup
	worst, counts, errs := make([]time.Duration, c.askers), make([]int, c.askers), make([]error, c.askers)
	for i := range c.askers {
		running.Go(func() {
			for turn := i; asking.Err() == nil && errs[i] == nil; turn = (turn + c.askers) % (len(c.all) / c.askers * c.askers) {
				began := time.Now()
				_, err1 := c.all[turn].look()
				worst[i] = max(worst[i], time.Since(began))
				err2 := c.all[turn].lookAtRole()
				errs[i] = errors.Join(err1, err2)
				counts[i] += 2
			}
			if errs[i] != nil {
				end()
			}
		})
	}
	err = between(asking)
	end()
	running.Wait()
	for _, count := range counts {
		n += count
	}
	if failed := errors.Join(errs...); failed != nil {
		err = failed
	}
	return slices.Max(worst), n, err
}

// swaps measures one configuration. members are clients of it.
func (b *bench) swaps(ctx context.Context, what, config string, members []shared.Member) error {
	const askers = 16
	times, before := 30, time.Second
	if b.short {
		times, before = 3, 200*time.Millisecond
	}
	s, err := b.simulate(ctx, "swaps", config)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	watchers, err := s.watchAll(ctx, members, askers)
	if err != nil {
		return err
	}
	defer watchers.close()
	first, err := s.watch(ctx, members[0])
	if err != nil {
		return err
	}
	defer first.close()
	alone, err := s.swap(ctx, first, 1, times)
	if err != nil {
		return err
	}
	var loaded swapTimes
	quiet, _, err := watchers.askWhile(ctx, func(ctx context.Context) error { return wait(ctx, before) })
	if err != nil {
		return err
	}
	if err := s.emptyLog(); err != nil {
		return err
	}
	slowest, n, err := watchers.askWhile(ctx, func(ctx context.Context) (err error) {
		loaded, err = s.swap(ctx, first, times+1, times)
		return err
	})
	if err != nil {
		return err
	}
	b.rows = append(b.rows, swapRows(what, askers, &alone, &loaded, n, slowest, quiet)...)
	return nil
}

// swapTimes are in ms, from the beginning of each PUT.
type swapTimes struct {
	put  []float64 // to its answer
	seen []float64 // to the end of a GET that is sent then
}

// swap makes and ends so many events, the first of this number. w must see each at once.
func (s *simulator) swap(ctx context.Context, w *watcher, first, times int) (swapTimes, error) {
	const pause = 50 * time.Millisecond
	var took swapTimes
	for i := first; i < first+times; i++ {
		id, body := shared.SwapEvent(i)
		began := time.Now()
		if err := s.put(ctx, false, id, body); err != nil {
			return took, err
		}
		put := time.Since(began)
		n, err := w.look()
		if err == nil && n != i {
			err = fmt.Errorf("wrong answer: the tree of event %d after event %d was made", n, i)
		}
		if err != nil {
			return took, err
		}
		took.put, took.seen = append(took.put, milliseconds(put)), append(took.seen, milliseconds(time.Since(began)))
		if err := wait(ctx, pause); err != nil {
			return took, err
		}
		if err := s.remove(ctx, false, id); err != nil {
			return took, err
		}
		if err := wait(ctx, pause); err != nil {
			return took, err
		}
	}
	return took, nil
}

// swapRows makes the rows of one configuration. n requests were answered under load, the slowest took so long, and without events so long.
func swapRows(what string, askers int, alone, loaded *swapTimes, n int, slowest, quiet time.Duration) []row {
	what = fmt.Sprintf("an event with %s, %d connections: from its PUT to the first answer with it", what, askers)
	return []row{
		atMost(fmt.Sprintf("%s, median of %d", what, len(loaded.seen)), "%.0f ms", wantedSwap, median(loaded.seen),
			fmt.Sprintf("%.0f ms to the 201; without other requests %.0f ms and %.0f ms", median(loaded.put), median(alone.seen), median(alone.put))),
		atMost("the same, worst", "%.0f ms", wantedSwap, slices.Max(loaded.seen),
			fmt.Sprintf("%.0f ms to the 201; without other requests %.0f ms; none of %s GETs failed or mixed two trees; the slowest took %.0f ms, without events %.0f ms",
				slices.Max(loaded.put), slices.Max(alone.seen), thousands(float64(n)), milliseconds(slowest), milliseconds(quiet))),
	}
}
