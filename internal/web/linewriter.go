package web

import (
	"io"
	"sync"
	"time"
)

const (
	// linePause is the least time between two writes, unless there is a batch: under load, lines are written by the hundred.
	linePause = 20 * time.Millisecond
	// batch is how much is written before that, in bytes, so that less memory is in use.
	batch = 32 << 10
	// mostPending is how much may wait for a slow reader of the log before those who log wait too, in bytes.
	mostPending = 1 << 20
	// closeTime is how long Close waits for one write: the reader may read no more.
	closeTime = 2 * time.Second
)

// LineWriter writes lines in the background, many at once when there are many, and one at once when it comes alone. None is
// lost, unless nobody reads them: Close writes what is left.
type LineWriter struct {
	to io.Writer

	mu      sync.Mutex
	pending []byte
	room    *sync.Cond // after pending was taken
	closed  bool
	spare   []byte // of run alone

	some  chan struct{} // pending is not empty any more
	full  chan struct{} // pending has become a batch
	wrote chan struct{} // something has been written
	ended chan struct{}
}

// NewLineWriter begins to write to w.
func NewLineWriter(w io.Writer) *LineWriter {
	l := &LineWriter{to: w, some: make(chan struct{}, 1), full: make(chan struct{}, 1), wrote: make(chan struct{}, 1), ended: make(chan struct{})}
	l.room = sync.NewCond(&l.mu)
	go l.run()
	return l
}

// Write takes whole lines. It never fails: there is nowhere to say that a log cannot be written. It waits only when the log's
// reader has fallen far behind.
func (l *LineWriter) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) > mostPending && !l.closed {
		l.room.Wait()
	}
	if l.closed {
		select {
		case <-l.ended: // after the last word
			return l.to.Write(lines)
		default: // the last word, unless nobody reads it
		}
	}
	before := len(l.pending)
	l.pending = append(l.pending, lines...)
	if before == 0 {
		signal(l.some)
	}
	if before < batch && len(l.pending) >= batch {
		signal(l.full)
	}
	return len(lines), nil
}

// signal never waits: one signal is as good as two.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close writes what is left. It gives up when a write takes more than 2 seconds.
func (l *LineWriter) Close() {
	l.mu.Lock()
	l.closed = true
	l.room.Broadcast()
	l.mu.Unlock()
	signal(l.some)
	signal(l.full)
	for {
		select {
		case <-l.ended:
			return
		case <-l.wrote:
		case <-time.After(closeTime):
			return
		}
	}
}

// run writes until all is written after Close.
func (l *LineWriter) run() {
	pause := time.NewTimer(0)
	for {
		<-l.some
		if !l.flush() {
			return
		}
		pause.Reset(linePause)
		select {
		case <-pause.C:
		case <-l.full:
		}
	}
}

// flush writes what waits, and gives its memory back. It is false when there will be no more.
func (l *LineWriter) flush() bool {
	l.mu.Lock()
	lines, closed := l.pending, l.closed
	l.pending = l.spare[:0]
	l.room.Broadcast()
	select {
	case <-l.full: // it is about what is being taken
	default:
	}
	if closed && len(lines) == 0 {
		close(l.ended)
		l.mu.Unlock()
		return false
	}
	l.mu.Unlock()
	if len(lines) > 0 {
		_, _ = l.to.Write(lines)
		signal(l.wrote)
	}
	if l.spare = lines; cap(lines) > mostPending {
		l.spare = nil // from a burst
	}
	if closed { // others may have written meanwhile
		signal(l.some)
		signal(l.full)
	}
	return true
}
