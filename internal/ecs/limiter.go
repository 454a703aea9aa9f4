package ecs

import (
	"container/list"
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mock-ec2-metadata/internal/web"
)

// Bounds of the memory of a Limiter.
const (
	maxClients = 256
	maxPaths   = 16 // of a client; its further ones share a bucket
)

// Limiter limits requests for each client address and path, as the agent does (container-credentials-reference section 3.3). A
// nil Limiter allows all. Keep it over a reload that does not change the rate.
//
// Its memory is bounded. A bucket that is full again is forgotten, since a new one is the same. Beyond maxPaths the further paths
// of a client share a bucket, so that random paths do not harm other clients. Beyond maxClients the client that asked the longest ago is
// forgotten: who has so many addresses has as many buckets.
type Limiter struct {
	limit rate.Limit
	burst int
	now   func() time.Time
	seed  maphash.Seed

	mu      sync.Mutex // guards the fields below
	clients map[netip.Addr]*list.Element
	recent  *list.List // of *clientBuckets, who asked last in front
}

// clientBuckets are the buckets of a client.
type clientBuckets struct {
	client netip.Addr
	asked  time.Time                // the last time
	paths  map[uint64]*rate.Limiter // by the path's hash: a path can be long, and hold a secret
	rest   *rate.Limiter            // of all further paths; nil before the first
}

// NewLimiter makes a Limiter of a rate in requests per second, and how many may come at once. Both are more than 0.
func NewLimiter(perSecond float64, burst int, now func() time.Time) *Limiter {
	return &Limiter{
		limit: rate.Limit(perSecond), burst: burst, now: now, seed: maphash.MakeSeed(),
		clients: map[netip.Addr]*list.Element{}, recent: list.New(),
	}
}

// allow counts a request, and reports whether the client may make it.
func (l *Limiter) allow(r *http.Request) bool {
	if l == nil {
		return true
	}
	client, path := web.Remote(r).WithZone(""), maphash.String(l.seed, web.Clean(r.URL.Path))
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(l.of(client, now), path, now).AllowN(now, 1)
}

// of returns the buckets of a client that asks now. l.mu is held.
func (l *Limiter) of(client netip.Addr, now time.Time) *clientBuckets {
	if e := l.clients[client]; e != nil {
		l.recent.MoveToFront(e)
		c := e.Value.(*clientBuckets) //nolint:forcetypeassert // the list holds no other type
		c.asked = now
		return c
	}
	filled := time.Duration(float64(l.burst) / float64(l.limit) * float64(time.Second))
	for e := l.recent.Back(); e != nil; e = l.recent.Back() {
		oldest := e.Value.(*clientBuckets) //nolint:forcetypeassert // the list holds no other type
		if l.recent.Len() < maxClients && now.Sub(oldest.asked) < filled {
			break
		}
		l.recent.Remove(e)
		delete(l.clients, oldest.client)
	}
	c := &clientBuckets{client: client, asked: now, paths: map[uint64]*rate.Limiter{}}
	l.clients[client] = l.recent.PushFront(c)
	return c
}

// bucket returns the bucket of a path. l.mu is held.
func (l *Limiter) bucket(c *clientBuckets, path uint64, now time.Time) *rate.Limiter {
	if b := c.paths[path]; b != nil {
		return b
	}
	if len(c.paths) >= maxPaths {
		for hash, b := range c.paths {
			if b.TokensAt(now) >= float64(l.burst) {
				delete(c.paths, hash)
			}
		}
	}
	if len(c.paths) >= maxPaths {
		if c.rest == nil {
			c.rest = rate.NewLimiter(l.limit, l.burst)
		}
		return c.rest
	}
	b := rate.NewLimiter(l.limit, l.burst)
	c.paths[path] = b
	return b
}

// tooMany is the text of the agent, without a newline.
var tooMany = []byte("You have reached maximum request limit.")

func writeTooMany(w http.ResponseWriter) {
	web.WriteMade(w, http.StatusTooManyRequests, textPlain, web.Length(tooMany), tooMany)
}
