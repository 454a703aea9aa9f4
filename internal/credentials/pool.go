package credentials

import (
	"context"
	"iter"
	"log/slog"
	"slices"
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
	limiter *limiter // of all keepers
	running sync.WaitGroup
	swept   sync.Once // CacheDir

	// mu guards the fields below, and makes Retain one step.
	mu      sync.Mutex
	ctx     context.Context // of the keepers; nil before Start
	cancel  context.CancelFunc
	closed  bool
	members map[[32]byte]*member // by Spec.Key
	// stopped has the members of roles that Retain has stopped and whose credentials are valid, by Spec.Holder.
	stopped map[[32]byte][]*member
}

// member is a keeper and what the Pool knows about it.
type member struct {
	keeper   *Keeper
	holder   [32]byte
	ofRole   bool // not the profile's own credentials
	retained bool
	eager    bool
}

// NewPool makes an empty Pool. It starts nothing.
func NewPool(opt PoolOptions) *Pool {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Pool{opt: opt, limiter: newLimiter(), members: map[[32]byte]*member{}, stopped: map[[32]byte][]*member{}}
}

// Keeper gives the keeper of s, and makes it if there is none. A new one hands out the credentials of keepers of the same holder
// that Retain has stopped. Unless Retain is called with s as eager, it calls no service and has no goroutine before its first Get after
// Start. It is forgotten if the next Retain is called without s.
func (p *Pool) Keeper(s Spec) *Keeper {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.member(s)
	p.admit(m)
	return m.keeper
}

// Retain runs the keepers of the eager Specs always, from Start on, and lets those of onDemand (nil: none) run while clients
// use them; it makes none of these. It stops and forgets all others. A keeper that has been stopped still hands out its
// credentials until they expire. Retain does not wait for calls under way. A Spec in both is eager. onDemand must not call the
// Pool, and Retain may stop before its end.
func (p *Pool) Retain(eager []Spec, onDemand iter.Seq[Spec]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		m.retained, m.eager = false, false
	}
	for _, s := range eager {
		m := p.member(s)
		m.retained, m.eager = true, true
	}
	p.retain(onDemand)
	for key, m := range p.members {
		if !m.retained {
			m.keeper.stop()
			p.stopped[m.holder] = append(p.stopped[m.holder], m)
			delete(p.members, key)
		}
	}
	for _, m := range p.members {
		p.admit(m)
	}
	p.prune()
}

// retain marks the members among these Specs. p.mu is held.
func (p *Pool) retain(specs iter.Seq[Spec]) {
	others := 0
	for _, m := range p.members {
		if !m.retained {
			others++
		}
	}
	if specs == nil || others == 0 {
		return
	}
	for s := range specs {
		if m := p.members[s.Key()]; m != nil && !m.retained {
			m.retained = true
			if others--; others == 0 {
				return
			}
		}
	}
}

// prune forgets the stopped members that have nothing to take over later: a profile may be another user's by then. Of each holder
// it keeps the one whose credentials expire last. p.mu is held.
func (p *Pool) prune() {
	for holder, all := range p.stopped {
		all = slices.DeleteFunc(all, func(m *member) bool { return !m.ofRole || !m.keeper.hasValid() })
		if len(all) == 0 {
			delete(p.stopped, holder)
			continue
		}
		p.stopped[holder] = []*member{slices.MaxFunc(all, func(a, b *member) int {
			return a.keeper.State().Expiration.Compare(b.keeper.State().Expiration)
		})}
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
	for _, m := range p.members {
		p.admit(m)
	}
}

// Keepers returns all keepers.
func (p *Pool) Keepers() []*Keeper {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Keeper, 0, len(p.members))
	for _, m := range p.members {
		all = append(all, m.keeper)
	}
	return all
}

// Retry calls Retry of all keepers.
func (p *Pool) Retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		m.keeper.Retry()
	}
}

// Close stops all keepers and waits until their goroutines have ended. Nothing runs after it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	if p.cancel != nil {
		p.cancel()
	}
	for _, m := range p.members {
		m.keeper.stop() // no client starts it again
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
		k.limiter = p.limiter
		if p.opt.NeedsMFA != nil {
			k.NeedsMFA = func(n *NeedsMFA) { p.opt.NeedsMFA(k, n) }
		}
		if k.cache = newCacheFile(s, p.opt.CacheDir, p.opt.Issuer, p.opt.Log, p.opt.Now); k.cache != nil {
			k.cache.swept = &p.swept
		}
		m = &member{keeper: k, holder: s.Holder(), ofRole: s.RoleARN != ""}
		p.members[key] = m
	}
	return m
}

// admit lets a keeper run, at once or on demand. p.mu is held.
func (p *Pool) admit(m *member) {
	if p.ctx == nil || p.closed || p.ctx.Err() != nil {
		m.keeper.setOnDemand(!m.eager)
		return
	}
	p.inherit(m)
	m.keeper.admit(p.ctx, &p.running, m.eager)
}

// inherit gives a keeper that does not run the credentials of the same holder that expire last, among those of stopped
// keepers. Specs in use share nothing: their external ids, for example, may differ. p.mu is held.
func (p *Pool) inherit(m *member) {
	if m.keeper.isRunning() {
		return
	}
	for _, from := range p.stopped[m.holder] {
		m.keeper.takeOver(from.keeper)
	}
}
