// Package journal remembers the last requests of the metadata service.
package journal

import (
	"context"
	"sync"
	"time"
)

// Size is how many requests are remembered.
const Size = 1000

// Entry is one request and its answer. It holds no secret.
type Entry struct {
	// Seq is its number, from 1 and without gaps. Add sets it.
	Seq int64
	// At is when the answer ended.
	At time.Time
	// Path is escaped, and without the query. IMDS is v1 or v2.
	Client, Method, Path, IMDS string
	// Status is 0 if no answer was sent.
	Status int
	// Bytes is the size of the answer's body.
	Bytes int64
	Took  time.Duration
	// Identity, Role and Fault are "" for none.
	Identity, Role, Fault string

	position int64 // see Since
}

// Journal remembers the last Size entries. It is safe for concurrent use. The zero value is ready, and must not be copied.
type Journal struct {
	mu       sync.Mutex // guards all below
	ring     [Size]Entry
	last     int64         // the number of the newest entry
	v2       int64         // how many entries are of IMDSv2
	added    chan struct{} // closed by the next Add; nil while nothing waits
	position int64         // see Since
	refusals *refusals     // nil before the first
	refused  chan struct{} // closed by the next AddRefusal; nil while nothing waits
}

// Add gives an entry its number and remembers it. It allocates nothing.
func (j *Journal) Add(e Entry) { //nolint:gocritic // a pointer would make each caller's entry escape
	j.mu.Lock()
	j.last++
	j.position++
	e.Seq, e.position = j.last, j.position
	if e.IMDS == "v2" {
		j.v2++
	}
	j.ring[j.last%Size] = e
	added := j.added
	j.added = nil
	j.mu.Unlock()
	if added != nil {
		close(added)
	}
}

// Count returns how many entries there have been, and how many of them are of IMDSv2.
func (j *Journal) Count() (all, v2 int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last, j.v2
}

// After returns the entries with a number above seq that are still there, oldest first.
func (j *Journal) After(seq int64) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.after(seq)
}

// after is After. j.mu is held.
func (j *Journal) after(seq int64) []Entry {
	first := max(seq, j.last-Size, 0) + 1
	if seq >= j.last {
		return nil
	}
	entries := make([]Entry, 0, j.last-first+1)
	for n := first; n <= j.last; n++ {
		entries = append(entries, j.ring[n%Size])
	}
	return entries
}

// Wait returns once there is an entry with a number above seq, or with ctx's error. An entry that is there counts even if ctx is done.
func (j *Journal) Wait(ctx context.Context, seq int64) error {
	for {
		added := j.next(seq)
		if added == nil {
			return nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next returns what the next Add closes; nil if there is an entry with a number above seq.
func (j *Journal) next(seq int64) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last > seq {
		return nil
	}
	if j.added == nil {
		j.added = make(chan struct{})
	}
	return j.added
}
