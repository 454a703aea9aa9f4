package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// pingEvery is how often each end says that it lives. An end that is silent for missedPings of them is dead.
	pingEvery   = 10 * time.Second
	missedPings = 3
	// farewellWait bounds how long the last lines take.
	farewellWait = time.Second
	// maxQueue is how many lines wait to be written: more than a daemon has sessions.
	maxQueue = 16_384
)

var (
	errClosed = errors.New("relay: the other end closed the stream")
	errCut    = errors.New("relay: the stream ended in the middle of a line")
	errSilent = fmt.Errorf("relay: nothing heard for %v; the other end, or what is between, is gone", missedPings*pingEvery)
	errSlow   = errors.New("relay: the other end does not read")
	errFirst  = errors.New("relay: the other end did not say hello first; run the same version of mock-ec2-metadata-kube at both ends")
)

// stream is one connection, at either end. Its methods may be called concurrently; run is called once.
type stream struct {
	conn io.ReadWriteCloser

	some  chan struct{} // the queue has lines; has room for one
	slow  chan struct{} // the queue was full; has room for one
	leave chan *bye     // asks run to say farewell; has room for one

	mu    sync.Mutex // guards queue
	queue [][]byte
}

func newStream(conn io.ReadWriteCloser) *stream {
	return &stream{conn: conn, some: make(chan struct{}, 1), slow: make(chan struct{}, 1), leave: make(chan *bye, 1)}
}

// send queues a message. It does not wait. It fails if the message is too long for a line.
func (s *stream) send(m message) error {
	line, err := m.encode()
	if err != nil {
		return err
	}
	s.mu.Lock()
	full := len(s.queue) >= maxQueue
	if !full {
		s.queue = append(s.queue, line)
	}
	s.mu.Unlock()
	if full {
		signal(s.slow)
		return errSlow
	}
	signal(s.some)
	return nil
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // already signalled
	}
}

// dismiss makes run end with this farewell.
func (s *stream) dismiss(b *bye) {
	select {
	case s.leave <- b:
	default: // already leaving
	}
}

// run says hello and exchanges messages until the stream ends, an end is silent, a function fails or ctx is done. It calls greet with
// the other end's hello, then handle with each message but pings, one at a time. An error that is a *bye is told to the other end. run
// closes the connection, and waits for its own reads and writes to end. It never returns nil.
func (s *stream) run(ctx context.Context, own hello, greet func(hello) error, handle func(message) error) error {
	lines, failed, stop := make(chan message), make(chan error, 2), make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() { failed <- s.read(lines, stop) })
	wrote := make(chan struct{})
	work.Go(func() {
		defer close(wrote)
		if err := s.write(stop); err != nil {
			failed <- err
		}
	})
	err := s.send(message{Hello: &own})
	if err == nil {
		err = s.exchange(ctx, lines, failed, greet, handle)
	}
	if farewell, ok := errors.AsType[*bye](err); ok && s.send(message{Bye: farewell}) == nil {
		close(stop)
		timer := time.NewTimer(farewellWait)
		select {
		case <-wrote:
		case <-timer.C:
		}
		timer.Stop()
		_ = s.conn.Close()
	} else {
		_ = s.conn.Close()
		close(stop)
	}
	work.Wait()
	return err
}

// exchange handles what comes until the end.
func (s *stream) exchange(ctx context.Context, lines <-chan message, failed <-chan error, greet func(hello) error, handle func(message) error) error {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	heard, greeted := time.Now(), false
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-failed:
		case <-s.slow:
			err = errSlow
		case b := <-s.leave:
			err = b
		case <-ticker.C:
			if time.Since(heard) >= missedPings*pingEvery {
				return errSilent
			}
			err = s.send(message{Ping: true})
		case m := <-lines:
			heard = time.Now()
			switch {
			case !greeted && m.Bye == nil:
				if m.Hello == nil {
					return errFirst
				}
				greeted = true
				err = greet(*m.Hello)
			case m.Bye != nil:
				return &farewellError{*m.Bye}
			case !m.Ping:
				err = handle(m)
			}
		}
		if err != nil {
			return err
		}
	}
}

// farewellError is the other end's farewell.
type farewellError struct{ bye bye }

func (e *farewellError) Error() string { return e.bye.Text }

// read reads lines until the stream ends, which it returns as an error.
func (s *stream) read(lines chan<- message, stop <-chan struct{}) error {
	r := bufio.NewReaderSize(s.conn, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return errTooLong
		case errors.Is(err, io.EOF) && len(line) > 0:
			return errCut
		case errors.Is(err, io.EOF):
			return errClosed
		case err != nil:
			return fmt.Errorf("relay: %w", err)
		}
		m, err := decode(line)
		clear(line) // keep no secret in the buffer
		if err != nil {
			return err
		}
		select {
		case lines <- m:
		case <-stop:
			return nil
		}
	}
}

// write writes what is queued until the stream ends. After stop it writes the rest.
func (s *stream) write(stop <-chan struct{}) error {
	for last := false; ; {
		s.mu.Lock()
		batch := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, line := range batch {
			_, err := s.conn.Write(line)
			clear(line) // keep no secret in memory
			if err != nil {
				return fmt.Errorf("relay: %w", err)
			}
		}
		if last && len(batch) == 0 {
			return nil
		}
		select {
		case <-s.some:
		case <-stop:
			last = true
		}
	}
}

// checkVersions fails with a *bye unless both ends speak the same protocol.
func checkVersions(laptop, pod hello) error {
	if laptop.Protocol == pod.Protocol {
		return nil
	}
	return &bye{byeProtocol, fmt.Sprintf(
		"relay: mock-ec2-metadata-kube is %.40q (protocol %d) on the laptop and %.40q (protocol %d) in the pod; run up again with one version",
		laptop.Version, laptop.Protocol, pod.Version, pod.Protocol)}
}
