package console

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

func TestOpen_NothingListensBefore(t *testing.T) {
	address := testutil.FreeAddr(t)
	w := newWorld(t, address, false)
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("it listens before it is opened")
	}
	if _, host := w.open(t); host != address {
		t.Errorf("at %s, want %s", host, address)
	}
	if got := w.ask(t, address, "GET /"); got.status != 200 {
		t.Errorf("GET /: %d", got.status)
	}
	w.Close()
	w.wantClosed(t)
	if _, err := w.Open(api.Peer{}); err == nil || err.Error() != "the daemon is stopping" {
		t.Errorf("after Close: %v", err)
	}
}

func TestOpen_PortInUseIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	want := "server.console: " + l.Addr().String() + " is in use; stop what uses it, or choose another port"
	if _, err := newWorld(t, l.Addr().String(), false).Open(api.Peer{}); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestGate_ChecksEachRequest(t *testing.T) {
	w := newWorld(t, Auto, false)
	bearer, host := w.session(t)
	_, port, _ := net.SplitHostPort(host)
	const (
		change   = "POST /v1/reload"
		body     = jsonType + "\r\n\r\n{}"
		foreign  = "the Host header is not this address; use the URL that mock-ec2-metadata console prints"
		proxy    = "requests through a proxy are not allowed; connect directly"
		page     = "requests of other web pages are not allowed"
		none     = "there is no such session, or it has ended; run mock-ec2-metadata console"
		notJSON  = "send Content-Type: application/json"
		navigate = "Sec-Fetch-Mode: navigate"
		document = "Sec-Fetch-Dest: document"
	)
	for _, tt := range []struct {
		name   string
		lines  []string
		status int
		want   string
	}{
		{"no session", []string{change, body}, 401, none},
		{"wrong session", []string{change, "Authorization: Bearer x", body}, 401, none},
		{"beginning of it", []string{change, bearer[:len(bearer)-1], body}, 401, none},
		{"more than it", []string{change, bearer + "0", body}, 401, none},
		{"empty session", []string{change, "Authorization: Bearer ", body}, 401, none},
		{"basic", []string{change, strings.Replace(bearer, "Bearer", "Basic", 1), body}, 401, none},
		{"two", []string{change, bearer, bearer, body}, 401, none},
		{"session in a cookie", []string{change, "Cookie: session=" + bearer[22:], body}, 401, none},
		{"session in the query", []string{"GET /v1/status?token=" + bearer[22:]}, 401, none},
		{"unknown path", []string{"GET /latest/meta-data/"}, 401, none},
		{"path that leads to a file", []string{"GET /../index.html"}, 401, none},
		{"opening without a session", []string{"POST /v1/console", body}, 401, none},
		{"OPTIONS", []string{"OPTIONS *"}, 401, none},
		{"logout without a session", []string{"DELETE /v1/console/session"}, 401, none},
		{"form", []string{change, bearer, "Content-Type: text/plain\r\n\r\n{}"}, 415, notJSON},
		{"no type", []string{change, bearer + "\r\n\r\n{}"}, 415, notJSON},
		{"no body", []string{change, bearer}, 415, notJSON},
		{"PUT of a form", []string{"PUT /v1/events/a", bearer, "Content-Type: application/x-www-form-urlencoded\r\n\r\na=b"}, 415, notJSON},
		{"DELETE with text", []string{"DELETE /v1/events/a", bearer, "Content-Type: text/plain\r\n\r\nx"}, 415, notJSON},
		{"login by a form", []string{"POST /v1/console/session", "Content-Type: text/plain\r\n\r\n{}"}, 415, notJSON},
		{"login without JSON", []string{"POST /v1/console/session", jsonType + "\r\n\r\nx"}, 422, `the body is not {"code": "..."}`},
		{"login with more", []string{"POST /v1/console/session", jsonType + "\r\n\r\n" + `{"code": "", "x": 1}`}, 422, `the body is not {"code": "..."}`},
		{"login with two documents", []string{"POST /v1/console/session", jsonType + "\r\n\r\n" + `{"code": ""} {}`}, 422, `the body is not {"code": "..."}`},
		{"long login", []string{"POST /v1/console/session", jsonType + "\r\n\r\n" + `{"code": "` + strings.Repeat("x", 2000) + `"}`}, 422, `the body is not {"code": "..."}`},
		{"login with nothing", []string{"POST /v1/console/session", jsonType + "\r\n\r\n{}"}, 403, "this code is not valid, it works once within 60 seconds; run mock-ec2-metadata console for a new one"},
		{"session path by GET", []string{"GET /v1/console/session", bearer}, 405, "Method Not Allowed"},
		{"file by POST", []string{"POST /", body}, 405, "Method Not Allowed"},
		{"X-Forwarded-For", []string{change, bearer, "X-Forwarded-For: 127.0.0.1", body}, 403, proxy},
		{"file through a proxy", []string{"GET /", "Via: 1.1 x"}, 403, proxy},
		{"empty Forwarded", []string{"GET /", "Forwarded:"}, 403, proxy},
		{"foreign Host", []string{change, bearer, "Host: rebind.example:" + port, body}, 403, foreign},
		{"file of a foreign Host", []string{"GET /", "Host: rebind.example:" + port}, 403, foreign},
		{"Host that ends like ours", []string{"GET /", "Host: x.localhost:" + port}, 403, foreign},
		{"another loopback address", []string{"GET /", "Host: 127.0.0.2:" + port}, 403, foreign},
		{"another port", []string{"GET /", "Host: 127.0.0.1:1"}, 403, foreign},
		{"no port", []string{"GET /", "Host: 127.0.0.1"}, 403, foreign},
		{"empty Host", []string{"GET /", "Host: "}, 403, foreign},
		{"foreign URL", []string{"GET http://rebind.example/"}, 403, foreign},
		{"foreign Origin", []string{change, bearer, "Origin: http://localhost:3000", body}, 403, page},
		{"Origin of another port", []string{change, bearer, "Origin: http://127.0.0.1:1", body}, 403, page},
		{"Origin of another name of ours", []string{change, bearer, "Origin: http://localhost:" + port, body}, 403, page},
		{"null Origin", []string{change, bearer, "Origin: null", body}, 403, page},
		{"empty Origin", []string{change, bearer, "Origin:", body}, 403, page},
		{"two Origins", []string{change, bearer, "Origin: http://" + host, "Origin: null", body}, 403, page},
		{"preflight", []string{"OPTIONS /v1/reload", "Origin: http://x", "Access-Control-Request-Method: POST"}, 403, page},
		{"login of a foreign page", []string{"POST /v1/console/session", "Origin: http://x", body}, 403, page},
		{"cross-site", []string{change, bearer, "Sec-Fetch-Site: cross-site", body}, 403, page},
		{"another port of this machine", []string{"GET /v1/status", bearer, "Sec-Fetch-Site: same-site"}, 403, page},
		{"script of a foreign page", []string{"GET /favicon.svg", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, 403, page},
		{"frame of a foreign page", []string{"GET /", "Sec-Fetch-Site: cross-site", navigate, "Sec-Fetch-Dest: iframe"}, 403, page},
		{"form of a foreign page", []string{"POST /", "Sec-Fetch-Site: cross-site", navigate, document, body}, 403, page},
		{"link to the API", []string{"GET /v1/status", bearer, "Sec-Fetch-Site: cross-site", navigate, document}, 403, page},
		{"WebSocket", []string{"GET /v1/stream", "Origin: http://x", "Upgrade: websocket", "Sec-WebSocket-Version: 13"}, 403, page},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := w.ask(t, host, tt.lines...)
			if want := fmt.Sprintf("{\n  \"error\": %s\n}\n", quoted(tt.want)); got.status != tt.status || got.body != want {
				t.Errorf("%d %s, want %d %s", got.status, got.body, tt.status, want)
			}
			if challenge := got.header.Get("WWW-Authenticate"); (challenge == "Bearer") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
	if w.calls.String() != "" {
		t.Errorf("the API was asked: %s", w.calls)
	}
	for _, lines := range [][]string{
		{"GET /v1/status", bearer},
		{"GET /v1/status", strings.Replace(bearer, "Bearer", "bearer", 1), "Host: LOCALHOST:" + port, "Origin: http://localhost:" + port},
		{change, bearer, "Origin: http://" + host, "Sec-Fetch-Site: same-origin", body},
		{"DELETE /v1/events/a", bearer},
		{"GET /", "Sec-Fetch-Site: cross-site", navigate, document},
		{"GET /", "Sec-Fetch-Site: none"},
		{"HEAD /index.html"},
	} {
		if got := w.ask(t, host, lines...); got.status != 200 {
			t.Errorf("%q: %d %s", lines[0], got.status, got.body)
		}
	}
}

// quoted is a text as encoding/json has it.
func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func TestGate_AllInterfacesHaveTheirAddresses(t *testing.T) {
	w := newWorld(t, "0.0.0.0:0", false) // any port: a free one of 127.0.0.1 may not be free on all interfaces
	_, host := w.open(t)
	name, port, _ := net.SplitHostPort(host)
	if name != "127.0.0.1" {
		t.Errorf("the URL has %s", host)
	}
	for _, name := range []string{"127.0.0.1", "[::1]", "localhost", "127.0.0.9"} {
		if got := w.ask(t, name+":"+port, "GET /"); got.status != 200 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	for _, name := range []string{"0.0.0.0", "192.0.2.1", "rebind.example"} {
		if got := w.ask(t, name+":"+port, "GET /"); got.status != 403 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}

// TestGate_AddressOfTheMachineIsTheOneThatIsAsked is a container, whose host asks by the address in Docker's network.
func TestGate_AddressOfTheMachineIsTheOneThatIsAsked(t *testing.T) {
	g := &gate{port: &port{at: netip.MustParseAddrPort("0.0.0.0:5081")}}
	for _, tt := range []struct {
		host  string
		asked net.IP
		want  bool
	}{
		{"172.17.0.2:5081", net.IPv4(172, 17, 0, 2), true}, // in 16 bytes, as Go has it
		{"172.17.0.3:5081", net.IPv4(172, 17, 0, 2), false},
		{"172.17.0.2:5000", net.IPv4(172, 17, 0, 2), false},
		{"[fd00::2]:5081", net.ParseIP("fd00::2"), true},
		{"172.17.0.2:5081", nil, false},
	} {
		r := &http.Request{Host: tt.host}
		if tt.asked != nil {
			r = r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: tt.asked, Port: 5081}))
		}
		if got := g.isOwnHost(r); got != tt.want {
			t.Errorf("%s at %s: %v", tt.host, tt.asked, got)
		}
	}
}

func TestFiles_HaveTypesAndTags(t *testing.T) {
	w := newWorld(t, Auto, false)
	_, host := w.open(t)
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/favicon.svg": "image/svg+xml"} {
		got := w.ask(t, host, "GET "+path)
		if got.status != 200 || got.header.Get("Content-Type") != kind || got.body == "" || got.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q", path, got.status, got.header.Get("Content-Type"))
		}
		if again := w.ask(t, host, "GET "+path, "If-None-Match: "+got.header.Get("ETag")); again.status != 304 {
			t.Errorf("%s again: %d", path, again.status)
		}
	}
}

func TestClose_GivesAllBack(t *testing.T) {
	files := func() int { all, _ := os.ReadDir("/proc/self/fd"); return len(all) }
	once := func() {
		w := newWorld(t, Auto, false)
		bearer, host := w.session(t)
		for range 20 {
			w.wantStatus(t, host, bearer, 200)
		}
		w.Revoke(api.Peer{UID: 7})
		w.session(t)
		w.Close()
		w.Close()
	}
	once()
	goroutines, opened := runtime.NumGoroutine(), files()
	for range 5 {
		once()
	}
	testutil.Eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	testutil.Eventually(t, "descriptors are closed", func() bool { return files() <= opened })
}
