package fault

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/web"
)

// MaxWaiting is how many requests of a daemon wait in faults at one time. Further ones are reset.
const MaxWaiting = 256

const (
	// maxWait is how long a request waits at most.
	maxWait = 5 * time.Minute
	// writeTime is how long the client has to read what is sent after a wait, as after no wait.
	writeTime = 12 * time.Second
)

// Waiting bounds how many requests of a daemon wait in faults at one time. Its sets share it. The zero value is ready.
type Waiting struct {
	// OnHit is called at each hit with the rule's Effect; nil for none. It is set before the first request.
	OnHit func(effect string)

	n atomic.Int64
}

// enter takes one place, which leave gives back. It reports whether there was one.
func (w *Waiting) enter() bool {
	if w.n.Add(1) > MaxWaiting {
		w.leave()
		return false
	}
	return true
}

func (w *Waiting) leave() { w.n.Add(-1) }

// end is why a wait is over.
type end int

const (
	elapsed  end = iota // its time is over
	released            // the rule has ended, or the server stops
	left                // the client has gone
)

// enter takes a place among those that wait, until the caller calls leave. Without a place it resets the connection.
func (a *Act) enter() (leave func()) {
	if !a.waiting.enter() {
		a.reset()
	}
	if a.r.ContentLength != 0 {
		// net/http notices that the client has gone only after the body, whose end also removes the server's deadline for it.
		_, _ = io.Copy(io.Discard, a.r.Body)
	}
	return a.waiting.leave
}

// wait waits until a timer fires, or until there is no more reason to wait.
func (a *Act) wait(timer <-chan time.Time) end {
	select {
	case <-a.r.Context().Done():
		return left
	case <-a.rule.done:
		return released
	case <-web.Stopping(a.r):
		return released
	case <-timer:
		return elapsed
	}
}

// extend gives the client time to read what is sent next. The server's own time runs from the request.
func (a *Act) extend() { _ = a.control().SetWriteDeadline(time.Now().Add(writeTime)) }

func (a *Act) control() *http.ResponseController { return http.NewResponseController(a.w) }
