package credentials

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"
	"weak"
)

// PoolOptions are what a Pool is made with.
type PoolOptions struct {
	// Provide makes the provider of a Spec; required. It must not call the Pool.
	Provide func(Spec) Provider
	// NeedsMFA, if set, is called when a keeper waits for an MFA code, once for each reason; Keeper.Answer gives the
	// code. The keeper's goroutine calls it: it must not wait, nor call Close.
	NeedsMFA func(*Keeper, *NeedsMFA)
	// Observe, if set, makes what is told of the calls of a Spec's keeper.
	Observe func(Spec) Observer
	// CacheDir is the directory for the credentials of Specs with Cache; "": nowhere.
	CacheDir string
	// Issuer tells apart the credentials of different services in CacheDir, such as by AWS_ENDPOINT_URL_STS.
	Issuer string
	// IdleAfter is for how long after their last use on-demand credentials are renewed; 0 is 15 minutes.
	IdleAfter time.Duration
	// Log; nil: none.
	Log *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Pool owns the keepers of all Specs in use, and their goroutines. Equal Specs share a keeper. Its methods may be called
// concurrently.
//
// Clients such as pods come and go, so the Pool does not hold their keepers. An on-demand keeper lives as long as its goroutine runs or
// a caller holds it, and the garbage collector then takes it. So there is never a second keeper of a Spec beside one that somebody may
// still ask. Nothing is lost: a keeper whose goroutine has ended has no credentials.
type Pool struct {
	opt     PoolOptions
	limiter *limiter // of all keepers
	slots   *slots   // of those on demand
	running sync.WaitGroup
	swept   sync.Once // CacheDir

	// mu guards the fields below, and makes Retain one step.
	mu      sync.Mutex
	ctx     context.Context // of the keepers; nil before Start
	cancel  context.CancelFunc
	closed  bool
	members map[[32]byte]*member // by Spec.Key
	// stopped has the keepers of roles that Retain has stopped and whose credentials are valid, by Spec.Holder.
	stopped map[[32]byte][]stopped
}

// stopped is a keeper that Retain has stopped.
type stopped struct {
	keeper *Keeper
	ofRole bool
}

// member is a keeper and what the Pool knows about it.
type member struct {
	keeper   weak.Pointer[Keeper]
	held     *Keeper // keeps an eager keeper alive; nil for one on demand
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
	return &Pool{
		opt: opt, limiter: newLimiter(), slots: &slots{most: maxSessions, log: opt.Log},
		members: map[[32]byte]*member{}, stopped: map[[32]byte][]stopped{},
	}
}

// Keeper gives the keeper of s, and makes it if there is none. A new one hands out the credentials of keepers of the same holder
// that Retain has stopped. Unless Retain is called with s as eager, it calls no service and has no goroutine before its first Get after
// Start. It is forgotten if the next Retain is called without s, or when no caller holds it and its goroutine does not run.
func (p *Pool) Keeper(s Spec) *Keeper {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, k := p.member(s)
	p.admit(m, k)
	return k
}

// Find gives the keeper of s; nil if there is none.
func (p *Pool) Find(s Spec) *Keeper {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[s.Key()]; m != nil {
		return m.keeper.Value()
	}
	return nil
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
		m, k := p.member(s)
		m.retained, m.eager, m.held = true, true, k
	}
	p.retain(onDemand)
	for key, m := range p.members {
		if m.retained {
			continue
		}
		if k := m.keeper.Value(); k != nil {
			k.stop()
			p.stopped[m.holder] = append(p.stopped[m.holder], stopped{k, m.ofRole})
		}
		delete(p.members, key)
	}
	for m, k := range p.keepers() {
		if !m.eager {
			m.held = nil
		}
		p.admit(m, k)
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

// prune forgets the stopped keepers that have nothing to take over later: a profile may be another user's by then. Of each holder
// it keeps the one whose credentials expire last. p.mu is held.
func (p *Pool) prune() {
	for holder, all := range p.stopped {
		all = slices.DeleteFunc(all, func(s stopped) bool { return !s.ofRole || !s.keeper.hasValid() })
		if len(all) == 0 {
			delete(p.stopped, holder)
			continue
		}
		p.stopped[holder] = []stopped{slices.MaxFunc(all, func(a, b stopped) int {
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
	for m, k := range p.keepers() {
		p.admit(m, k)
	}
}

// Keepers returns all keepers.
func (p *Pool) Keepers() []*Keeper {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Keeper, 0, len(p.members))
	for _, k := range p.keepers() {
		all = append(all, k)
	}
	return all
}

// keepers yields the members whose keepers live. p.mu is held.
func (p *Pool) keepers() iter.Seq2[*member, *Keeper] {
	return func(yield func(*member, *Keeper) bool) {
		for _, m := range p.members {
			if k := m.keeper.Value(); k != nil && !yield(m, k) {
				return
			}
		}
	}
}

// Retry calls Retry of all keepers.
func (p *Pool) Retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keepers() {
		k.Retry()
	}
}

// Close stops all keepers and waits until their goroutines have ended. Nothing runs after it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	if p.cancel != nil {
		p.cancel()
	}
	for _, k := range p.keepers() {
		k.stop() // no client starts it again
	}
	p.mu.Unlock()
	p.running.Wait()
}

// member gives the member of s and its keeper. p.mu is held.
func (p *Pool) member(s Spec) (*member, *Keeper) {
	key := s.Key()
	if m := p.members[key]; m != nil {
		if k := m.keeper.Value(); k != nil {
			return m, k
		}
	}
	k := p.make(s)
	m := &member{keeper: weak.Make(k), holder: s.Holder(), ofRole: s.RoleARN != ""}
	p.members[key] = m
	runtime.AddCleanup(k, p.forget, key)
	return m, k
}

// forget drops a member whose keeper is no more, unless the Spec has a new one.
func (p *Pool) forget(key [32]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.members[key]; m != nil && m.keeper.Value() == nil {
		delete(p.members, key)
	}
}

// make makes a keeper.
func (p *Pool) make(s Spec) *Keeper {
	k := NewKeeper(p.opt.Provide(s), s.RefreshBefore, p.opt.Log, p.opt.Now)
	k.limiter, k.slots, k.idleAfter = p.limiter, p.slots, cmp.Or(p.opt.IdleAfter, idleAfter)
	if p.opt.NeedsMFA != nil {
		k.NeedsMFA = func(n *NeedsMFA) { p.opt.NeedsMFA(k, n) }
	}
	if p.opt.Observe != nil {
		k.Observer = p.opt.Observe(s)
	}
	if k.cache = newCacheFile(s, p.opt.CacheDir, p.opt.Issuer, p.opt.Log, p.opt.Now); k.cache != nil {
		k.cache.swept = &p.swept
	}
	return k
}

// admit lets a keeper run, at once or on demand. p.mu is held.
func (p *Pool) admit(m *member, k *Keeper) {
	if p.ctx == nil || p.closed || p.ctx.Err() != nil {
		k.setOnDemand(!m.eager)
		return
	}
	p.inherit(m, k)
	k.admit(p.ctx, &p.running, m.eager)
}

// inherit gives a keeper that does not run the credentials of the same holder that expire last, among those of stopped
// keepers. Specs in use share nothing: their external ids, for example, may differ. p.mu is held.
func (p *Pool) inherit(m *member, k *Keeper) {
	if k.isRunning() {
		return
	}
	for _, from := range p.stopped[m.holder] {
		k.takeOver(from.keeper)
	}
}
