package journal

import (
	"context"
	"time"
)

// RefusalSize is how many refusals are remembered.
const RefusalSize = 200

// Refusal is a request that was refused before it came to the service. It holds no secret, and texts of bounded length.
type Refusal struct {
	// Seq is its number, from 1 and without gaps. AddRefusal sets it.
	Seq int64
	At  time.Time
	// Method and Path are "" for a connection. Path is escaped, and without the query.
	Client, Method, Path string
	// Rule is the guard's, and Text what the client was told.
	Rule, Text string
	// Key of the configuration would allow it with Item; "" if none would.
	Key, Item string

	position int64 // see Since
}

// refusals remembers the last ones. Most daemons never refuse anything.
type refusals struct {
	ring [RefusalSize]Refusal
	last int64 // the number of the newest one
}

// AddRefusal gives a refusal its number and remembers it.
func (j *Journal) AddRefusal(f Refusal) { //nolint:gocritic // as Add
	j.mu.Lock()
	if j.refusals == nil {
		j.refusals = new(refusals)
	}
	j.position++
	j.refusals.last++
	f.Seq, f.position = j.refusals.last, j.position
	j.refusals.ring[f.Seq%RefusalSize] = f
	refused := j.refused
	j.refused = nil
	j.mu.Unlock()
	if refused != nil {
		close(refused)
	}
}

// Refusals returns those with a number above seq that are still there, oldest first.
func (j *Journal) Refusals(seq int64) []Refusal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refusals.after(seq)
}

// after returns the refusals with a number above seq. The journal's mu is held.
func (f *refusals) after(seq int64) []Refusal {
	if f == nil {
		return nil
	}
	var all []Refusal
	for n := max(seq, f.last-RefusalSize, 0) + 1; n <= f.last; n++ {
		all = append(all, f.ring[n%RefusalSize])
	}
	return all
}

// WaitRefusal returns once there is a refusal with a number above seq, or with ctx's error.
func (j *Journal) WaitRefusal(ctx context.Context, seq int64) error {
	for {
		refused := j.nextRefusal(seq)
		if refused == nil {
			return nil
		}
		select {
		case <-refused:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// nextRefusal returns what the next AddRefusal closes; nil if there is a refusal with a number above seq.
func (j *Journal) nextRefusal(seq int64) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refusals != nil && j.refusals.last > seq {
		return nil
	}
	if j.refused == nil {
		j.refused = make(chan struct{})
	}
	return j.refused
}
