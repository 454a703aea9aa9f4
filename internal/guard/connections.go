package guard

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// unwanted is how many connections those may have who are not let in: enough to be told so.
const unwanted = 64

// connections counts those that are open.
type connections struct {
	// room is for how many connections the process may open files.
	room int

	mu       sync.Mutex
	admitted int
	refused  int
	clients  map[netip.Addr]int
}

// roomIn leaves files to whatever is not counted: this machine's own connections, and the daemon's work.
func roomIn(files int) int { return max(files-256, files/2) }

// Limit bounds the connections that l accepts. This machine's own are not counted: nobody else can use up its share. What is
// over a limit is closed at once.
func (g *Guard) Limit(l net.Listener) net.Listener { return &limited{l, g} }

type limited struct {
	net.Listener
	guard *Guard
}

// Accept gives the next connection within the limits.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn, ok := c.(socket)
		if _, isTCP := c.RemoteAddr().(*net.TCPAddr); !ok || !isTCP {
			return c, nil // of this machine, then
		}
		a := parseAddr(c.RemoteAddr().String())
		rules := l.guard.rules.Load()
		class := l.guard.classify(rules, a)
		if class == Local {
			return c, nil
		}
		done, full := l.guard.open.take(rules, class, source(a))
		if full == "" {
			return &counted{socket: conn, done: sync.OnceFunc(done)}, nil
		}
		l.guard.refusals.add(a, "connections", full)
		_ = c.Close()
	}
}

// take counts a connection until done, if there is room for it. If not, full says which limit there is.
func (c *connections) take(rules *Rules, class Class, client netip.Addr) (done func(), full string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := &c.admitted
	if class == Refused {
		count = &c.refused
	}
	// Those who are not let in never take the room of those who are.
	forRefused := min(unwanted, c.room/4)
	switch {
	case class == Refused && c.refused >= forRefused:
		return nil, fmt.Sprintf("more than %d connections at one time of clients that are not let in; to let one in, add it to server.allow_clients", forRefused)
	case c.clients[client] >= rules.ConnectionsPerClient:
		return nil, fmt.Sprintf("more than the %d connections at one time of one client that server.limits.connections_per_client allows", rules.ConnectionsPerClient)
	case class != Refused && c.admitted >= rules.Connections:
		return nil, fmt.Sprintf("more than the %d connections at one time that server.limits.connections allows", rules.Connections)
	case class != Refused && c.admitted >= c.room-forRefused:
		return nil, fmt.Sprintf("more than %d connections at one time, which is all that the limit of open files leaves room for; raise that (ulimit -n)", c.room-forRefused)
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
	}, ""
}

// socket is what is used of a TCP connection: the hop limit is set on it, and it is closed in two steps.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// counted is a connection that counts until it is closed.
type counted struct {
	socket
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.socket.Close()
}
