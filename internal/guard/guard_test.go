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

// testNetworks are those of a machine with a network card, Docker's bridge and a VPN.
var testNetworks = []attachment{
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

// fixedNetworks returns networks that do not change.
func fixedNetworks(list ...attachment) *Networks {
	n := &Networks{log: slog.New(slog.DiscardHandler), list: func() ([]attachment, error) { return list, nil }, stale: func() bool { return false }}
	n.refresh()
	return n
}

// defaultRules returns the rules of the default configuration.
func defaultRules() *Rules {
	return &Rules{Auto: true, MaxURL: 2048, MaxHeader: 16384, MaxBody: 4096, Connections: 2048, ConnectionsPerClient: 512}
}

func allowClients(cidrs ...string) *Rules {
	r := defaultRules()
	r.Auto = false
	for _, c := range cidrs {
		r.Clients = append(r.Clients, netip.MustParsePrefix(c))
	}
	return r
}

func newGuard(rules *Rules) *Guard {
	g := New(fixedNetworks(testNetworks...), slog.New(slog.DiscardHandler), time.Now)
	g.Use(rules)
	return g
}

// secret is what refused clients must not get.
const secret = "the credentials"

func serveSecret(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) }

// request asks for the role's credentials from this machine; change may alter it.
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

// refusalTest is a request with its whole refusal.
type refusalTest struct {
	name   string
	change func(*http.Request)
	status int // 0: 403
	text   string
}

func runRefusals(t *testing.T, rules *Rules, tests []refusalTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard(rules)
			rec := httptest.NewRecorder()
			g.Wrap(http.HandlerFunc(serveSecret)).ServeHTTP(rec, request(tt.change))
			resp := rec.Result()
			defer func() { _ = resp.Body.Close() }()
			wantHeader := http.Header{
				"Server": {"EC2ws"}, "Connection": {"close"}, "Content-Type": {"text/plain"}, "Content-Length": {fmt.Sprint(len(tt.text) + 1)},
			}
			wantStatus := tt.status
			if wantStatus == 0 {
				wantStatus = http.StatusForbidden
			}
			if resp.StatusCode != wantStatus || rec.Body.String() != tt.text+"\n" {
				t.Errorf("%d %s\nwant %d %s", resp.StatusCode, rec.Body, wantStatus, tt.text)
			}
			if diff := cmp.Diff(wantHeader, resp.Header); diff != "" {
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

func TestWrap_RefusedClientIsToldAutoIsReplaced(t *testing.T) {
	const reason = " is not allowed: server.allow_clients is auto, which allows this machine, its containers and its virtual machines; " +
		"list their networks and the client in server.allow_clients: "
	runRefusals(t, defaultRules(), []refusalTest{
		{name: "IPv4", change: from("192.168.1.20:40000"), text: "client 192.168.1.20" + reason + "192.168.1.20/32"},
		{name: "IPv6", change: from("[2001:db8:1::20]:40000"), text: "client 2001:db8:1::20" + reason + "2001:db8:1::20/128"},
		{name: "link-local", change: from("[fe80::20%eth0]:40000"), text: "client fe80::20" + reason + "fe80::20/128"},
		{name: "no address", change: from("@"), text: `client address "@" is not valid`},
	})
}

func TestWrap_RefusedClientIsToldWhatToAdd(t *testing.T) {
	runRefusals(t, allowClients("10.0.0.0/8"), []refusalTest{{
		name: "mapped IPv4", change: from("[::ffff:192.168.1.20]:40000"),
		text: "client 192.168.1.20 is not allowed; add it to server.allow_clients: 192.168.1.20/32",
	}})
}

func TestWrap_RefusalNamesHost(t *testing.T) {
	long := strings.Repeat("x", 3000)
	const reason = " is not allowed: it may be a web page's (DNS rebinding); add the name to server.allow_hosts"
	runRefusals(t, defaultRules(), []refusalTest{
		{name: "with port", change: host("evil.example:5000"), text: `Host "evil.example:5000"` + reason},
		{name: "long", change: host("evil." + long), text: `Host "evil.` + long[:95] + `"` + reason},
	})
}

func TestWrap_RefusalNamesOriginOfPage(t *testing.T) {
	page := func(header string) string {
		return "requests of web pages are not allowed (" + header + "); to allow this page, add its origin to server.allow_origins"
	}
	runRefusals(t, defaultRules(), []refusalTest{
		{name: "Origin", change: header("Origin", "http://evil.example"), text: page(`Origin: "http://evil.example"`)},
		{name: "Sec-Fetch-Site", change: header("Sec-Fetch-Site", "cross-site"), text: page(`Sec-Fetch-Site: "cross-site"`)},
		{
			name:   "Referer, without its secret parts",
			change: header("Referer", "http://user:secret@evil.example/secret?secret#secret"),
			text:   page(`Referer: "http://evil.example"`),
		},
	})
}

func TestWrap_RefusalNamesProxyHeader(t *testing.T) {
	runRefusals(t, defaultRules(), []refusalTest{{
		name: "token",
		change: func(r *http.Request) {
			header("X-Forwarded-For", "10.0.0.1")(r)
			header("X-aws-ec2-metadata-token", "AQAEA")(r)
		},
		text: "session tokens are denied to proxies (X-Forwarded-For), as on EC2; to allow them, set server.allow_proxies: true",
	}})
}

func TestWrap_RefusalNamesSizeLimit(t *testing.T) {
	long := strings.Repeat("x", 3000)
	runRefusals(t, defaultRules(), []refusalTest{
		{
			name: "URL", change: func(r *http.Request) { r.RequestURI = "/" + long },
			status: 414, text: "the request's URL has 3001 bytes; server.limits.url_bytes allows 2048",
		},
		{
			name: "headers", change: header("A", long, long, long, long, long, long),
			status: 431, text: "the request's headers have 18052 bytes; server.limits.header_bytes allows 16384",
		},
		{
			name: "body", change: func(r *http.Request) { r.ContentLength = 1 << 30 },
			status: 413, text: "the request's body has more than the 4096 bytes that server.limits.body_bytes allows",
		},
		{
			name: "broken body",
			change: func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), -1
			},
			status: 400, text: "the request's body is not valid for Transfer-Encoding: chunked",
		},
	})
}

func TestWrap_RefusesAnyMethodAndPath(t *testing.T) {
	h := newGuard(defaultRules()).Wrap(http.HandlerFunc(serveSecret))
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
					t.Errorf("%s %s, refused by %s: %d %s", method, path, name, rec.Code, rec.Body)
				}
			}
		}
	}
}

func TestJudge_AppliesCheapRulesFirstAndReadsNoBody(t *testing.T) {
	steps := []struct {
		change func(*http.Request) // in addition to the steps before
		want   string              // the rule that refuses then
	}{
		{from("192.168.1.20:40000"), "clients"},
		{from("127.0.0.1:40000"), "hosts"},
		{host("localhost"), "origins"},
	}
	r := request(host("evil.example"))
	header("Origin", "http://evil.example")(r)
	r.ContentLength = -1
	r.Body = io.NopCloser(unreadable{t})
	for _, step := range steps {
		step.change(r)
		if denied := newGuard(defaultRules()).judge(r, nil); denied == nil || denied.rule != step.want {
			t.Errorf("refused by %v, want %s", denied, step.want)
		}
	}
}

// unreadable is a body that must not be read.
type unreadable struct{ t *testing.T }

func (r unreadable) Read([]byte) (int, error) {
	r.t.Error("the body was read")
	return 0, io.EOF
}

func TestJudge_RefusesAllBeforeUse(t *testing.T) {
	g := New(fixedNetworks(testNetworks...), slog.New(slog.DiscardHandler), time.Now)
	for _, a := range []string{"127.0.0.1:1", "172.17.0.2:1", "192.168.1.20:1"} {
		if g.judge(request(from(a)), nil) == nil {
			t.Errorf("%s is allowed", a)
		}
	}
}

// TestUse_AnswersFollowOneSetOfRules swaps the rules while clients send requests over kept connections.
func TestUse_AnswersFollowOneSetOfRules(t *testing.T) {
	allowing, refusing := defaultRules(), defaultRules()
	allowing.Origins = []string{"http://page.example"}
	refusing.Connections, refusing.ConnectionsPerClient = 1, 1
	g := newGuard(allowing)
	srv := httptest.NewUnstartedServer(g.Wrap(http.HandlerFunc(serveSecret)))
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
				g.Use([]*Rules{allowing, refusing}[i%2])
				_ = g.Refused()
				g.networks.refresh()
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
				allowed := resp.StatusCode == http.StatusOK && string(b) == secret
				refused := resp.StatusCode == http.StatusForbidden && !strings.Contains(string(b), secret)
				if err != nil || !allowed && !refused {
					t.Errorf("%s %q %v", resp.Status, b, err)
				}
			}
		})
	}
	asking.Wait()
	close(stop)
	changing.Wait()
}

func TestUse_RefusesClientOnOpenConnection(t *testing.T) {
	g := newGuard(allowClients("192.0.2.0/24"))
	fromOtherHost := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = "192.0.2.7:1234"
			next.ServeHTTP(w, r)
		})
	}
	srv := httptest.NewServer(fromOtherHost(g.Wrap(http.HandlerFunc(serveSecret))))
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
	g.Use(allowClients("198.51.100.0/24"))
	if code, body := ask(); code != 403 || strings.Contains(body, secret) {
		t.Fatalf("after the change: %d %s", code, body)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays open: %v", err)
	}
}

// TestWrap_RefusalDoesNotWaitForBody has a client that announces a body and sends none.
func TestWrap_RefusalDoesNotWaitForBody(t *testing.T) {
	srv := httptest.NewServer(newGuard(defaultRules()).Wrap(http.HandlerFunc(serveSecret)))
	defer srv.Close()
	for _, length := range []string{"Content-Length: 4000", "Transfer-Encoding: chunked"} {
		t.Run(length, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // a guard that waits never answers
			fmt.Fprint(conn, "PUT / HTTP/1.1\r\nHost: evil.example\r\n"+length+"\r\n\r\n")
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if _, err := in.ReadByte(); resp.StatusCode != 403 || err != io.EOF {
				t.Errorf("%s, then %v", resp.Status, err)
			}
		})
	}
}
