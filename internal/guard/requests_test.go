package guard

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// TestProxies has the real service's rule: session tokens are neither given nor taken where something is in between.
func TestProxies(t *testing.T) {
	const token = "X-Aws-Ec2-Metadata-Token"
	forwarded := func(more http.Header) http.Header {
		h := http.Header{"X-Forwarded-For": {"10.0.0.1"}}
		maps.Copy(h, more)
		return h
	}
	for _, tt := range []struct {
		name    string
		method  string
		path    string
		header  http.Header
		refused bool
	}{
		{"token", "PUT", "/latest/api/token", forwarded(nil), true},
		{"token, path with slashes", "PUT", "//latest/api//token/", forwarded(nil), true},
		{"token, empty header", "PUT", "/latest/api/token", http.Header{"X-Forwarded-For": {""}}, true},
		{"token, two headers", "PUT", "/latest/api/token", http.Header{"X-Forwarded-For": {"", "10.0.0.1"}}, true},
		{"request with a token", "GET", "/latest/meta-data/", forwarded(http.Header{token: {"AQAEA"}}), true},
		{"request with an empty token", "GET", "/latest/meta-data/", forwarded(http.Header{token: {""}}), true},
		{"request without", "GET", "/latest/meta-data/", forwarded(nil), false},
		{"other path", "PUT", "/2021-07-15/api/token", forwarded(nil), false}, // refused for the version, later
		{"not forwarded", "PUT", "/latest/api/token", http.Header{}, false},
		{"forwarded otherwise", "PUT", "/latest/api/token", http.Header{"Via": {"1.1 x"}, "Forwarded": {"for=x"}, "X-Real-Ip": {"x"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(func(r *http.Request) { r.Method, r.URL.Path, r.Header = tt.method, tt.path, tt.header })
			h := headersOf(r)
			if no := judgeProxy(usual(), r, &h); no != nil != tt.refused {
				t.Errorf("refused: %v", no)
			}
			proxies := usual()
			proxies.Proxies = true
			if no := judgeProxy(proxies, r, &h); no != nil {
				t.Errorf("refused though proxies are let in: %v", no)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	rules := &Rules{MaxURL: 300, MaxHeader: 1024, MaxBody: 10}
	body := func(text string, length int64) func(*http.Request) {
		return func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), length }
	}
	const others = len("Host: 127.0.0.1:5000\r\n")
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"nothing", nil, 0},
		{"longest URL", func(r *http.Request) { r.RequestURI = strings.Repeat("a", 300) }, 0},
		{"longer URL", func(r *http.Request) { r.RequestURI = strings.Repeat("a", 301) }, 414},
		{"most headers", header("A", strings.Repeat("x", 1024-others-len("A: \r\n"))), 0},
		{"more headers", header("A", strings.Repeat("x", 1025-others-len("A: \r\n"))), 431},
		{"headers without values", header("A", make([]string, 202)...), 431},
		{"Host counts", host(strings.Repeat("a", 1017)), 431},
		{"longest body", body("0123456789", 10), 0},
		{"longer body, unread", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(readFails{t}), 11 }, 413},
		{"body of a size that is no problem, unread", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(readFails{t}), 10 }, 0},
		{"longest chunked body", body("0123456789", -1), 0},
		{"longer chunked body", body("0123456789a", -1), 413},
		{"broken chunked body", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), -1
		}, 400},
		{"endless chunked body", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(endless{}), -1 }, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status := 0
			r := request(tt.change)
			h := headersOf(r)
			if no := judgeSize(rules, r, &h); no != nil {
				status = no.status
			}
			if status != tt.status {
				t.Errorf("got %d, want %d", status, tt.status)
			}
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestChunkedBody sends bodies whose length nobody says before, as curl does with Expect: 100-continue.
func TestChunkedBody(t *testing.T) {
	srv := httptest.NewServer(newGuard(usual()).Wrap(http.HandlerFunc(vault)))
	defer srv.Close()
	for size, want := range map[int]int{0: 200, 4096: 200, 4097: 413, 1 << 20: 413} {
		for _, expect := range []string{"", "100-continue"} {
			req, err := http.NewRequest(http.MethodPut, srv.URL, struct{ io.Reader }{strings.NewReader(strings.Repeat("x", size))})
			if err != nil {
				t.Fatal(err)
			}
			if expect != "" {
				req.Header.Set("Expect", expect)
			}
			resp, err := srv.Client().Do(req)
			if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "write" && size > 1<<16 {
				continue // Go's client gives up where it is stopped, and may do so before it reads why
			}
			if err != nil {
				t.Errorf("%d bytes: %v", size, err)
				continue
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%d bytes, Expect %q: %s, want %d", size, expect, resp.Status, want)
			}
		}
	}
}
