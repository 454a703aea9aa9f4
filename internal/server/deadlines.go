package server

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// slack is how much later than asked for a deadline of a connection may take effect.
const slack = time.Second

// socket is what is used of a TCP connection.
type socket interface {
	net.Conn
	syscall.Conn
	io.ReaderFrom
	CloseWrite() error
}

// lazyListener gives connections that are slow to set deadlines.
type lazyListener struct{ net.Listener }

// Accept waits for the next connection.
func (l lazyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if s, ok := c.(socket); ok {
		return &lazyConn{socket: s}, err
	}
	return c, err
}

// lazyConn sets a deadline when something waits for it, and keeps one that is late by no more than slack. net/http asks for
// seven with each request, each of which changes a timer, and hardly ever waits but for the next request. It is for net/http's
// server alone, which has one Read at a time, and never writes without a deadline.
type lazyConn struct {
	socket

	mu      sync.Mutex
	read    time.Time // what was asked for
	readSet time.Time // what is in force
	reading bool
	write   time.Time // what is in force
}

// SetDeadline is for reading and writing.
func (c *lazyConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline takes effect at once when a Read waits, else with the next one.
func (c *lazyConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	if !c.reading {
		return nil
	}
	return c.setRead()
}

// SetWriteDeadline takes effect at once. To want none changes nothing: the server asks for another before it writes again.
func (c *lazyConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() || serves(c.write, t) {
		return nil
	}
	c.write = t.Add(slack)
	return c.socket.SetWriteDeadline(c.write)
}

// Read waits no longer than the deadline for reading, and slack, allow.
func (c *lazyConn) Read(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	n, err := c.socket.Read(p)
	c.mu.Lock()
	c.reading = false
	c.mu.Unlock()
	return n, err
}

func (c *lazyConn) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if longAgo(c.read) {
		return os.ErrDeadlineExceeded
	}
	if err := c.setRead(); err != nil {
		return err
	}
	c.reading = true
	return nil
}

// setRead puts in force what was asked for.
func (c *lazyConn) setRead() error {
	switch {
	case serves(c.readSet, c.read):
		return nil
	case c.read.IsZero() || longAgo(c.read):
		c.readSet = c.read
	default:
		c.readSet = c.read.Add(slack)
	}
	return c.socket.SetReadDeadline(c.readSet)
}

// serves says whether a deadline that is in force does for the one that is asked for.
func serves(set, asked time.Time) bool {
	if asked.IsZero() || set.IsZero() {
		return asked.Equal(set)
	}
	late := set.Sub(asked)
	return late >= 0 && late <= slack
}

// longAgo is true for the deadline by which net/http ends a Read at once.
func longAgo(t time.Time) bool { return !t.IsZero() && t.Unix() <= 1 }
