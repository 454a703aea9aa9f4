package credentials

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// PoolOptions are what a Pool is made with.
type PoolOptions struct {
	// Provide makes the provider of a Spec; required. It must not call the Pool.
	Provide func(Spec) Provider
	// NeedsMFA, if set, is called when a keeper waits for an MFA code, once for each reason; Keeper.Answer gives the
	// code. The keeper's goroutine calls it: it must not wait, nor call Close.
	NeedsMFA func(*Keeper, *NeedsMFA)
	// CacheDir is the directory for the credentials of Specs with Cache; "": nowhere.
	CacheDir string
	// Issuer tells apart the credentials of different services in CacheDir, such as by AWS_ENDPOINT_URL_STS.
	Issuer string
	// Log; nil: none.
	Log *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Pool owns the keepers of all Specs in use, and their goroutines. Equal Specs share a keeper. Its methods may be called
// concurrently.
type Pool struct {
	opt     PoolOptions
	running sync.WaitGroup

	// mu guards the fields below. It also makes Retain one step: no Keeper is made between start and stop, or it would miss
	// the credentials of a keeper that stops.
	mu      sync.Mutex
	ctx     context.Context // of the keepers; nil before Start
	cancel  context.CancelFunc
	closed  bool
	members map[string]*member // by Spec.Key
}

// member is a keeper and what the Pool knows about it.
type member struct {
	keeper   *Keeper
	holder   string
	retained bool
	stop     context.CancelFunc // nil: it does not run
}

// NewPool makes an empty Pool. It starts nothing.
func NewPool(opt PoolOptions) *Pool {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Pool{opt: opt, members: map[string]*member{}}
}

// Keeper gives the keeper of s, and makes it if there is none. A new one hands out the credentials of other keepers of the
// same holder, but calls no service and does not run before Retain is called with s. It is forgotten if the next Retain is
// called without s.
func (p *Pool) Keeper(s Spec) *Keeper {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.member(s).keeper
}

// Retain runs the keepers of these Specs, from Start on, and stops and forgets all others. A keeper that has been
// stopped still hands out its credentials until they expire. Retain does not wait for calls under way.
func (p *Pool) Retain(specs []Spec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		m.retained = false
	}
	for _, s := range specs {
		p.member(s).retained = true
	}
	p.run()
	for key, m := range p.members {
		if m.retained {
			continue
		}
		if m.stop != nil {
			m.stop()
		}
		delete(p.members, key)
	}
}

// Start runs the keepers of the last Retain, and those of later ones, until ctx is done or Close is called. It is
// called once.
func (p *Pool) Start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.run()
}

// Close stops all keepers and waits until their goroutines have ended. Nothing runs after it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	if p.cancel != nil {
		p.cancel()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// member gives the member of s. p.mu is held.
func (p *Pool) member(s Spec) *member {
	key := s.Key()
	m := p.members[key]
	if m == nil {
		k := NewKeeper(p.opt.Provide(s), s.RefreshBefore, p.opt.Log, p.opt.Now)
		if p.opt.NeedsMFA != nil {
			k.NeedsMFA = func(n *NeedsMFA) { p.opt.NeedsMFA(k, n) }
		}
		k.cache = newCacheFile(s, p.opt.CacheDir, p.opt.Issuer, p.opt.Log, p.opt.Now)
		m = &member{keeper: k, holder: s.Holder()}
		p.members[key] = m
	}
	if m.stop == nil {
		p.inherit(m)
	}
	return m
}

// run starts the retained keepers that do not run yet. p.mu is held.
func (p *Pool) run() {
	if p.ctx == nil || p.ctx.Err() != nil {
		return
	}
	for _, m := range p.members {
		if !m.retained || m.stop != nil {
			continue
		}
		p.inherit(m)
		ctx, stop := context.WithCancel(p.ctx)
		m.stop = stop
		p.running.Go(func() { m.keeper.Run(ctx) })
	}
}

// inherit gives a keeper that does not run yet the credentials of the same holder that expire last. p.mu is held.
func (p *Pool) inherit(m *member) {
	for _, from := range p.members {
		if from != m && from.holder == m.holder {
			m.keeper.takeOver(from.keeper)
		}
	}
}
