package fault

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mock-ec2-metadata/internal/config"
)

// maxBuckets is how many clients a throttle remembers.
const maxBuckets = 4096

// buckets are the token buckets of a throttle, one for each client address.
//
// Its memory is bounded by two generations of half of maxBuckets. A client that asks moves to the younger one. Once that is full, it
// becomes the older one, whose clients are forgotten. A forgotten client begins with a full bucket.
type buckets struct {
	limit rate.Limit
	burst int

	mu       sync.Mutex // guards the fields below
	young    map[netip.Addr]*rate.Limiter
	previous map[netip.Addr]*rate.Limiter
}

// newBuckets makes the buckets of a throttle; nil for none.
func newBuckets(spec *config.FaultThrottle) *buckets {
	if spec == nil {
		return nil
	}
	return &buckets{limit: rate.Limit(spec.Rate), burst: spec.Burst, young: map[netip.Addr]*rate.Limiter{}}
}

// throttled counts a request of a client, and reports whether it is beyond the rate of the rule's throttle. A rule without one
// throttles no client. Zones of link-local addresses tell clients apart.
func (r *Rule) throttled(client netip.Addr, now time.Time) bool {
	if r.buckets == nil {
		return false
	}
	return !r.buckets.of(client.Unmap()).AllowN(now, 1)
}

// of returns the bucket of a client.
func (b *buckets) of(client netip.Addr) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.young[client]; l != nil {
		return l
	}
	l := b.previous[client]
	if l == nil {
		l = rate.NewLimiter(b.limit, b.burst)
	}
	if len(b.young) >= maxBuckets/2 {
		b.young, b.previous = map[netip.Addr]*rate.Limiter{}, b.young
	}
	b.young[client] = l
	return l
}
