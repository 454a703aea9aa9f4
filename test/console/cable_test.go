package console

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable is what the browser's connections to the console go through.
type cable struct {
	mu   sync.Mutex
	torn bool
	// thaw is closed when bytes go through again; nil while they do.
	thaw  chan struct{}
	conns map[net.Conn]bool
}

// through listens for what the browser believes to be localhost, on the console's port, so that Host is right.
func through(t *testing.T, to string) *cable {
	t.Helper()
	_, port, err := net.SplitHostPort(to)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(wire, port))
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		_ = ln.Close()
		c.cut()
	})
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			go c.carry(from, to)
		}
	}()
	return c
}

func (c *cable) carry(from net.Conn, to string) {
	defer func() { _ = from.Close() }()
	conn, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	c.mu.Lock()
	if c.torn {
		c.mu.Unlock()
		return
	}
	c.conns[from], c.conns[conn] = true, true
	c.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, conn}, {conn, from}} {
		go func() {
			_, _ = io.Copy(way[0], &cooled{way[1], c})
			done <- struct{}{}
		}()
	}
	<-done
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, from)
	delete(c.conns, conn)
}

// cut ends all connections, and lets none through until restore.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.torn = true
	for conn := range c.conns {
		_ = conn.Close()
	}
}

// freeze lets no byte through until restore, and closes nothing.
func (c *cable) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.thaw = make(chan struct{})
}

func (c *cable) restore() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.torn = false
	if c.thaw != nil {
		close(c.thaw)
		c.thaw = nil
	}
}

// cooled is a connection whose bytes wait while the cable is frozen.
type cooled struct {
	io.Reader
	cable *cable
}

func (r *cooled) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.cable.mu.Lock()
	thaw := r.cable.thaw
	r.cable.mu.Unlock()
	if thaw != nil {
		<-thaw
	}
	return n, err
}
