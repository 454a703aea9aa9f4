package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// The pause before a stream is opened anew doubles from firstPause to longestPause, until a stream has lived for steadyLife.
	firstPause   = 500 * time.Millisecond
	longestPause = 10 * time.Second
	steadyLife   = time.Minute
	// dialWait bounds how long a stream takes to open, and goneAfter for how long a node is looked for that has no pod.
	dialWait  = 30 * time.Second
	goneAfter = 5 * time.Minute
)

var (
	errNoPod = errors.New("no pod of the daemon runs there; see kubectl get pods -o wide")
	errAwoke = errors.New("relay: the laptop has slept")
	errDial  = fmt.Errorf("relay: no stream to the pod within %v", dialWait)
)

// backoff counts pauses. The zero value is before the first.
type backoff struct{ limit time.Duration }

// next returns the next pause: a random half to the whole of a limit that doubles.
func (b *backoff) next() time.Duration {
	if b.limit == 0 {
		b.limit = firstPause
	}
	pause := b.limit/2 + rand.N(b.limit/2) //nolint:gosec // spreads load, protects nothing
	b.limit = min(2*b.limit, longestPause)
	return pause
}

// feed keeps a stream to a node until ctx is done, another laptop connects, or the node is gone.
func (f *Feeder) feed(ctx context.Context, name string) error {
	var wait backoff
	var absent time.Time // since when; zero: it is there
	for {
		woke := f.wakes()
		node, lived, err := f.attempt(ctx, name, woke)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end was asked for
		case errors.Is(err, ErrReplaced):
			return err
		case !errors.Is(err, errNoPod):
			absent = time.Time{}
		case absent.IsZero():
			absent = time.Now()
		case time.Since(absent) > goneAfter:
			return nil
		}
		f.tell(Event{Kind: EventLost, Node: node, Err: err})
		if lived >= steadyLife || errors.Is(err, errAwoke) {
			wait = backoff{}
		}
		if errors.Is(err, errAwoke) {
			continue
		}
		timer := time.NewTimer(wait.next())
		select {
		case <-timer.C:
		case <-woke:
			wait = backoff{}
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// attempt opens a stream to the pod that the node has now, and feeds it to its end. lived is how long it worked.
func (f *Feeder) attempt(ctx context.Context, name string, woke <-chan struct{}) (node Node, lived time.Duration, err error) {
	node = Node{Name: name}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-woke:
			cancel(errAwoke)
		case <-ctx.Done():
		}
	}()
	defer func() {
		if cause := context.Cause(ctx); errors.Is(cause, errAwoke) || errors.Is(cause, errDial) {
			err = cause
		}
	}()
	nodes, err := f.list(ctx)
	if err != nil {
		return node, 0, err
	}
	node, there := nodes[name]
	if !there {
		return Node{Name: name}, 0, errNoPod
	}
	slow := time.AfterFunc(dialWait, func() { cancel(errDial) })
	conn, err := f.opt.Dial(ctx, node)
	if !slow.Stop() && err == nil {
		_ = conn.Close()
		err = errDial
	}
	if err != nil {
		return node, 0, err
	}
	lived, err = f.serve(ctx, node, conn)
	return node, lived, err
}
