package guard

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeConn comes from an address of one's choice.
type fakeConn struct {
	net.Conn
	remote net.Addr
	closed int
}

func (c *fakeConn) RemoteAddr() net.Addr                  { return c.remote }
func (c *fakeConn) Close() error                          { c.closed++; return nil }
func (c *fakeConn) CloseWrite() error                     { return nil }
func (c *fakeConn) SyscallConn() (syscall.RawConn, error) { return nil, nil }

func connFrom(address string) *fakeConn {
	return &fakeConn{remote: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}
}

// fakeListener gives connections, or errors, in a row.
type fakeListener struct {
	net.Listener
	next []any
}

func (l *fakeListener) Accept() (net.Conn, error) {
	if len(l.next) == 0 {
		return nil, net.ErrClosed
	}
	next := l.next[0]
	l.next = l.next[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(net.Conn), nil
}

// crowd accepts connections until there are none, and gives those that are let in.
func crowd(t *testing.T, g *Guard, conns ...*fakeConn) []net.Conn {
	t.Helper()
	l := &fakeListener{}
	for _, c := range conns {
		l.next = append(l.next, c)
	}
	var in []net.Conn
	for {
		c, err := g.Limit(l).Accept()
		if errors.Is(err, net.ErrClosed) {
			return in
		}
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, c)
	}
}

func many(n int, address string) []*fakeConn {
	conns := make([]*fakeConn, n)
	for i := range conns {
		conns[i] = connFrom(address)
	}
	return conns
}

func TestConnectionLimits(t *testing.T) {
	rules := usual()
	rules.Connections, rules.ConnectionsPerClient = 10, 6
	g := newGuard(rules)
	var log bytes.Buffer
	g.refusals.log = logTo(&log)

	first := crowd(t, g, many(7, "172.17.0.2:1")...)
	if len(first) != 6 {
		t.Errorf("%d connections of one client, want 6", len(first))
	}
	second := crowd(t, g, many(7, "172.17.0.3:1")...)
	if len(second) != 4 {
		t.Errorf("%d connections of the next, want the 4 that are left", len(second))
	}
	office := many(100, "192.168.1.20:1")
	if n := len(crowd(t, g, office...)); n != 6 {
		t.Errorf("%d connections of one who is not let in, want 6", n)
	}
	if office[99].closed != 1 {
		t.Error("a connection over the limit is not closed")
	}
	for _, own := range []string{"127.0.0.1:1", "[::1]:1", "192.168.1.10:1", "172.17.0.1:1"} {
		if n := len(crowd(t, g, many(5000, own)...)); n != 5000 {
			t.Errorf("%d connections of this machine by %s, want all of 5000", n, own)
		}
	}

	// What is closed makes room, once.
	for range 3 {
		_ = first[0].Close()
	}
	if n := len(crowd(t, g, many(2, "172.17.0.3:1")...)); n != 1 {
		t.Errorf("%d connections, want the one that was closed before", n)
	}
	want := `level=WARN msg=refused client=172.17.0.2 rule=connections reason="more than the 6 connections at one time of one client that server.limits.connections_per_client allows"
level=WARN msg=refused client=172.17.0.3 rule=connections reason="more than the 10 connections at one time that server.limits.connections allows"
level=WARN msg=refused client=192.168.1.20 rule=connections reason="more than the 6 connections at one time of one client that server.limits.connections_per_client allows"
`
	if log.String() != want {
		t.Errorf("log:\n%swant:\n%s", log.String(), want)
	}
	if got := g.Refused()["connections"]; got != 1+3+94+1 {
		t.Errorf("%d counted, want 99", got)
	}
	for _, c := range append(first[1:], second...) {
		_ = c.Close()
	}
	if g.open.admitted != 1 || len(g.open.clients) != 2 {
		t.Errorf("%d connections and %d clients remembered", g.open.admitted, len(g.open.clients))
	}
}

// TestUnwantedConnections has many of those who are not let in: they take nobody else's place.
func TestUnwantedConnections(t *testing.T) {
	g := newGuard(usual())
	var log bytes.Buffer
	g.refusals.log = logTo(&log)
	office := many(unwanted+1, "192.168.1.20:1")
	for i := range office {
		office[i] = connFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(100 + i)}), 1).String())
	}
	if n := len(crowd(t, g, office...)); n != unwanted {
		t.Errorf("%d connections of the office, want %d", n, unwanted)
	}
	want := `level=WARN msg=refused client=192.168.1.164 rule=connections reason="more than 64 connections at one time of clients that are not let in; to let one in, add it to server.allow_clients"
`
	if log.String() != want {
		t.Errorf("log:\n%swant:\n%s", log.String(), want)
	}
	if n := len(crowd(t, g, append(many(500, "172.17.0.2:1"), many(500, "127.0.0.1:1")...)...)); n != 1000 {
		t.Errorf("%d others, want 1000", n)
	}
}

// TestOpenFiles has limits that the process cannot keep: it must not run out of files for itself.
func TestOpenFiles(t *testing.T) {
	for files, want := range map[int]int{1 << 20: 1<<20 - 256, 4096: 3840, 1024: 768, 256: 128, 64: 32} {
		if got := roomIn(files); got != want {
			t.Errorf("room for %d connections in %d files, want %d", got, files, want)
		}
	}
	if n := openFiles(); n < 10 {
		t.Errorf("%d files", n)
	}
	g := newGuard(usual())
	g.open.room = 32
	var log bytes.Buffer
	g.refusals.log = logTo(&log)
	if n := len(crowd(t, g, many(100, "192.168.1.20:1")...)); n != 8 {
		t.Errorf("%d connections of one who is not let in, want 8", n)
	}
	if n := len(crowd(t, g, many(100, "172.17.0.2:1")...)); n != 24 {
		t.Errorf("%d connections of one who is, want the other 24", n)
	}
	if last := "reason=\"more than 24 connections at one time, which is all that the limit of open files leaves room for; raise that (ulimit -n)\"\n"; !strings.HasSuffix(log.String(), last) {
		t.Errorf("log:\n%swant at the end:\n%s", log.String(), last)
	}
	if n := len(crowd(t, g, many(100, "127.0.0.1:1")...)); n != 100 {
		t.Errorf("%d connections of this machine, want 100", n)
	}
}

// TestIPv6Connections has one host with all the addresses of its network.
func TestIPv6Connections(t *testing.T) {
	rules := listed("2001:db8::/32")
	rules.ConnectionsPerClient = 5
	g := newGuard(rules)
	var host []*fakeConn
	for i := range 10 {
		a := netip.MustParseAddr("2001:db8:1:2::").As16()
		a[15] = byte(i)
		host = append(host, connFrom(netip.AddrPortFrom(netip.AddrFrom16(a), 1).String()))
	}
	if n := len(crowd(t, g, host...)); n != 5 {
		t.Errorf("%d connections, want 5", n)
	}
	if n := len(crowd(t, g, connFrom("[2001:db8:1:3::1]:1"))); n != 1 {
		t.Error("the network beside has no connection")
	}
}

// TestLimitsChange lowers a limit below what is open, and raises it again.
func TestLimitsChange(t *testing.T) {
	g := newGuard(usual())
	open := crowd(t, g, many(20, "172.17.0.2:1")...)
	few := usual()
	few.ConnectionsPerClient = 3
	g.Use(few)
	if n := len(crowd(t, g, many(5, "172.17.0.2:1")...)); n != 0 {
		t.Errorf("%d more than allowed", n)
	}
	for _, c := range open[:18] {
		_ = c.Close()
	}
	if n := len(crowd(t, g, many(5, "172.17.0.2:1")...)); n != 1 {
		t.Errorf("%d more, want 1", n)
	}
	g.Use(usual())
	if n := len(crowd(t, g, many(5, "172.17.0.2:1")...)); n != 5 {
		t.Errorf("%d more, want 5", n)
	}
}

// TestAcceptErrors hands on what goes wrong, and what is no TCP.
func TestAcceptErrors(t *testing.T) {
	g := newGuard(usual())
	pipe, other := net.Pipe()
	defer func() { _, _ = pipe.Close(), other.Close() }()
	unix := &fakeConn{remote: &net.UnixAddr{Net: "unix"}}
	l := g.Limit(&fakeListener{next: []any{syscall.EMFILE, pipe, unix, connFrom("172.17.0.2:1")}})
	if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v", err)
	}
	for _, want := range []net.Conn{pipe, unix} {
		if c, err := l.Accept(); err != nil || c != want {
			t.Errorf("got %v, %v", c, err)
		}
	}
	if c, err := l.Accept(); err != nil || c.RemoteAddr().String() != "172.17.0.2:1" {
		t.Errorf("got %v, %v", c, err)
	}
}

// TestManyAtOnce opens and closes connections on several listeners at the same time.
func TestManyAtOnce(t *testing.T) {
	rules := usual()
	rules.Connections, rules.ConnectionsPerClient = 50, 20
	g := newGuard(rules)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 17, 0, byte(2 + i%3)}), 1).String()
			for range 50 {
				for _, c := range crowd(t, g, many(10, address)...) {
					_ = c.Close()
				}
			}
		})
	}
	all.Wait()
	if g.open.admitted != 0 || g.open.refused != 0 || len(g.open.clients) != 0 {
		t.Errorf("%d and %d connections of %d clients are left", g.open.admitted, g.open.refused, len(g.open.clients))
	}
}

// TestServerClosesWell checks that net/http can still half-close a counted connection, so that a refused client reads why.
func TestServerClosesWell(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var conn net.Conn = &counted{socket: c.(socket), done: func() {}}
	defer func() { _ = conn.Close() }()
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		t.Error("no CloseWrite")
	}
	_ = client.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := client.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d, %v", n, err)
	}
	if _, ok := conn.(syscall.Conn); !ok {
		t.Error("no socket to set the hop limit on")
	}
}
