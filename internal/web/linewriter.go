package web

import (
	"bufio"
	"io"
	"sync"
	"time"
)

const (
	flushAfter   = 20 * time.Millisecond
	lineBuffer   = 32 << 10 // bytes
	closeTimeout = 2 * time.Second
)

// LineWriter buffers the lines of the access log. It writes them 20 ms after the first one, or when 32 KiB are full. While the
// reader of the log hangs, writers wait once the buffer is full: memory stays bounded. It never returns an error, since there
// is nowhere to report it.
type LineWriter struct {
	to io.Writer

	mu    sync.Mutex // guards the fields below; held during a write, so that lines keep their order
	buf   *bufio.Writer
	timer *time.Timer // runs while lines are buffered
}

// NewLineWriter writes to w.
func NewLineWriter(w io.Writer) *LineWriter {
	l := &LineWriter{to: w, buf: bufio.NewWriterSize(w, lineBuffer)}
	l.timer = time.AfterFunc(time.Hour, l.flush) // Write sets it
	return l
}

// Write takes whole lines.
func (l *LineWriter) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(lines) > l.buf.Available() {
		l.flushLocked() // lines are written whole
	}
	if l.buf.Buffered() == 0 {
		l.timer.Reset(flushAfter)
	}
	_, _ = l.buf.Write(lines) // it fits, or goes out at once
	return len(lines), nil
}

// Close flushes what is buffered; it gives up after 2 s.
func (l *LineWriter) Close() {
	flushed := make(chan struct{})
	go func() { l.flush(); close(flushed) }()
	select {
	case <-flushed:
	case <-time.After(closeTimeout):
	}
}

func (l *LineWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
}

// flushLocked is called with l.mu held. It forgets an error: the next lines may be written again.
func (l *LineWriter) flushLocked() {
	l.timer.Stop()
	if l.buf.Flush() != nil {
		l.buf.Reset(l.to)
	}
}
