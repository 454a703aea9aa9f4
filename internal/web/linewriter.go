package web

import (
	"io"
	"sync"
	"time"
)

const (
	flushDelay   = 20 * time.Millisecond
	batchSize    = 32 << 10 // bytes that are written without flushDelay
	maxBuffered  = 1 << 20  // bytes
	closeTimeout = 2 * time.Second
)

// LineWriter writes the access log in batches. No request waits for the log's reader: while that hangs, at most 1 MiB of lines
// is held, and as much in the pending write. Further lines are dropped and counted.
type LineWriter struct {
	to            io.Writer
	dropped       func(lines int)
	timer, giveUp *time.Timer   // call flush, end Close
	writing       chan struct{} // full during a write, which may hang
	mu            sync.Mutex    // guards all below
	buffer, spare []byte
	lost          int
}

// NewLineWriter makes a LineWriter. It calls dropped once the reader reads again.
func NewLineWriter(to io.Writer, dropped func(lines int)) *LineWriter {
	l := &LineWriter{to: to, dropped: dropped, giveUp: time.NewTimer(0), writing: make(chan struct{}, 1)}
	l.timer = time.AfterFunc(time.Hour, l.flush) // Write sets it
	return l
}

// Write takes one line. It neither fails nor waits for the reader.
func (l *LineWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.buffer); n+len(line) > maxBuffered {
		l.lost++
	} else if l.buffer = append(l.buffer, line...); n == 0 {
		l.timer.Reset(flushDelay)
	} else if n < batchSize && len(l.buffer) >= batchSize {
		l.timer.Reset(0)
	}
	return len(line), nil
}

func (l *LineWriter) flush() {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	l.mu.Lock()
	lines, lost := l.buffer, l.lost
	l.buffer, l.spare, l.lost = l.spare[:0], l.buffer, 0
	l.mu.Unlock()
	if len(lines) > 0 {
		_, _ = l.to.Write(lines)
	}
	if l.giveUp.Reset(closeTimeout); lost > 0 {
		l.dropped(lost)
	}
}

// Close flushes what is buffered. It gives up when no write has ended for 2 s.
func (l *LineWriter) Close() {
	flushed := make(chan struct{})
	l.giveUp.Reset(closeTimeout)
	go func() { l.flush(); close(flushed) }()
	select {
	case <-flushed:
	case <-l.giveUp.C:
	}
}
