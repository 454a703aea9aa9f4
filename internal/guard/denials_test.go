package guard

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// discard is a client that reads no answer.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func TestWrap_AllowedRequestCostsNothing(t *testing.T) {
	g := newGuard(defaultRules())
	g.OnDenial(func(*http.Request, Denial) { t.Error("it is denied") })
	allowed := 0
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { allowed++ }))
	g.refusals.mu.Lock() // which an allowed request must not need
	defer g.refusals.mu.Unlock()
	w := discard{http.Header{}}
	for _, r := range []*http.Request{request(nil), request(from("172.17.0.5:1")), request(header("X-Forwarded-For", "10.0.0.1"))} {
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
			t.Errorf("%s %v: %v allocations", r.RemoteAddr, r.Header, n)
		}
	}
	if allowed != 303 {
		t.Errorf("%d requests were allowed", allowed)
	}
}

func TestJudge_AnswersCountsAndTellsNothing(t *testing.T) {
	g := newGuard(defaultRules())
	g.OnDenial(func(*http.Request, Denial) { t.Error("it is told") })
	all := []string{"clients", "hosts", "origins", "proxies", "sizes"}
	for i, change := range []func(*http.Request){
		from("192.168.1.9:1"), host("evil.example"), header("Origin", "http://evil.example"),
		func(r *http.Request) {
			r.Header = http.Header{"X-Forwarded-For": {"10.0.0.1"}, tokenHeader: {"t"}}
		},
		header("X-Long", string(make([]byte, 20_000))), nil,
	} {
		allowedBy, denied := g.Judge(request(change))
		if !slices.Equal(allowedBy, all[:min(i, len(all))]) {
			t.Errorf("%d: allowed by %q", i, allowedBy)
		}
		if i == len(all) {
			if denied != nil {
				t.Errorf("denied: %+v", denied)
			}
			continue
		}
		if denied == nil || denied.Rule != all[i] || denied.Status == 0 || denied.Text == "" || denied.Key == "" || denied.Item == "" || denied.Client.String() == "" {
			t.Errorf("%d: denied %+v", i, denied)
		}
	}
	if n := g.Refused(); len(n) != 0 {
		t.Errorf("counted %v", n)
	}
}

func TestOnDenial_ToldOfTheAnswerThatTheClientGets(t *testing.T) {
	g := newGuard(defaultRules())
	var told []Denial
	g.OnDenial(func(r *http.Request, d Denial) {
		if r == nil || r.URL.Path == "" {
			t.Error("no request")
		}
		told = append(told, d)
	})
	rec := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(serveSecret)).ServeHTTP(rec, request(from("192.168.1.9:1")))
	if len(told) != 1 || told[0].Status != rec.Code || told[0].Text+"\n" != rec.Body.String() || told[0].Client.String() != "192.168.1.9" {
		t.Errorf("told %+v", told)
	}
	g.OnDenial(nil)
	g.Wrap(http.HandlerFunc(serveSecret)).ServeHTTP(httptest.NewRecorder(), request(from("192.168.1.9:1")))
	if g.Refused()["clients"] != 2 {
		t.Errorf("counted %v", g.Refused())
	}
}

// The client of a refused connection would be refused as a client, too: its key is the one that matters.
func TestLimit_RefusedClientNeedsToBeAllowed(t *testing.T) {
	g := New(fixedNetworks(testNetworks...), slog.New(slog.DiscardHandler), time.Now)
	g.Use(allowClients("10.0.0.0/8"))
	open := &g.open
	open.capacity = 1000
	for range maxRefusedConnections {
		if _, full := open.take(g.rules.Load(), Refused, parseAddr("192.168.1.9:1")); full != nil {
			t.Fatal(full.text)
		}
	}
	var told []Denial
	g.OnDenial(func(r *http.Request, d Denial) {
		if r != nil {
			t.Error("a connection has no request")
		}
		told = append(told, d)
	})
	l := g.Limit(&onceListener{conn: tcpFrom(t, "192.168.1.77:1")})
	_, _ = l.Accept()
	const text = "more than 64 concurrent connections of clients that are not allowed; to allow one, add it to server.allow_clients"
	if len(told) != 1 || told[0] != (Denial{Client: parseAddr("192.168.1.77:1"), Rule: "connections", Text: text, Key: "server.allow_clients", Item: "192.168.1.77/32"}) {
		t.Errorf("told %+v", told)
	}
	open.capacity, open.allowed = 400, 336
	if _, full := open.take(g.rules.Load(), Allowed, parseAddr("10.1.1.1:1")); full == nil || full.key+full.item != "" || full.rule != "connections" {
		t.Errorf("no key raises the limit of open files: %+v", full)
	}
}

// onceListener has one connection.
type onceListener struct{ conn net.Conn }

func (l *onceListener) Accept() (net.Conn, error) {
	c := l.conn
	if l.conn = nil; c == nil {
		return nil, io.EOF
	}
	return c, nil
}
func (*onceListener) Close() error   { return nil }
func (*onceListener) Addr() net.Addr { return &net.TCPAddr{} }

// dialledFrom is a connection that seems to be of a client.
type dialledFrom struct {
	*net.TCPConn
	remote net.Addr
}

func (c dialledFrom) RemoteAddr() net.Addr { return c.remote }

func tcpFrom(t *testing.T, client string) net.Conn {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	at, err := net.ResolveTCPAddr("tcp", client)
	if err != nil {
		t.Fatal(err)
	}
	return dialledFrom{c, at}
}
