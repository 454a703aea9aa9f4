package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// raw sends bytes as they are, and returns what comes back until the daemon closes the connection.
func (w *world) raw(t *testing.T, text string) string {
	t.Helper()
	c, err := w.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.WriteString(c, text) }()
	got, err := io.ReadAll(c)
	if err != nil && len(got) == 0 { // after an answer it may be a reset: the daemon has not read all
		t.Fatal(err)
	}
	return string(got)
}

// statuses are those of the answers in what raw returns.
func statuses(t *testing.T, text string) []int {
	t.Helper()
	var all []int
	for r := bufio.NewReader(strings.NewReader(text)); ; {
		resp, err := http.ReadResponse(r, nil)
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		all = append(all, resp.StatusCode)
	}
}

func TestGate_HostIsTheAddressAsAnIPLiteralOrLocalhost(t *testing.T) {
	for listen, hosts := range map[string]map[string]int{
		"127.0.0.1": {
			"127.0.0.1:P": 200, "localhost:P": 200, "LocalHost:P": 200,
			"127.0.0.1.:P": 403, "localhost.:P": 403, "[::1]:P": 403, "[::ffff:127.0.0.1]:P": 403, "127.1:P": 403, "2130706433:P": 403, "0x7f000001:P": 403,
			"127.0.0.01:P": 403, "127.0.0.1:0P": 403, "127.0.0.1:+P": 403, "127.0.0.1:P:P": 403, "127.0.0.1:": 403, "127.0.0.1:http": 403, "0.0.0.0:P": 403,
			"127.0.0.1.nip.io:P": 403, "localhost.rebind.example:P": 403, "xn--localhost-:P": 403,
			"127.0.0.1:P,rebind.example": 403, "[127.0.0.1]:P": 200, "[localhost]:P": 200, // no browser sends the last two
		},
		"[::1]": {"[::1]:P": 200, "localhost:P": 200, "[0:0:0:0:0:0:0:1]:P": 200, "::1:P": 403, "127.0.0.1:P": 403, "[::1%25lo]:P": 403, "[::]:P": 403, "[::1]": 403},
	} {
		w := newWorld(t, listen+":0", false)
		_, host := w.open(t)
		_, port, _ := net.SplitHostPort(host)
		if host != listen+":"+port {
			t.Errorf("the URL has %s", host)
		}
		for header, want := range hosts {
			if got := w.ask(t, host, "GET /", "Host: "+strings.ReplaceAll(header, "P", port)); got.status != want {
				t.Errorf("%s at %s: %d, want %d", header, listen, got.status, want)
			}
		}
	}
}

// TestGate_OddFetchMetadataIsForeign has what no browser sends, or only an old one.
func TestGate_OddFetchMetadataIsForeign(t *testing.T) {
	w := newWorld(t, Auto, false)
	bearer, host := w.session(t)
	for _, tt := range []struct {
		lines []string
		want  int
	}{
		{[]string{"GET /v1/status"}, 200}, // a program, or a browser of before 2023
		{[]string{"GET /v1/status", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"}, 200},
		{[]string{"GET /v1/status", "Sec-Fetch-Site:"}, 403},
		{[]string{"GET /v1/status", "Sec-Fetch-Site: SAME-ORIGIN"}, 403},
		{[]string{"GET /v1/status", "Sec-Fetch-Site: same-origin, cross-site"}, 403},
		{[]string{"GET /v1/status", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"}, 403},
		{[]string{"GET /v1/status", "Sec-Fetch-Site: unknown"}, 403},
		{[]string{"GET /", "Sec-Fetch-Site: same-site"}, 403},
		{[]string{"GET /", "Sec-Fetch-Site: cross-site"}, 403},
		{[]string{"GET /", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, 403},
		{[]string{"GET /", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document"}, 403},
		{[]string{"GET /", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: document"}, 403},
		{[]string{"GET /", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: object"}, 403},
		{[]string{"HEAD /", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 403},
		{[]string{"GET /main.js", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 403},
		{[]string{"GET /index.html", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 403},
		{[]string{"GET /", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Origin: null"}, 403},
	} {
		if got := w.ask(t, host, append(tt.lines, bearer)...); got.status != tt.want {
			t.Errorf("%q: %d, want %d", tt.lines, got.status, tt.want)
		}
	}
}

// TestGate_OddTargetsAndMethodsStayWithinTheAPI has a session, so that the gate passes what it allows at all. The API is the control
// socket's without /v1/console, see TestConsole_APIHasNoWayToOpenIt of package cli.
func TestGate_OddTargetsAndMethodsStayWithinTheAPI(t *testing.T) {
	w := newWorld(t, Auto, false)
	bearer, host := w.session(t)
	for _, tt := range []struct {
		first  string
		more   string // a header
		status int
		calls  string // what the API is asked
	}{
		{"GET //v1/state", "X: y", 200, "GET //v1/state\n"},
		{"GET /v1/../v1/state", "X: y", 200, "GET /v1/../v1/state\n"},
		{"GET /v1/%63onsole/session", "X: y", 405, ""}, // the path is decoded once
		{"GET /v1/%2563onsole/session", "X: y", 200, "GET /v1/%63onsole/session\n"},
		{"GET /v1/console/session/", "X: y", 200, "GET /v1/console/session/\n"},
		{"GET /static/index.html", "X: y", 200, "GET /static/index.html\n"}, // no file
		{"GET /..%2findex.html", "X: y", 200, "GET /../index.html\n"},
		{"GET http://" + host + "/v1/state", "X: y", 200, "GET /v1/state\n"},
		{"GET http://" + host, "X: y", 200, "GET \n"},
		{"GET http://rebind.example/v1/state", "Host: " + host, 403, ""},
		{"CONNECT " + host, "X: y", 415, ""},
		{"CONNECT " + host, jsonType, 200, "CONNECT \n"},
		{"CONNECT rebind.example:443", jsonType, 403, ""},
		{"TRACE /", "X: y", 405, ""},
		{"TRACE /v1/state", "X: y", 415, ""},
		{"get /v1/state", "X: y", 415, ""}, // methods have case
		{"POST /v1/reload", "X-HTTP-Method-Override: GET", 415, ""},
		{"GET /v1/stream", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://" + host, 0, "GET /v1/stream\n"},
		{"GET /v1/state", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 200, "GET /v1/state\n"},
	} {
		before := len(w.calls.String())
		got := reply{}
		if tt.status != 0 {
			got = w.ask(t, host, tt.first, tt.more, bearer)
		} else { // it has no end: the status is enough
			c, err := w.dial()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s\r\n\r\n", tt.first, host, tt.more, bearer)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != 200 {
				t.Errorf("%s: %s, want no change of the protocol", tt.first, resp.Status)
			}
			_ = c.Close()
			_ = resp.Body.Close()
		}
		if calls := w.calls.String()[before:]; got.status != tt.status || calls != tt.calls {
			t.Errorf("%s, %s: %d, the API is asked %q; want %d, %q", tt.first, tt.more, got.status, calls, tt.status, tt.calls)
		}
	}
}

// TestConnection_EachRequestIsCheckedByItself has several requests on a connection, and requests whose end two programs may see at
// different places.
func TestConnection_EachRequestIsCheckedByItself(t *testing.T) {
	w := newWorld(t, Auto, false)
	bearer, host := w.session(t)
	head := "Host: " + host + "\r\n"
	own, none := head+bearer+"\r\n", "GET /v1/state HTTP/1.1\r\n"+head+"Connection: close\r\n\r\n"
	for _, tt := range []struct {
		name, text string
		want       []int
	}{
		{"session, none", "GET /v1/state HTTP/1.1\r\n" + own + "\r\n" + none, []int{200, 401}},
		{"foreign page, own", "GET /v1/state HTTP/1.1\r\n" + own + "Origin: http://x\r\n\r\nGET /v1/state HTTP/1.1\r\n" + own + "Connection: close\r\n\r\n", []int{403, 200}},
		{"two lengths", "POST /v1/body HTTP/1.1\r\n" + own + jsonType + "\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} " + none, []int{400}},
		{"length and chunks", "POST /v1/body HTTP/1.1\r\n" + own + jsonType + "\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + none, []int{200, 401}},
		{"chunks by two names", "POST /v1/body HTTP/1.1\r\n" + own + jsonType + "\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + none, []int{501}},
		{"a space before the colon", "GET /v1/state HTTP/1.1\r\n" + head + strings.Replace(bearer, ":", " :", 1) + "\r\n\r\n" + none, []int{400}},
		{"a folded header", "GET /v1/state HTTP/1.1\r\n" + head + "X: y\r\n " + bearer + "\r\nConnection: close\r\n\r\n", []int{401}},
		{"a body where none is read", "GET /v1/state HTTP/1.1\r\n" + own + "Content-Length: " + fmt.Sprint(len(none)) + "\r\nConnection: close\r\n\r\n" + none, []int{200}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := w.raw(t, tt.text)
			if got := statuses(t, text); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v\n%s", got, tt.want, text)
			}
		})
	}
}

// TestMalformedRequests_EchoNothing has requests that net/http answers before any handler. These answers lack the headers of all others:
// they are short constant text, and no browser sends such a request but one that is too long.
func TestMalformedRequests_EchoNothing(t *testing.T) {
	w := newWorld(t, Auto, false)
	_, host := w.open(t)
	const hostile = "<b>hostile</b>"
	head := "GET / HTTP/1.1\r\nHost: " + host + "\r\n"
	for _, tt := range []struct{ text, want string }{
		{"GET /" + hostile + " HTTP/1.1\r\n\r\n", "400 Bad Request"},
		{head + hostile + ": x\r\n\r\n", "400 Bad Request"},
		{head + "X: \x00" + hostile + "\r\n\r\n", "400 Bad Request"},
		{head + "Host: " + hostile + "\r\n\r\n", "400 Bad Request"},
		{"GET / HTTP/1.1\r\nX: " + hostile + "\r\n\r\n", "400 Bad Request: missing required Host header"},
		{"GET / HTTP/1.1\r\nHost: " + hostile + "\"\r\n\r\n", "400 Bad Request: malformed Host header"},
		{"GET /" + strings.Repeat("x", 30<<10) + hostile + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "431 Request Header Fields Too Large"},
		{head + "Transfer-Encoding: " + hostile + "\r\n\r\n", "501 Not Implemented"},
		{head + "Expect: " + hostile + "\r\n\r\n", "417 Expectation Failed"},
		{"GET / HTTP/2.0\r\nHost: " + hostile + "\r\n\r\n", "505 HTTP Version Not Supported"},
	} {
		got := w.raw(t, tt.text)
		if !strings.HasPrefix(got, "HTTP/1.1 "+tt.want) || strings.Contains(got, "hostile") || !strings.Contains(got, "\r\nConnection: close") {
			t.Errorf("%s: %q", tt.want, got)
		}
		if strings.Contains(got, "Content-Type") && !strings.Contains(got, "Content-Type: text/plain; charset=utf-8\r\n") {
			t.Errorf("%s: %q", tt.want, got)
		}
	}
	if w.log.Contains("hostile") {
		t.Errorf("log: %s", w.log)
	}
}

// TestFiles_HaveNoParts has requests that http.ServeContent would answer by itself.
func TestFiles_HaveNoParts(t *testing.T) {
	w := newWorld(t, Auto, false)
	_, host := w.open(t)
	whole := w.ask(t, host, "GET /")
	for _, lines := range [][]string{{"Range: bytes=0-1"}, {"Range: bytes=0-1,3-4"}, {"Range: bytes=9999999-"}, {"Range: x"}, {"Range: bytes=0-1", "If-Range: " + whole.header.Get("ETag")}} {
		if got := w.ask(t, host, append([]string{"GET /"}, lines...)...); got.status != 200 || got.body != whole.body {
			t.Errorf("%q: %d", lines, got.status)
		}
	}
	if got := w.ask(t, host, "GET /", `If-Match: "x"`); got.status != 412 { // with all headers: ask checks them
		t.Errorf("If-Match: %d", got.status)
	}
}

// TestOpen_FixedPortIsFreeAgainAfterRevoke would fail if the listener were closed later.
func TestOpen_FixedPortIsFreeAgainAfterRevoke(t *testing.T) {
	w := newWorld(t, testutil.FreeAddr(t), false)
	for range 50 {
		w.open(t)
		w.Revoke(api.Peer{})
	}
}

func TestOpen_ChecksFirst(t *testing.T) {
	listened := false
	c := New(Options{
		Address: Auto, Check: func() error { return errors.New("server.console: not now") },
		Listen: func(string, string) (net.Listener, error) { listened = true; return nil, errors.New("listened") },
	})
	if _, err := c.Open(api.Peer{}); err == nil || err.Error() != "server.console: not now" || listened {
		t.Errorf("%v; listened: %v", err, listened)
	}
}

// TestOpen_IPv4AddressIsNotOpenedOnIPv6 has 0.0.0.0 above all: the network tcp would open [::], too.
func TestOpen_IPv4AddressIsNotOpenedOnIPv6(t *testing.T) {
	for address, want := range map[string]string{
		Auto: "tcp4 127.0.0.1:0", "0.0.0.0:5081": "tcp4 0.0.0.0:5081", "127.0.0.1:5081": "tcp4 127.0.0.1:5081", "[::1]:5081": "tcp [::1]:5081", "[::]:5081": "tcp [::]:5081",
	} {
		var got string
		c := New(Options{
			Address: address,
			Listen: func(network, address string) (net.Listener, error) {
				got = network + " " + address
				return nil, errors.New("not opened")
			},
		})
		if _, err := c.Open(api.Peer{}); err == nil || got != want {
			t.Errorf("%s: %v, opened %s, want %s", address, err, got, want)
		}
	}
}
