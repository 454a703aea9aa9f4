package server

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// acceptor counts the connections of a listener that are open.
type acceptor struct {
	net.Listener
	name  string // for web.Listener
	open  *atomic.Int64
	all   *atomic.Int64
	close func() error // closes the listener once
}

func newAcceptor(l net.Listener, name string, open, all *atomic.Int64) *acceptor {
	return &acceptor{l, name, open, all, sync.OnceValue(l.Close)}
}

// Close may be called more than once.
func (a *acceptor) Close() error { return a.close() }

// Accept waits for the next connection.
func (a *acceptor) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a.open.Add(1)
	a.all.Add(1)
	return &accepted{Conn: c, open: a.open}, nil
}

// accepted is an open connection of net/http's server, which has one Read at a time.
type accepted struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
	read   bool // the first Read has begun
}

// Read is the socket's, but for the first; see readFirst.
func (c *accepted) Read(p []byte) (int, error) {
	if c.read {
		return c.Conn.Read(p)
	}
	c.read = true
	return readFirst(c.Conn, p)
}

// Close may be called more than once.
func (c *accepted) Close() error {
	if !c.closed.Swap(true) {
		defer c.open.Add(-1)
	}
	return c.Conn.Close()
}

// CloseWrite lets net/http close the connection gracefully.
func (c *accepted) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SyscallConn is the socket, for the hop limit.
func (c *accepted) SyscallConn() (syscall.RawConn, error) {
	if socket, ok := c.Conn.(syscall.Conn); ok {
		return socket.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// NetConn is the connection within, for resets.
func (c *accepted) NetConn() net.Conn { return c.Conn }
