package console

import (
	"sync"
	"time"
)

// maxRate is how many changes there may be in a second.
const maxRate = 10

// bucket counts changes. The zero value is ready.
type bucket struct {
	mu   sync.Mutex // guards the fields below
	used float64    // at the time last
	last time.Time
}

// take reports whether there may be one more now.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.used = max(0, b.used-maxRate*now.Sub(b.last).Seconds())
	b.last = now
	if b.used > maxRate-1 {
		return false
	}
	b.used++
	return true
}
