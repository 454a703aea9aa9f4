package web

import (
	"net"
	"sync"
)

// limited is what LimitConnections returns.
type limited struct {
	net.Listener
	open  chan struct{} // holds one for each open connection
	ended chan struct{} // closed by Close
	close func() error
}

// LimitConnections makes a listener that has no more than so many open connections at one time. Further ones wait. It may be closed more
// than once.
func LimitConnections(l net.Listener, connections int) net.Listener {
	ended := make(chan struct{})
	return &limited{l, make(chan struct{}, connections), ended, sync.OnceValue(func() error {
		close(ended)
		return l.Close()
	})}
}

// Accept waits for a connection and for room.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.open <- struct{}{}:
	case <-l.ended:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &limitedConn{c, sync.OnceFunc(func() { <-l.open })}, nil
}

// Close may be called more than once.
func (l *limited) Close() error { return l.close() }

// limitedConn makes room when it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

// Close may be called more than once.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
