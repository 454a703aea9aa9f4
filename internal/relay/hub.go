package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/credentials"
)

const (
	// reconnectWait is how long wishes wait for the laptop after its stream was lost. A Feeder dials again after 0.5 seconds.
	reconnectWait = 5 * time.Second
	// mostReplaced bounds how many laptops a Hub remembers that others have replaced.
	mostReplaced = 64
)

// HubOptions are what a Hub is made with.
type HubOptions struct {
	// Version of this program, for people.
	Version string
	// Connected, if set, is called when a laptop has connected, and when it has credentials that it could not give before: keepers whose
	// calls failed should retry. It must not block.
	Connected func()
	// Log; nil: none.
	Log *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Hub is the pod's end. It asks one laptop at a time, the one that has connected last. It keeps no credentials. Its methods may be
// called concurrently.
type Hub struct {
	opt HubOptions

	// mu guards the fields below.
	mu       sync.Mutex
	current  *stream // nil: no laptop
	feeder   string  // of current, or else of the last one
	replaced map[string]bool
	since    time.Time // when current connected, or was lost; zero before the first
	lastErr  string    // why there is none
	lastID   uint64
	pending  map[uint64]*pending
	gaveUp   *time.Timer // fails what is pending after a loss; nil before the first
}

// pending is a wish that waits for its answer.
type pending struct {
	wish   Wish
	answer chan answer // has room for one
}

type answer struct {
	credentials *credentials.Credentials
	err         *credentials.Error
}

// NewHub makes a Hub without a laptop. It starts nothing.
func NewHub(opt HubOptions) *Hub {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Connected == nil {
		opt.Connected = func() {}
	}
	return &Hub{opt: opt, replaced: map[string]bool{}, pending: map[uint64]*pending{}}
}

// Provider gives the provider of a Spec, which asks the laptop. Without a laptop it fails at once, and the failure is temporary. A Spec
// without a Subject fails always, since the laptop decides by it.
func (h *Hub) Provider(s credentials.Spec) credentials.Provider { return &provider{h, s} }

type provider struct {
	hub  *Hub
	spec credentials.Spec
}

// Retrieve asks the laptop, and waits for the answer until ctx is done. It fails with an *Error, or when ctx is cancelled with its error.
func (p *provider) Retrieve(ctx context.Context) (*credentials.Credentials, error) {
	if p.spec.Subject == nil {
		return nil, &credentials.Error{
			Code:    credentials.CodeProfile,
			Message: "these credentials are for no pod, so the laptop does not give them; name the role in kubernetes.rules",
		}
	}
	w := &pending{wish: wishFor(p.spec), answer: make(chan answer, 1)}
	id, err := p.hub.ask(w)
	if err != nil {
		return nil, err
	}
	select {
	case a := <-w.answer:
		if a.err != nil {
			return nil, a.err
		}
		return a.credentials, nil
	case <-ctx.Done():
		p.hub.drop(id)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &credentials.Error{
				Code: credentials.CodeFailed, Temporary: true,
				Message: "the laptop has not answered in time; see what its `mock-ec2-metadata-kube up` says",
			}
		}
		return nil, ctx.Err()
	}
}

// ask sends a wish to the laptop.
func (h *Hub) ask(w *pending) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return 0, notRunning()
	}
	h.lastID++
	if err := h.current.send(message{ID: h.lastID, Want: &w.wish}); err != nil {
		return 0, asError(err, errors.Is(err, errSlow))
	}
	h.pending[h.lastID] = w
	return h.lastID, nil
}

func notRunning() *credentials.Error {
	return &credentials.Error{
		Code: credentials.CodeFailed, Temporary: true,
		Message: "the laptop's `mock-ec2-metadata-kube up` is not running; start it",
	}
}

// drop forgets a wish, and tells the laptop.
func (h *Hub) drop(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending[id] != nil && h.current != nil {
		_ = h.current.send(message{Drop: id}) // a stream that is full ends by itself
	}
	delete(h.pending, id)
}

// Serve speaks with one laptop until its stream ends, another laptop connects or ctx is done. It takes the place of the laptop before,
// which is told. It closes the connection, whose Close must end reads and writes under way. It never returns nil.
func (h *Hub) Serve(ctx context.Context, conn io.ReadWriteCloser) error {
	s := newStream(conn)
	own := hello{Protocol: Protocol, Version: h.opt.Version}
	err := s.run(ctx, own, func(laptop hello) error {
		if err := checkVersions(laptop, own); err != nil {
			return err
		}
		return h.join(s, laptop)
	}, func(m message) error {
		h.handle(s, m)
		return nil
	})
	h.part(s, err, ctx.Err() != nil)
	return err
}

// join makes a stream the current one, and repeats the wishes that wait. A laptop is refused while one that came after it is there: after
// a sleep it would otherwise take the place back.
func (h *Hub) join(s *stream, laptop hello) error {
	h.mu.Lock()
	before := h.current
	if h.feeder != laptop.Feeder {
		if before != nil && h.replaced[laptop.Feeder] {
			h.mu.Unlock()
			return replacedBye()
		}
		if len(h.replaced) >= mostReplaced {
			clear(h.replaced)
		}
		h.replaced[h.feeder] = true
	}
	h.current, h.feeder, h.since, h.lastErr = s, laptop.Feeder, h.opt.Now(), ""
	if h.gaveUp != nil {
		h.gaveUp.Stop()
	}
	for id, w := range h.pending {
		_ = s.send(message{ID: id, Want: &w.wish}) // has been sent before, so it fits
	}
	h.mu.Unlock()
	if before != nil {
		before.dismiss(replacedBye())
	}
	h.opt.Log.Info("laptop gives credentials", "version", laptop.Version)
	h.opt.Connected()
	return nil
}

func replacedBye() *bye {
	return &bye{byeReplaced, "relay: another `mock-ec2-metadata-kube up` gives this cluster its credentials now; stop that one before you start this again"}
}

// handle takes what the laptop says.
func (h *Hub) handle(s *stream, m message) {
	if m.Retry {
		h.opt.Connected()
	}
	if m.Credentials == nil && m.Error == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.pending[m.ID]; w != nil && h.current == s { // else it has been dropped meanwhile
		delete(h.pending, m.ID)
		w.answer <- h.answer(m)
	}
}

// answer checks an answer. Credentials without a session token are long-lived keys, which must stay on the laptop.
func (h *Hub) answer(m message) answer {
	c := m.Credentials
	switch {
	case m.Error != nil:
		return answer{err: m.Error}
	case !isSession(c):
		return answer{err: &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: "the laptop's answer holds no credentials of a session"}}
	case !c.Expiration.After(h.opt.Now()):
		return answer{err: &credentials.Error{
			Code: credentials.CodeFailed, Temporary: true,
			Message: "the laptop's credentials have expired by the clock of the node; set the clocks of both",
		}}
	default:
		return answer{credentials: c}
	}
}

// isSession reports whether they are complete credentials of a session.
func isSession(c *credentials.Credentials) bool {
	return c.AccessKeyID != "" && c.SecretAccessKey != "" && c.SessionToken != ""
}

// part records the end of a stream. stopped says that the Hub has been.
func (h *Hub) part(s *stream, err error, stopped bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if stopped {
		if h.current == s {
			h.current = nil
		}
		return
	}
	switch h.current {
	case s:
		h.current, h.since, h.lastErr = nil, h.opt.Now(), err.Error()
		h.gaveUp = time.AfterFunc(reconnectWait, h.giveUp)
		h.opt.Log.Warn("lost the laptop", "error", err, "hint", "it dials again by itself; else run mock-ec2-metadata-kube up")
	case nil:
		h.lastErr = err.Error()
		h.opt.Log.Warn("refused a laptop", "error", err)
	default:
		h.opt.Log.Info("ended another laptop's stream", "error", err)
	}
}

// giveUp fails the wishes that wait, unless a laptop has connected.
func (h *Hub) giveUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current != nil {
		return
	}
	for id, w := range h.pending {
		delete(h.pending, id)
		w.answer <- answer{err: notRunning()}
	}
}

// Status describes the connection for /status. Since is when the laptop connected, or when the last one was lost.
func (h *Hub) Status() *api.Relay {
	h.mu.Lock()
	defer h.mu.Unlock()
	status := &api.Relay{Connected: h.current != nil, LastError: h.lastErr}
	if !h.since.IsZero() {
		since := h.since.UTC()
		status.Since = &since
	}
	return status
}
