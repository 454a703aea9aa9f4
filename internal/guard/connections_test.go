package guard

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeConn is a connection from a given address.
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

// fakeListener accepts the connections and errors of a list.
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

// accept offers connections to a guard and returns those within its limits.
func accept(t *testing.T, g *Guard, conns ...*fakeConn) []net.Conn {
	t.Helper()
	l := &fakeListener{}
	for _, c := range conns {
		l.next = append(l.next, c)
	}
	var accepted []net.Conn
	for {
		c, err := g.Limit(l).Accept()
		if errors.Is(err, net.ErrClosed) {
			return accepted
		}
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, c)
	}
}

func many(n int, address string) []*fakeConn {
	conns := make([]*fakeConn, n)
	for i := range conns {
		conns[i] = connFrom(address)
	}
	return conns
}

// Clients of testNetworks.
const (
	container1 = "172.17.0.2:1"
	container2 = "172.17.0.3:1"
	onLAN      = "192.168.1.20:1" // not allowed by default
)

// fewConnections returns a guard that allows 10 connections, 6 of one client, and its log.
func fewConnections() (*Guard, *bytes.Buffer) {
	rules := defaultRules()
	rules.Connections, rules.ConnectionsPerClient = 10, 6
	return loggingGuard(rules)
}

func loggingGuard(rules *Rules) (*Guard, *bytes.Buffer) {
	g := newGuard(rules)
	var log bytes.Buffer
	g.refusals.log = logTo(&log)
	return g, &log
}

func TestLimit_OfEachClientAndOfAll(t *testing.T) {
	g, log := fewConnections()
	if n := len(accept(t, g, many(7, container1)...)); n != 6 {
		t.Errorf("%d connections of one client, want 6", n)
	}
	if n := len(accept(t, g, many(7, container2)...)); n != 4 {
		t.Errorf("%d connections of the next client, want the remaining 4", n)
	}
	if n := len(accept(t, g, many(7, onLAN)...)); n != 6 {
		t.Errorf("%d connections of a refused client, want 6", n)
	}
	want := `level=WARN msg=refused client=172.17.0.2 rule=connections reason="more than 6 concurrent connections of one client; server.limits.connections_per_client allows no more"
level=WARN msg=refused client=172.17.0.3 rule=connections reason="more than 10 concurrent connections; server.limits.connections allows no more"
level=WARN msg=refused client=192.168.1.20 rule=connections reason="more than 6 concurrent connections of one client; server.limits.connections_per_client allows no more"
`
	if log.String() != want {
		t.Errorf("log:\n%swant:\n%s", log, want)
	}
	if got := g.Refused()["connections"]; got != 1+3+1 {
		t.Errorf("%d counted, want 5", got)
	}
}

func TestLimit_GivesAccessToTheSocket(t *testing.T) {
	g, _ := fewConnections()
	conn := connFrom(container1)
	wrapped, ok := accept(t, g, conn)[0].(interface{ NetConn() net.Conn })
	if !ok || wrapped.NetConn() != net.Conn(conn) {
		t.Error("resets do not find it")
	}
}

func TestLimit_ClosesConnectionBeyondIt(t *testing.T) {
	g, _ := fewConnections()
	conns := many(7, container1)
	accept(t, g, conns...)
	if conns[6].closed != 1 || conns[5].closed != 0 {
		t.Errorf("closed %d and %d times, want 1 and 0", conns[6].closed, conns[5].closed)
	}
}

func TestLimit_DoesNotCountLocalConnections(t *testing.T) {
	g, _ := fewConnections()
	for _, address := range []string{"127.0.0.1:1", "[::1]:1", "192.168.1.10:1", "172.17.0.1:1"} {
		t.Run(address, func(t *testing.T) {
			if n := len(accept(t, g, many(5000, address)...)); n != 5000 {
				t.Errorf("%d connections, want 5000", n)
			}
		})
	}
}

func TestLimit_CloseFreesOneConnection(t *testing.T) {
	g, _ := fewConnections()
	first := accept(t, g, many(6, container1)...)
	second := accept(t, g, many(4, container2)...)
	for range 3 {
		_ = first[0].Close()
	}
	if n := len(accept(t, g, many(2, container2)...)); n != 1 {
		t.Errorf("%d connections, want the one that was closed", n)
	}
	for _, c := range append(first[1:], second...) {
		_ = c.Close()
	}
	if g.open.allowed != 1 || len(g.open.clients) != 1 {
		t.Errorf("%d connections of %d clients counted, want 1 of 1", g.open.allowed, len(g.open.clients))
	}
}

func TestLimit_RefusedClientsDoNotTakeCapacityOfAllowed(t *testing.T) {
	g, log := loggingGuard(defaultRules())
	lan := make([]*fakeConn, maxRefusedConnections+1)
	for i := range lan {
		lan[i] = connFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(100 + i)}), 1).String())
	}
	if n := len(accept(t, g, lan...)); n != maxRefusedConnections {
		t.Errorf("%d connections of refused clients, want %d", n, maxRefusedConnections)
	}
	want := `level=WARN msg=refused client=192.168.1.164 rule=connections reason="more than 64 concurrent connections of clients that are not allowed; to allow one, add it to server.allow_clients"
`
	if log.String() != want {
		t.Errorf("log:\n%swant:\n%s", log, want)
	}
	if n := len(accept(t, g, append(many(500, container1), many(500, "127.0.0.1:1")...)...)); n != 1000 {
		t.Errorf("%d connections of allowed clients, want 1000", n)
	}
}

func TestCapacityFor_ReservesFiles(t *testing.T) {
	for _, tt := range []struct{ files, want int }{
		{1 << 20, 1<<20 - 256},
		{4096, 3840},
		{1024, 768},
		{256, 128},
		{64, 32},
	} {
		t.Run(fmt.Sprint(tt.files), func(t *testing.T) {
			if got := capacityFor(tt.files); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestOpenFiles_IsLimitOfProcess(t *testing.T) {
	if n := openFiles(); n < 10 {
		t.Errorf("got %d", n)
	}
}

func TestLimit_CapacityLeavesFilesForDaemon(t *testing.T) {
	g, log := loggingGuard(defaultRules())
	g.open.capacity = 32
	if n := len(accept(t, g, many(100, onLAN)...)); n != 8 {
		t.Errorf("%d connections of a refused client, want 8", n)
	}
	if n := len(accept(t, g, many(100, container1)...)); n != 24 {
		t.Errorf("%d connections of an allowed client, want the other 24", n)
	}
	last := "reason=\"more than 24 concurrent connections; the limit of open files allows no more, raise it (ulimit -n)\"\n"
	if !strings.HasSuffix(log.String(), last) {
		t.Errorf("log:\n%swant at the end:\n%s", log, last)
	}
	if n := len(accept(t, g, many(100, "127.0.0.1:1")...)); n != 100 {
		t.Errorf("%d connections of this machine, want 100", n)
	}
}

func TestLimit_IPv6NetworkIsOneClient(t *testing.T) {
	rules := allowClients("2001:db8::/32")
	rules.ConnectionsPerClient = 5
	g := newGuard(rules)
	var conns []*fakeConn
	for i := range 10 {
		a := netip.MustParseAddr("2001:db8:1:2::").As16()
		a[15] = byte(i)
		conns = append(conns, connFrom(netip.AddrPortFrom(netip.AddrFrom16(a), 1).String()))
	}
	if n := len(accept(t, g, conns...)); n != 5 {
		t.Errorf("%d connections, want 5", n)
	}
	if n := len(accept(t, g, connFrom("[2001:db8:1:3::1]:1"))); n != 1 {
		t.Error("another network has no connection")
	}
}

func TestUse_ChangedLimitHoldsForNewConnections(t *testing.T) {
	g := newGuard(defaultRules())
	open := accept(t, g, many(20, container1)...)
	few := defaultRules()
	few.ConnectionsPerClient = 3
	g.Use(few)
	if n := len(accept(t, g, many(5, container1)...)); n != 0 {
		t.Errorf("%d more than allowed", n)
	}
	for _, c := range open[:18] {
		_ = c.Close()
	}
	if n := len(accept(t, g, many(5, container1)...)); n != 1 {
		t.Errorf("%d more, want 1", n)
	}
	g.Use(defaultRules())
	if n := len(accept(t, g, many(5, container1)...)); n != 5 {
		t.Errorf("%d more, want 5", n)
	}
}

func TestLimit_ReturnsErrorsAndConnectionsOtherThanTCP(t *testing.T) {
	g := newGuard(defaultRules())
	pipe, other := net.Pipe()
	defer func() { _, _ = pipe.Close(), other.Close() }()
	unix := &fakeConn{remote: &net.UnixAddr{Net: "unix"}}
	l := g.Limit(&fakeListener{next: []any{syscall.EMFILE, pipe, unix, connFrom(container1)}})
	if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v", err)
	}
	for _, want := range []net.Conn{pipe, unix} {
		if c, err := l.Accept(); err != nil || c != want {
			t.Errorf("got %v, %v", c, err)
		}
	}
	if c, err := l.Accept(); err != nil || c.RemoteAddr().String() != container1 {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestLimit_CountsConcurrentListeners(t *testing.T) {
	rules := defaultRules()
	rules.Connections, rules.ConnectionsPerClient = 50, 20
	g := newGuard(rules)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 17, 0, byte(2 + i%3)}), 1).String()
			for range 50 {
				for _, c := range accept(t, g, many(10, address)...) {
					_ = c.Close()
				}
			}
		})
	}
	all.Wait()
	if g.open.allowed != 0 || g.open.refused != 0 || len(g.open.clients) != 0 {
		t.Errorf("%d allowed and %d refused connections of %d clients are left", g.open.allowed, g.open.refused, len(g.open.clients))
	}
}

// TestCounted_KeepsMethodsOfSocket: net/http half-closes a connection so that a refused client reads the answer.
func TestCounted_KeepsMethodsOfSocket(t *testing.T) {
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
		t.Error("no SyscallConn, which sets the hop limit")
	}
}
