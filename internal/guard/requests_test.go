package guard

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"mock-ec2-metadata/internal/web"
)

func TestJudgeProxy_DeniesTokensToProxies(t *testing.T) {
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
		{name: "token", method: "PUT", path: "/latest/api/token", header: forwarded(nil), refused: true},
		{name: "token, path with slashes", method: "PUT", path: "//latest/api//token/", header: forwarded(nil), refused: true},
		{name: "token, empty header", method: "PUT", path: "/latest/api/token", header: http.Header{"X-Forwarded-For": {""}}, refused: true},
		{name: "token, two headers", method: "PUT", path: "/latest/api/token", header: http.Header{"X-Forwarded-For": {"", "10.0.0.1"}}, refused: true},
		{name: "request with a token", method: "GET", path: "/latest/meta-data/", header: forwarded(http.Header{token: {"AQAEA"}}), refused: true},
		{name: "request with an empty token", method: "GET", path: "/latest/meta-data/", header: forwarded(http.Header{token: {""}}), refused: true},
		{name: "request without a token", method: "GET", path: "/latest/meta-data/", header: forwarded(nil)},
		{name: "other path", method: "PUT", path: "/2021-07-15/api/token", header: forwarded(nil)}, // package imds denies it
		{name: "no proxy", method: "PUT", path: "/latest/api/token", header: http.Header{}},
		{name: "other headers of proxies", method: "PUT", path: "/latest/api/token", header: http.Header{"Via": {"1.1 x"}, "Forwarded": {"for=x"}, "X-Real-Ip": {"x"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(func(r *http.Request) { r.Method, r.URL.Path, r.Header = tt.method, tt.path, tt.header })
			web.CleanPath(http.HandlerFunc(func(_ http.ResponseWriter, clean *http.Request) { r = clean })).ServeHTTP(httptest.NewRecorder(), r)
			h := headersOf(r)
			if denied := judgeProxy(defaultRules(), r, &h); denied != nil != tt.refused {
				t.Errorf("refused: %v", denied)
			}
			proxies := defaultRules()
			proxies.Proxies = true
			if denied := judgeProxy(proxies, r, &h); denied != nil {
				t.Errorf("refused although proxies are allowed: %v", denied)
			}
		})
	}
}

func TestJudgeSize_AllowsUpToLimit(t *testing.T) {
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
		{"short request", nil, 0},
		{"longest allowed URL", func(r *http.Request) { r.RequestURI = strings.Repeat("a", 300) }, 0},
		{"URL one byte longer", func(r *http.Request) { r.RequestURI = strings.Repeat("a", 301) }, 414},
		{"most headers allowed", header("A", strings.Repeat("x", 1024-others-len("A: \r\n"))), 0},
		{"one byte of headers more", header("A", strings.Repeat("x", 1025-others-len("A: \r\n"))), 431},
		{"headers without values", header("A", make([]string, 202)...), 431},
		{"Host counts", host(strings.Repeat("a", 1017)), 431},
		{"longest allowed body", body("0123456789", 10), 0},
		{"body one byte longer, not read", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(unreadable{t}), 11 }, 413},
		{"body of known size, not read", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(unreadable{t}), 10 }, 0},
		{"longest allowed chunked body", body("0123456789", -1), 0},
		{"chunked body one byte longer", body("0123456789a", -1), 413},
		{"broken chunked body", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), -1
		}, 400},
		{"endless chunked body", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(endless{}), -1 }, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status := 0
			r := request(tt.change)
			h := headersOf(r)
			if denied := judgeSize(rules, r, &h); denied != nil {
				status = denied.status
			}
			if status != tt.status {
				t.Errorf("got %d, want %d", status, tt.status)
			}
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestWrap_LimitsChunkedBodies sends bodies with and without Expect: 100-continue, which curl uses.
func TestWrap_LimitsChunkedBodies(t *testing.T) {
	srv := httptest.NewServer(newGuard(defaultRules()).Wrap(http.HandlerFunc(serveSecret)))
	defer srv.Close()
	for _, tt := range []struct{ size, want int }{
		{0, 200},
		{4096, 200},
		{4097, 413},
		{1 << 20, 413},
	} {
		for _, expect := range []string{"", "100-continue"} {
			t.Run(fmt.Sprintf("%d bytes, Expect %q", tt.size, expect), func(t *testing.T) {
				body := struct{ io.Reader }{strings.NewReader(strings.Repeat("x", tt.size))} // hides the size
				req, err := http.NewRequest(http.MethodPut, srv.URL, body)
				if err != nil {
					t.Fatal(err)
				}
				if expect != "" {
					req.Header.Set("Expect", expect)
				}
				resp, err := srv.Client().Do(req)
				if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "write" && tt.size > 1<<16 {
					return // Go's client may fail to write before it reads the answer
				}
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != tt.want {
					t.Errorf("%s, want %d", resp.Status, tt.want)
				}
			})
		}
	}
}
