package podidentity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"
)

const (
	maxRemembered = 2000 // tokens, as the agent's cache (container-credentials-reference section 5.5)
	// refusalLife is how long a refusal is remembered. It covers the retries of one SDK call, and a clock that was a little slow.
	refusalLife = 5 * time.Second
	// remoteWait bounds a verification by another server. It goes on after the request has ended, so that a retry has the verdict.
	remoteWait = 5 * time.Second
)

// MemoryOptions bound what a Memory remembers. Now is required.
type MemoryOptions struct {
	// Limit is the life of a verdict, from when the verifier was asked; 0 is until the token expires.
	Limit time.Duration
	// Remote says that another server verifies, to which each token is a cost. It has 5 seconds for one. Bad tokens are limited for
	// each client: while it sends too many, its tokens that are not remembered get an error.
	Remote bool
	Now    func() time.Time
}

// Memory is a Verifier that remembers verdicts of another, by the SHA-256 of the token. A valid token is remembered until it
// expires, or for Limit, or until a verifier of JWKS has other keys; a refused one for 5 seconds; a failed verification not at all.
// Concurrent requests with one token share one verification. Bad tokens cannot displace good ones, since refusals are kept apart.
type Memory struct {
	opt      MemoryOptions
	verifier Verifier
	// generation is that of the verifier's keys.
	generation func() uint64

	mu      sync.RWMutex // guards the fields below; a hit only reads
	valid   map[tokenHash]verdict
	refused map[tokenHash]verdict
	running map[tokenHash]*verification
	places  *places // used if Remote
}

// generational is a Verifier whose verdicts do not outlive the keys that it has.
type generational interface {
	// generation changes with the keys.
	generation() uint64
}

type tokenHash [sha256.Size]byte

// verdict is either claims or a refusal.
type verdict struct {
	pod        *Claims
	refusal    *Refusal
	until      time.Time
	generation uint64 // of the keys at the start of the verification
}

// verification is in progress. pod and err are set before done is closed.
type verification struct {
	place *clientPlaces // nil unless Remote
	done  chan struct{}
	pod   *Claims
	err   error
}

// Remember makes a Memory in front of a verifier.
func Remember(v Verifier, opt MemoryOptions) *Memory {
	m := &Memory{
		opt: opt, verifier: v, generation: func() uint64 { return 0 },
		valid: map[tokenHash]verdict{}, refused: map[tokenHash]verdict{}, running: map[tokenHash]*verification{},
		places: newPlaces(opt.Now()),
	}
	if g, ok := v.(generational); ok {
		m.generation = g.generation
	}
	return m
}

// Format redacts under every verb.
func (*Memory) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "verdicts [redacted]") }

// hash hashes a token. It allocates nothing for those of usual length; a conversion would.
func hash(token string) tokenHash {
	var text [4096]byte
	if len(token) > len(text) {
		return sha256.Sum256([]byte(token))
	}
	return sha256.Sum256(text[:copy(text[:], token)])
}

// recall returns what a valid token says; nil if it is not remembered.
func (m *Memory) recall(token string) *Claims {
	h, now := hash(token), m.opt.Now()
	m.mu.RLock()
	v := m.valid[h]
	m.mu.RUnlock()
	if v.pod == nil || !now.Before(v.until) || v.generation != m.generation() {
		return nil
	}
	return v.pod
}

// Errors while there are too many bad tokens.
var (
	errTooMany      = errors.New("too many bad tokens of this client: its unknown tokens are not verified for now; find what sends bad tokens there")
	errTooManyOfAll = errors.New("too many bad tokens of all clients: unknown tokens are not verified for now; find the clients that send bad tokens in the log")
)

// Verify implements Verifier. All its callers count as one client.
func (m *Memory) Verify(ctx context.Context, token string) (*Claims, error) {
	return m.verifyFor(ctx, netip.Addr{}, token)
}

// verifyFor verifies a token that a client has sent. If ctx ends first, the verification continues for the next request.
func (m *Memory) verifyFor(ctx context.Context, client netip.Addr, token string) (*Claims, error) {
	running, known, err := m.begin(ctx, client, token)
	if running == nil {
		return known, err
	}
	select {
	case <-running.done:
		return running.pod, running.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the token is still being verified: %w; check that the API server or the source of keys answers quickly", ctx.Err())
	}
}

// begin returns the verification of a token, in progress or begun now. For a token that is remembered it returns the verdict, and
// an error if the client may have none verified.
func (m *Memory) begin(ctx context.Context, client netip.Addr, token string) (*verification, *Claims, error) {
	h, now, generation := hash(token), m.opt.Now(), m.generation()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, verdicts := range []map[tokenHash]verdict{m.valid, m.refused} {
		v, there := verdicts[h]
		switch {
		case !there:
		case !now.Before(v.until) || v.generation != generation:
			delete(verdicts, h)
		case v.refusal != nil:
			return nil, nil, v.refusal
		default:
			return nil, v.pod, nil
		}
	}
	if running := m.running[h]; running != nil {
		return running, nil, nil
	}
	running := &verification{done: make(chan struct{})}
	if m.opt.Remote {
		var err error
		if running.place, err = m.places.take(client, now); err != nil {
			return nil, nil, err
		}
	}
	m.running[h] = running
	go m.run(context.WithoutCancel(ctx), h, token, running)
	return running, nil, nil
}

// run verifies a token and remembers the verdict.
func (m *Memory) run(ctx context.Context, h tokenHash, token string, r *verification) {
	wait := maxWait
	if m.opt.Remote {
		wait = remoteWait
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	// A pod that is deleted, or a key that is removed, after this may still be in the answer.
	asked, generation := m.opt.Now(), m.generation()
	defer func() {
		if p := recover(); p != nil { // it would end the daemon
			r.pod, r.err = nil, fmt.Errorf("panic while verifying: %v", p)
		}
		m.finish(h, r, asked, generation)
	}()
	r.pod, r.err = m.verifier.Verify(ctx, token)
}

// finish stores a verdict and lets the requests go on.
func (m *Memory) finish(h tokenHash, r *verification, asked time.Time, generation uint64) {
	now := m.opt.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(r.done)
	delete(m.running, h)
	refusal, isRefusal := errors.AsType[*Refusal](r.err)
	switch {
	case isRefusal:
		remember(m.refused, h, verdict{refusal: refusal, until: now.Add(refusalLife), generation: generation}, now)
		return // its place stays taken
	case r.err == nil:
		until := r.pod.Expires
		if limit := asked.Add(m.opt.Limit); m.opt.Limit > 0 && limit.Before(until) {
			until = limit
		}
		remember(m.valid, h, verdict{pod: r.pod, until: until, generation: generation}, now)
	}
	if r.place != nil {
		m.places.giveBack(r.place)
	}
}

// remember adds a verdict. If there are too many, it drops those that have ended, else any one: its token is verified again.
func remember(verdicts map[tokenHash]verdict, h tokenHash, v verdict, now time.Time) {
	if len(verdicts) >= maxRemembered {
		for other, old := range verdicts {
			if !now.Before(old.until) {
				delete(verdicts, other)
			}
		}
		for other := range verdicts {
			if len(verdicts) < maxRemembered {
				break
			}
			delete(verdicts, other)
		}
	}
	verdicts[h] = v
}
