package control

import (
	"net"
	"sync"
)

// limited is a listener that accepts no more than cap(open) connections at one time. Further ones wait.
type limited struct {
	net.Listener
	open  chan struct{} // holds one for each open connection
	ended chan struct{} // closed by Close
	close func() error
}

func newLimited(l net.Listener, connections int) *limited {
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
