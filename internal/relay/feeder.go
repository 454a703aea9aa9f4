package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// listEvery is how often the Feeder looks for new nodes. It also lists them as soon as a stream is lost.
	listEvery = 30 * time.Second
	// listShare is for how long callers share a list.
	listShare = 250 * time.Millisecond
	// clockCheck is how often the wall clock is read, and sleepJump how far it jumps ahead when the laptop has slept.
	clockCheck = time.Second
	sleepJump  = 5 * time.Second
)

// ErrReplaced says that another laptop gives the cluster its credentials.
var ErrReplaced = errors.New("relay: another `mock-ec2-metadata-kube up` gives this cluster its credentials now; this one ends")

// Node is a node of the cluster and the daemon's pod on it.
type Node struct {
	Name string
	Pod  string
}

// FeederOptions are what a Feeder is made with.
type FeederOptions struct {
	// Nodes lists the nodes that have a pod of the daemon that runs. It is called every 30 seconds, and before a stream is opened.
	Nodes func(context.Context) ([]Node, error)
	// Dial opens a stream to a pod's Pipe. ctx lives as long as the stream. Close must end reads and writes under way. A Read may fail
	// with what kubectl has said.
	Dial func(ctx context.Context, n Node) (io.ReadWriteCloser, error)
	// Issuer answers the wishes.
	Issuer Issuer
	// Version of this program, for people.
	Version string
	// Report, if set, is called with what happens, one call at a time. It must not call the Feeder.
	Report func(Event)
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Feeder is the laptop's end. It keeps a stream to each node. Its methods may be called concurrently.
type Feeder struct {
	opt     FeederOptions
	id      string
	listing chan struct{} // its element is needed to list

	listed time.Time // guarded by listing, as nodes
	nodes  map[string]Node

	mu      sync.Mutex           // guards the fields below
	woke    chan struct{}        // closed and replaced when the laptop has slept
	streams map[*stream]struct{} // that are connected

	telling sync.Mutex // guards told, and makes calls of Report one at a time
	told    map[string]string
}

// NewFeeder makes a Feeder. It starts nothing.
func NewFeeder(opt FeederOptions) *Feeder {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Report == nil {
		opt.Report = func(Event) {}
	}
	f := &Feeder{
		opt: opt, id: rand.Text(), listing: make(chan struct{}, 1),
		woke: make(chan struct{}), streams: map[*stream]struct{}{}, told: map[string]string{},
	}
	f.listing <- struct{}{}
	return f
}

// Run feeds all nodes until ctx is done, and then returns nil. It returns ErrReplaced when another laptop has connected. It is called
// once.
func (f *Feeder) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() { f.watchClock(ctx) })
	ended := make(chan end)
	feeding := map[string]bool{}
	var wait backoff
	for {
		nodes, err := f.list(ctx)
		pause := listEvery
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			f.tell(Event{Kind: EventNodes, Err: err})
			pause = wait.next()
		default:
			wait = backoff{}
		}
		for name := range nodes {
			if !feeding[name] {
				feeding[name] = true
				work.Go(func() {
					e := end{name, f.feed(ctx, name)}
					select {
					case ended <- e:
					case <-ctx.Done():
					}
				})
			}
		}
		timer := time.NewTimer(pause)
		select {
		case e := <-ended:
			delete(feeding, e.node)
			err = e.err
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if errors.Is(err, ErrReplaced) {
			return err
		}
	}
}

// end is the end of a node's goroutine.
type end struct {
	node string
	err  error
}

// list returns the nodes by name. Callers at the same time share a list.
func (f *Feeder) list(ctx context.Context) (map[string]Node, error) {
	asked := time.Now()
	select {
	case <-f.listing:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { f.listing <- struct{}{} }()
	if f.nodes != nil && !f.listed.Before(asked.Add(-listShare)) {
		return f.nodes, nil
	}
	began := time.Now()
	list, err := f.opt.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	nodes := make(map[string]Node, len(list))
	for _, n := range list {
		nodes[n.Name] = n
	}
	f.nodes, f.listed = nodes, began
	return nodes, nil
}

// watchClock looks for sleep of the laptop: timers stand still meanwhile, and the wall clock goes on.
func (f *Feeder) watchClock(ctx context.Context) {
	for {
		began, wall := time.Now(), f.opt.Now().Round(0)
		if !sleep(ctx, clockCheck) {
			return
		}
		if f.opt.Now().Round(0).Sub(wall)-time.Since(began) > sleepJump {
			f.mu.Lock()
			close(f.woke)
			f.woke = make(chan struct{})
			f.mu.Unlock()
		}
	}
}

// wakes returns a channel that is closed when the laptop next wakes.
func (f *Feeder) wakes() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.woke
}

// Retry makes the daemons of all connected nodes ask again for what they did not get, such as after a change of the rules.
func (f *Feeder) Retry() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.streams {
		_ = s.send(message{Retry: true}) // a stream that is full ends by itself
	}
}
