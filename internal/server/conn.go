package server

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// socket is what is used of a TCP connection.
type socket interface {
	net.Conn
	syscall.Conn
	io.ReaderFrom
	CloseWrite() error
}

// listener gives connections that cost net/http's server less.
type listener struct{ net.Listener }

// Accept waits for the next connection.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if s, ok := c.(socket); ok {
		return &conn{socket: s}, err
	}
	return c, err
}

// conn is a connection for net/http's server, which has one Read at a time, and whose deadlines are some time from now or long ago.
//
// It has one timer, and sets it only where it would go off too late; when it has gone off too early, it is set anew. With each
// request the server gives four deadlines and takes them back, for each of which a connection of package net sets a timer.
type conn struct {
	socket

	mu          sync.Mutex
	read, write deadline
	timer       *time.Timer
	rings       time.Time // when the timer goes off, zero if it is not set
	closed      bool
}

// deadline is one of a connection's.
type deadline struct {
	at     time.Time // zero for none
	passed bool      // the socket has been told that it has
}

// longAgo is a time by which Reads and Writes end at once.
var longAgo = time.Unix(1, 0)

// SetDeadline is for reading and writing.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline ends a Read that waits, and all that follow, at t.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.set(&c.read, t, c.socket.SetReadDeadline)
}

// SetWriteDeadline ends a Write that waits, and all that follow, at t.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.set(&c.write, t, c.socket.SetWriteDeadline)
}

// Close ends all Reads and Writes.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	return c.socket.Close()
}

// set puts a deadline in force; tell is how the socket hears of it.
func (c *conn) set(d *deadline, t time.Time, tell func(time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.at = t
	// The socket hears at once of the time long ago by which net/http ends a Read, and of its end.
	if passed := !t.IsZero() && !t.After(longAgo); passed != d.passed {
		d.passed = passed
		if passed {
			return tell(longAgo)
		}
		if err := tell(time.Time{}); err != nil {
			return err
		}
	}
	c.wake(d)
	return nil
}

// wake sets the timer if it would go off too late.
func (c *conn) wake(d *deadline) {
	if c.closed || d.at.IsZero() || d.passed || !c.rings.IsZero() && !d.at.Before(c.rings) {
		return
	}
	c.rings = d.at
	if after := time.Until(d.at); c.timer == nil {
		c.timer = time.AfterFunc(after, c.ring)
	} else {
		c.timer.Reset(after)
	}
}

// ring tells the socket of the deadlines that have come.
func (c *conn) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.rings = time.Time{}
	c.pass(&c.read, now, c.socket.SetReadDeadline)
	c.pass(&c.write, now, c.socket.SetWriteDeadline)
}

func (c *conn) pass(d *deadline, now time.Time, tell func(time.Time) error) {
	if !d.at.IsZero() && !d.passed && !now.Before(d.at) {
		d.passed = true
		_ = tell(longAgo) // a socket that fails here is closed
	}
	c.wake(d)
}
