package guard

import (
	"net"
	"net/netip"
	"sync"
)

// unwanted is how many connections those may have who are not let in: enough to be told so.
const unwanted = 64

// connections counts those that are open.
type connections struct {
	mu       sync.Mutex
	admitted int
	refused  int
	clients  map[netip.Addr]int
}

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
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			return c, nil // of this machine, then
		}
		a := parseAddr(c.RemoteAddr().String())
		rules := l.guard.rules.Load()
		class := l.guard.classify(rules, a)
		if class == Local {
			return c, nil
		}
		if done, ok := l.guard.open.take(rules, class, a); ok {
			return &counted{TCPConn: tcp, done: sync.OnceFunc(done)}, nil
		}
		l.guard.refusals.add(a, "connections", "too many connections at one time; server.limits.connections and connections_per_client allow more")
		_ = c.Close()
	}
}

// take counts a connection, if there is room for it, until done.
func (c *connections) take(rules *Rules, class Class, a netip.Addr) (done func(), ok bool) {
	if a.Is6() { // one client has a whole network of 64 bits
		if p, err := a.WithZone("").Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all, most := &c.admitted, rules.Connections
	if class == Refused {
		all, most = &c.refused, unwanted
	}
	if *all >= most || c.clients[a] >= min(most, rules.ConnectionsPerClient) {
		return nil, false
	}
	*all++
	c.clients[a]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		*all--
		if c.clients[a]--; c.clients[a] == 0 {
			delete(c.clients, a)
		}
	}, true
}

// counted is a connection that counts until it is closed. It stays a TCP connection otherwise: its socket is needed for the
// hop limit.
type counted struct {
	*net.TCPConn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.TCPConn.Close()
}
