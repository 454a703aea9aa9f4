package web

import (
	"net"
	"net/http"
	"sync"
)

// Crowd bounds the open connections of a server. When there is one too many, that which has been quiet longest is closed: else a few
// clients that keep theirs open would keep all others out.
type Crowd struct {
	most int

	mu   sync.Mutex         // guards the fields below
	open map[net.Conn]int64 // when the state changed last, in changes
	time int64              // changes so far
}

// NewCrowd makes the bound of one server.
func NewCrowd(most int) *Crowd { return &Crowd{most: most, open: map[net.Conn]int64{}} }

// Changed is for http.Server.ConnState.
func (c *Crowd) Changed(conn net.Conn, state http.ConnState) {
	if quiet := c.note(conn, state); quiet != nil {
		_ = quiet.Close()
	}
}

// note remembers a change, and returns the connection to close for it; nil for none.
func (c *Crowd) note(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, isOpen := c.open[conn]; state == http.StateClosed || !isOpen && state != http.StateNew {
		delete(c.open, conn)
		return nil
	}
	c.time++
	c.open[conn] = c.time
	if len(c.open) <= c.most {
		return nil
	}
	quiet := conn
	for one, at := range c.open {
		if at < c.open[quiet] {
			quiet = one
		}
	}
	delete(c.open, quiet)
	return quiet
}
