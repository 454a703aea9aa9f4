package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

const (
	// mostIssues bounds how many wishes of a node are worked on at once, and mostWishes how many wait.
	mostIssues = 64
	mostWishes = 4096
)

// feeding is a stream to a node.
type feeding struct {
	f      *Feeder
	node   Node
	s      *stream
	issues chan struct{}
	work   sync.WaitGroup
	ctx    context.Context //nolint:containedctx // of all that works for the stream

	mu      sync.Mutex // guards the fields below
	wishes  map[uint64]context.CancelFunc
	watched map[*credentials.Keeper]bool // whose next success is told to the node
}

// serve answers a node's wishes until the stream ends. lived is how long it worked.
func (f *Feeder) serve(ctx context.Context, node Node, conn io.ReadWriteCloser) (lived time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	s := newStream(conn)
	n := &feeding{
		f: f, node: node, s: s, issues: make(chan struct{}, mostIssues), ctx: ctx,
		wishes: map[uint64]context.CancelFunc{}, watched: map[*credentials.Keeper]bool{},
	}
	defer n.work.Wait()
	defer cancel()
	own := hello{Protocol: Protocol, Version: f.opt.Version, Feeder: f.id}
	var connected time.Time
	err = s.run(ctx, own, func(pod hello) error {
		if err := checkVersions(own, pod); err != nil {
			return err
		}
		connected = time.Now()
		f.mu.Lock()
		f.streams[s] = struct{}{}
		f.mu.Unlock()
		f.tell(Event{Kind: EventConnected, Node: node})
		return nil
	}, n.handle)
	f.mu.Lock()
	delete(f.streams, s)
	f.mu.Unlock()
	if !connected.IsZero() {
		lived = time.Since(connected)
	}
	if farewell, ok := errors.AsType[*farewellError](err); ok && farewell.bye.Why == byeReplaced {
		err = fmt.Errorf("%w (node %q)", ErrReplaced, node.Name)
	}
	return lived, err
}

// handle takes what the pod says.
func (n *feeding) handle(m message) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case m.Drop != 0:
		if cancel := n.wishes[m.Drop]; cancel != nil {
			cancel()
		}
	case m.Want == nil:
	case m.ID == 0 || n.wishes[m.ID] != nil:
		return errGarbage
	case len(n.wishes) >= mostWishes:
		return n.s.send(message{ID: m.ID, Error: &credentials.Error{
			Code: credentials.CodeFailed, Temporary: true, Message: fmt.Sprintf("the node has %d wishes under way; retry", mostWishes),
		}})
	default:
		w := *m.Want
		w.Subject.Node = n.node.Name // which the laptop knows better
		ctx, cancel := context.WithTimeout(n.ctx, credentials.RetrieveTimeout)
		n.wishes[m.ID] = cancel
		n.work.Go(func() {
			defer cancel()
			n.answer(ctx, m.ID, w)
		})
	}
	return nil
}

// answer answers one wish, unless the pod has dropped it or the stream has ended.
func (n *feeding) answer(ctx context.Context, id uint64, w Wish) {
	keeper, c, e := n.issue(ctx, w)
	n.mu.Lock()
	delete(n.wishes, id)
	n.mu.Unlock()
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	if err := n.s.send(message{ID: id, Credentials: c, Error: e}); errors.Is(err, errTooLong) {
		_ = n.s.send(message{ID: id, Error: &credentials.Error{Code: credentials.CodeFailed, Message: err.Error()}})
	}
	switch {
	case e == nil:
		n.f.tell(Event{Kind: EventGave, Node: n.node, Wish: w, Expiration: c.Expiration})
	case keeper == nil && !e.Temporary:
		n.f.tell(Event{Kind: EventRefused, Node: n.node, Wish: w, Err: e})
	default:
		n.f.tell(Event{Kind: EventFailed, Node: n.node, Wish: w, Err: e})
	}
	if e != nil && keeper != nil {
		n.watch(keeper)
	}
}

// issue issues credentials when its turn comes. It returns the keeper if there is one.
func (n *feeding) issue(ctx context.Context, w Wish) (*credentials.Keeper, *credentials.Credentials, *credentials.Error) {
	select {
	case n.issues <- struct{}{}:
		defer func() { <-n.issues }()
		return n.f.opt.Issuer.issue(ctx, w)
	case <-ctx.Done():
		return nil, nil, stillFetching()
	}
}

// watch tells the node when a keeper that failed has credentials, such as by an MFA code.
func (n *feeding) watch(k *credentials.Keeper) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watched[k] {
		return
	}
	n.watched[k] = true
	n.work.Go(func() {
		for {
			ended := k.Ended()
			if k.State().Valid {
				break
			}
			select {
			case <-ended:
			case <-n.ctx.Done():
				return
			}
		}
		n.mu.Lock()
		delete(n.watched, k)
		n.mu.Unlock()
		_ = n.s.send(message{Retry: true})
	})
}
