package web

import (
	"io"
	"sync"
	"time"
)

const (
	// linePause is the least time between two writes: under load, lines are written by the hundred.
	linePause = 20 * time.Millisecond
	// mostPending is how much may wait for a slow reader of the log before those who log wait too, in bytes.
	mostPending = 1 << 20
)

// LineWriter writes lines in the background, many at once when there are many, and one at once when it comes alone. None is
// lost: Close writes what is left.
type LineWriter struct {
	to io.Writer

	mu      sync.Mutex
	pending []byte
	room    *sync.Cond // after pending was taken
	closed  bool

	wake  chan struct{}
	ended chan struct{}
}

// NewLineWriter begins to write to w.
func NewLineWriter(w io.Writer) *LineWriter {
	l := &LineWriter{to: w, wake: make(chan struct{}, 1), ended: make(chan struct{})}
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
	if l.closed { // after the last word
		return l.to.Write(lines)
	}
	if len(l.pending) == 0 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	l.pending = append(l.pending, lines...)
	return len(lines), nil
}

// Close writes what is left.
func (l *LineWriter) Close() {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.room.Broadcast()
	l.mu.Unlock()
	if !closed {
		close(l.wake)
	}
	<-l.ended
}

// run writes until Close.
func (l *LineWriter) run() {
	defer close(l.ended)
	var spare []byte
	for range l.wake {
		spare = l.flush(spare)
		time.Sleep(linePause)
	}
	l.flush(spare)
}

// flush writes what waits, and gives its memory back.
func (l *LineWriter) flush(spare []byte) []byte {
	l.mu.Lock()
	lines := l.pending
	l.pending = spare[:0]
	l.room.Broadcast()
	l.mu.Unlock()
	if len(lines) > 0 {
		_, _ = l.to.Write(lines)
	}
	if cap(lines) > mostPending {
		return nil // from a burst
	}
	return lines
}
