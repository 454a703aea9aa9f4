package guard

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// home is a machine with a network card, Docker's bridge and a VPN.
var home = []attachment{
	at("127.0.0.1/8", "lo", false),
	at("::1/128", "lo", false),
	at("192.168.1.10/24", "eth0", false),
	at("fe80::10/64", "eth0", false),
	at("2001:db8:1::10/64", "eth0", false),
	at("172.17.0.1/16", "docker0", true),
	at("fe80::17/64", "docker0", true),
	at("fd00:17::1/64", "docker0", true),
	at("10.8.0.2/32", "tun0", false),
}

func at(address, name string, virtual bool) attachment {
	return attachment{prefix: netip.MustParsePrefix(address), name: name, virtual: virtual}
}

// fixed are networks that do not change.
func fixed(list ...attachment) *Networks {
	n := &Networks{log: slog.New(slog.DiscardHandler), list: func() ([]attachment, error) { return list, nil }, stale: func() bool { return false }}
	n.look()
	return n
}

// usual are the rules of the default configuration.
func usual() *Rules {
	return &Rules{Auto: true, MaxURL: 2048, MaxHeader: 16384, MaxBody: 4096, Connections: 2048, ConnectionsPerClient: 512}
}

func listed(cidrs ...string) *Rules {
	r := usual()
	r.Auto = false
	for _, c := range cidrs {
		r.Clients = append(r.Clients, netip.MustParsePrefix(c))
	}
	return r
}

func newGuard(rules *Rules) *Guard {
	g := New(fixed(home...), slog.New(slog.DiscardHandler), time.Now)
	g.Use(rules)
	return g
}

// secret is what nobody may get who is not let in.
const secret = "the credentials"

func vault(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) }

// request is one to the role's credentials from the machine itself, unless change says otherwise.
func request(change func(r *http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/latest/meta-data/iam/security-credentials/myrole", nil)
	r.Host, r.RemoteAddr = "127.0.0.1:5000", "127.0.0.1:40000"
	if change != nil {
		change(r)
	}
	return r
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

// TestRefusals has the text of each refusal, which names what is refused and the key that allows it.
func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, tt := range []struct {
		name   string
		rules  *Rules
		change func(*http.Request)
		status int
		text   string
	}{
		{
			"client", usual(), from("192.168.1.20:40000"), 403,
			"client 192.168.1.20 is not let in, for server.allow_clients is auto, which means this machine, its containers and its virtual machines; to let it in, list it and them there: 192.168.1.20/32",
		},
		{
			"client of IPv6", usual(), from("[2001:db8:1::20]:40000"), 403,
			"client 2001:db8:1::20 is not let in, for server.allow_clients is auto, which means this machine, its containers and its virtual machines; to let it in, list it and them there: 2001:db8:1::20/128",
		},
		{
			"client on the link", usual(), from("[fe80::20%eth0]:40000"), 403,
			"client fe80::20 is not let in, for server.allow_clients is auto, which means this machine, its containers and its virtual machines; to let it in, list it and them there: fe80::20/128",
		},
		{
			"client not in the list", listed("10.0.0.0/8"), from("[::ffff:192.168.1.20]:40000"), 403,
			"client 192.168.1.20 is not let in; to let it in, add it to server.allow_clients: 192.168.1.20/32",
		},
		{"no address", usual(), from("@"), 403, `the client's address "@" is none`},
		{
			"Host", usual(), host("evil.example:5000"), 403,
			`Host "evil.example:5000" is not let in, for it may be a web page's (DNS rebinding); to let it in, add the name to server.allow_hosts`,
		},
		{
			"long Host", usual(), host("evil." + long), 403,
			`Host "evil.` + long[:95] + `" is not let in, for it may be a web page's (DNS rebinding); to let it in, add the name to server.allow_hosts`,
		},
		{
			"Origin", usual(), header("Origin", "http://evil.example"), 403,
			`requests of web pages are not let in (Origin: "http://evil.example"); to let this page in, add its origin to server.allow_origins`,
		},
		{
			"Sec-Fetch-Site", usual(), header("Sec-Fetch-Site", "cross-site"), 403,
			`requests of web pages are not let in (Sec-Fetch-Site: "cross-site"); to let this page in, add its origin to server.allow_origins`,
		},
		{
			"Referer, without what may be secret in it", usual(), header("Referer", "http://user:secret@evil.example/secret?secret#secret"), 403,
			`requests of web pages are not let in (Referer: "http://evil.example"); to let this page in, add its origin to server.allow_origins`,
		},
		{
			"proxy", usual(), func(r *http.Request) {
				header("X-Forwarded-For", "10.0.0.1")(r)
				header("X-aws-ec2-metadata-token", "AQAEA")(r)
			}, 403,
			"session tokens are not given to proxies (X-Forwarded-For), as on EC2; to let them through, set server.allow_proxies: true",
		},
		{
			"URL", usual(), func(r *http.Request) { r.RequestURI = "/" + long }, 414,
			"the request's URL has 3001 bytes; server.limits.url_bytes allows 2048",
		},
		{
			"headers", usual(), header("A", long, long, long, long, long, long), 431,
			"the request's headers have 18052 bytes; server.limits.header_bytes allows 16384",
		},
		{
			"body", usual(), func(r *http.Request) { r.ContentLength = 1 << 30 }, 413,
			"the request's body has more than the 4096 bytes that server.limits.body_bytes allows",
		},
		{
			"broken body", usual(), func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), -1
			}, 400,
			"the request's body does not end as Transfer-Encoding: chunked has it",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard(tt.rules)
			rec := httptest.NewRecorder()
			g.Wrap(http.HandlerFunc(vault)).ServeHTTP(rec, request(tt.change))
			resp := rec.Result()
			defer func() { _ = resp.Body.Close() }()
			want := http.Header{
				"Server": {"EC2ws"}, "Connection": {"close"}, "Content-Type": {"text/plain"}, "Content-Length": {fmt.Sprint(len(tt.text) + 1)},
			}
			if resp.StatusCode != tt.status || rec.Body.String() != tt.text+"\n" {
				t.Errorf("%d %s\nwant %d %s", resp.StatusCode, rec.Body, tt.status, tt.text)
			}
			if diff := cmp.Diff(want, resp.Header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			sum := int64(0)
			for _, n := range g.Refused() {
				sum += n
			}
			if sum != 1 {
				t.Errorf("counted as %v", g.Refused())
			}
		})
	}
}

// TestEveryRequest asks each way there is: the rules do not depend on it.
func TestEveryRequest(t *testing.T) {
	h := newGuard(usual()).Wrap(http.HandlerFunc(vault))
	for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI", "get", "BREW"} {
		for _, path := range []string{"/", "*", "/status", "/latest/api/token", "//latest//api/token/", "/latest/meta-data/", "/nothing", "http://localhost/status"} {
			for name, change := range map[string]func(*http.Request){
				"client": from("192.168.1.20:40000"),
				"host":   host("evil.example"),
				"page":   header("Origin", "http://evil.example"),
			} {
				r := request(func(r *http.Request) { r.Method, r.RequestURI = method, path; r.URL.Path = path })
				change(r)
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				if rec.Code != http.StatusForbidden || strings.Contains(rec.Body.String(), secret) {
					t.Errorf("%s %s of a foreign %s: %d %s", method, path, name, rec.Code, rec.Body)
				}
			}
		}
	}
}

// TestOrder checks that who is not let in learns nothing of the other rules, and that no rule comes with a body unread.
func TestOrder(t *testing.T) {
	r := request(from("192.168.1.20:40000"))
	header("Origin", "http://evil.example")(r)
	host("evil.example")(r)
	r.ContentLength = -1
	r.Body = io.NopCloser(readFails{t})
	if no := newGuard(usual()).judge(r); no == nil || no.rule != "clients" {
		t.Errorf("refused by %v, want clients", no)
	}
	from("127.0.0.1:40000")(r)
	if no := newGuard(usual()).judge(r); no == nil || no.rule != "hosts" {
		t.Errorf("refused by %v, want hosts", no)
	}
	host("localhost")(r)
	if no := newGuard(usual()).judge(r); no == nil || no.rule != "origins" {
		t.Errorf("refused by %v, want origins", no)
	}
}

// readFails is a body that nobody should read.
type readFails struct{ t *testing.T }

func (r readFails) Read([]byte) (int, error) {
	r.t.Error("the body was read")
	return 0, io.EOF
}

// TestNobodyBeforeUse has no rules yet.
func TestNobodyBeforeUse(t *testing.T) {
	g := New(fixed(home...), slog.New(slog.DiscardHandler), time.Now)
	for _, a := range []string{"127.0.0.1:1", "172.17.0.2:1", "192.168.1.20:1"} {
		if g.judge(request(from(a))) == nil {
			t.Errorf("%s is let in", a)
		}
	}
}

// TestRulesChange swaps the rules to and fro while clients ask over connections that stay. Each answer is by one set of them.
func TestRulesChange(t *testing.T) {
	open, closed := usual(), usual()
	open.Origins = []string{"http://page.example"}
	closed.Connections, closed.ConnectionsPerClient = 1, 1
	g := newGuard(open)
	srv := httptest.NewUnstartedServer(g.Wrap(http.HandlerFunc(vault)))
	srv.Listener = g.Limit(srv.Listener)
	srv.Start()
	defer srv.Close()
	stop := make(chan struct{})
	var changing, asking sync.WaitGroup
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				g.Use([]*Rules{open, closed}[i%2])
				_ = g.Refused()
				g.networks.look()
			}
		}
	})
	for range 4 {
		asking.Go(func() {
			for range 200 {
				req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
				req.Header.Set("Origin", "http://page.example")
				resp, err := srv.Client().Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				letIn := resp.StatusCode == http.StatusOK && string(b) == secret
				refused := resp.StatusCode == http.StatusForbidden && !strings.Contains(string(b), secret)
				if err != nil || !letIn && !refused {
					t.Errorf("%s %q %v", resp.Status, b, err)
				}
			}
		})
	}
	asking.Wait()
	close(stop)
	changing.Wait()
}

// TestReloadCutsConnections keeps a connection over a change of the rules that shuts its client out.
func TestReloadCutsConnections(t *testing.T) {
	g := newGuard(listed("192.0.2.0/24"))
	// A client elsewhere, played by this machine.
	elsewhere := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = "192.0.2.7:1234"
			next.ServeHTTP(w, r)
		})
	}
	srv := httptest.NewServer(elsewhere(g.Wrap(http.HandlerFunc(vault))))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	ask := func() (int, string) {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode, string(b)
	}
	if code, body := ask(); code != 200 || body != secret {
		t.Fatalf("%d %s", code, body)
	}
	g.Use(listed("198.51.100.0/24"))
	if code, body := ask(); code != 403 || strings.Contains(body, secret) {
		t.Fatalf("after the change: %d %s", code, body)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays open: %v", err)
	}
}

// TestRefusedDoNotWait has a client that says that it sends a body, and does not: it is told all the same, and hung up on.
func TestRefusedDoNotWait(t *testing.T) {
	srv := httptest.NewServer(newGuard(usual()).Wrap(http.HandlerFunc(vault)))
	defer srv.Close()
	for _, length := range []string{"Content-Length: 4000", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // without this rule it takes for ever
		fmt.Fprint(conn, "PUT / HTTP/1.1\r\nHost: evil.example\r\n"+length+"\r\n\r\n")
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", length, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if _, err := in.ReadByte(); resp.StatusCode != 403 || err != io.EOF {
			t.Errorf("%s: %s, then %v", length, resp.Status, err)
		}
	}
}
