package guard

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
)

// maxRefusedConnections limits the concurrent connections of refused clients, which exist only to answer 403.
const maxRefusedConnections = 64

// connections counts open connections.
type connections struct {
	// capacity is the number of connections that the limit of open files allows.
	capacity int

	mu      sync.Mutex // guards the fields below
	allowed int
	refused int
	clients map[netip.Addr]int
}

// capacityFor reserves files for what is not counted: connections of this machine, and files of the daemon.
func capacityFor(files int) int { return max(files-256, files/2) }

// Limit closes connections of l beyond a limit at once. Connections of this machine do not count, so that other clients
// cannot lock it out.
func (g *Guard) Limit(l net.Listener) net.Listener { return &limited{l, g} }

type limited struct {
	net.Listener
	guard *Guard
}

// Accept returns the next connection within the limits.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn, ok := c.(socket)
		if _, isTCP := c.RemoteAddr().(*net.TCPAddr); !ok || !isTCP {
			return c, nil // not TCP, so of this machine
		}
		a := parseAddr(c.RemoteAddr().String())
		rules := l.guard.rules.Load()
		class := l.guard.classify(rules, a)
		if class == Local {
			return c, nil
		}
		done, full := l.guard.open.take(rules, class, source(a))
		if full == nil {
			return &counted{socket: conn, done: sync.OnceFunc(done)}, nil
		}
		if class == Refused {
			full.unless(allowing(a))
		}
		l.guard.refusals.add(a, full.rule, full.text)
		l.guard.tell(nil, full.denial(a))
		_ = c.Close()
	}
}

// take counts a connection until done is called. If a limit is reached, it counts nothing and full names the limit.
func (c *connections) take(rules *Rules, class Class, client netip.Addr) (done func(), full *refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := &c.allowed
	if class == Refused {
		count = &c.refused
	}
	// Refused clients have a capacity of their own, so that they cannot lock out allowed ones.
	forRefused := min(maxRefusedConnections, c.capacity/4)
	switch {
	case class == Refused && c.refused >= forRefused:
		return nil, tooMany("more than %d concurrent connections of clients that are not allowed; to allow one, add it to server.allow_clients", forRefused)
	case c.clients[client] >= rules.ConnectionsPerClient:
		return nil, tooMany("more than %d concurrent connections of one client; server.limits.connections_per_client allows no more", rules.ConnectionsPerClient).
			unless("server.limits.connections_per_client", twice(rules.ConnectionsPerClient))
	case class != Refused && c.allowed >= rules.Connections:
		return nil, tooMany("more than %d concurrent connections; server.limits.connections allows no more", rules.Connections).
			unless("server.limits.connections", twice(rules.Connections))
	case class != Refused && c.allowed >= c.capacity-forRefused:
		return nil, tooMany("more than %d concurrent connections; the limit of open files allows no more, raise it (ulimit -n)", c.capacity-forRefused)
	}
	*count++
	c.clients[client]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		*count--
		if c.clients[client]--; c.clients[client] == 0 {
			delete(c.clients, client)
		}
	}, nil
}

// tooMany is the refusal of a connection, which gets no answer.
func tooMany(format string, limit int) *refusal {
	return &refusal{rule: "connections", text: fmt.Sprintf(format, limit)}
}

// twice is what to raise a limit to: one more would be reached again at once.
func twice(limit int) string { return strconv.Itoa(2 * limit) }

// socket is the part of a TCP connection that is used: SyscallConn sets the hop limit, CloseWrite lets net/http close the
// connection gracefully.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// counted is a connection that counts until Close.
type counted struct {
	socket
	done func()
}

// NetConn is the connection within, for resets.
func (c *counted) NetConn() net.Conn { return c.socket }

func (c *counted) Close() error {
	defer c.done()
	return c.socket.Close()
}
