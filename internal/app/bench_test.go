package app

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
	"mock-ec2-metadata/test/bench"
)

// inProcess is a daemon with credentials, whose handler is called without net/http: guard, access log and routes.
type inProcess struct {
	*unserved
	token string
}

// newInProcess makes a daemon of a configuration, "" for the embedded default, which ends with the test. Its access log is
// formatted line by line and discarded. change changes its options.
func newInProcess(tb testing.TB, configuration string, change ...func(*Options)) *inProcess {
	tb.Helper()
	testutil.IsolateHome(tb)
	if configuration != "" {
		testutil.Write(tb, config.DefaultFile, configuration)
	}
	opt := options(load(tb, ""))
	lines := web.NewLineWriter(io.Discard, func(int) {})
	tb.Cleanup(lines.Close)
	opt.AccessLog = lines
	for _, c := range change {
		c(&opt)
	}
	u := newUnserved(tb, opt)
	u.begin(tb)
	u.Settle(tb.Context())
	return &inProcess{u, string(u.State().Target.Tokens.Issue(imds.MaxTokenTTL))}
}

// reused is one request and room for its answer, used again and again, so that only the handler allocates.
type reused struct {
	request *http.Request
	header  http.Header
	status  int
	body    []byte
}

func newReused(method, path string, header http.Header) *reused {
	r := &http.Request{
		Method: method, URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, Host: "127.0.0.1:5000", RemoteAddr: "127.0.0.1:40000", RequestURI: path,
	}
	// As the server has it for all requests of a connection.
	r = r.WithContext(web.WithConn(context.Background(), nil))
	return &reused{header: make(http.Header, 16), body: make([]byte, 0, 64<<10), request: r}
}

// Header, WriteHeader and Write make it the http.ResponseWriter of its own request.
func (e *reused) Header() http.Header    { return e.header }
func (e *reused) WriteHeader(status int) { e.status = status }
func (e *reused) Write(p []byte) (int, error) {
	e.body = append(e.body, p...)
	return len(p), nil
}

// do lets handler answer.
func (e *reused) do(handler http.Handler) {
	clear(e.header)
	e.status, e.body = 0, e.body[:0]
	handler.ServeHTTP(e, e.request)
}

// answered is a case that was answered once, and the bare handler that gives the same answer.
func (p *inProcess) answered(tb testing.TB, c bench.Case) (*reused, http.Handler) {
	e := newReused(c.Method, c.Path, c.Header(p.token))
	e.do(p.http)
	if e.status != http.StatusOK || len(e.body) == 0 {
		tb.Fatalf("%s: %d %q", c.Name, e.status, e.body)
	}
	return e, &bench.Answer{Status: e.status, Header: e.header.Clone(), Body: bytes.Clone(e.body)}
}

// measured is a case, and the daemon that it is for.
type measured struct {
	*inProcess
	bench.Case
}

// measuredCases are all requests of metadata, and those of containers and pods, to daemons with these changes of their options.
func measuredCases(tb testing.TB, change ...func(*Options)) []measured {
	tb.Helper()
	var all []measured
	p := newInProcess(tb, "", change...)
	for _, c := range bench.Cases() {
		all = append(all, measured{p, c})
	}
	p = newInProcess(tb, bench.ContainerConfig("mock: true", tb.TempDir(), "127.0.0.1:0"), change...)
	container, pod := bench.ContainerCases(p.id(tb, bench.ContainerRole), p.podToken(tb, bench.Namespace, bench.ServiceAccount, "web-1"))
	return append(all, measured{p, container}, measured{p, pod})
}

// ownAllocations is how many heap allocations a GET may take beyond those of a bare handler. Lower it, never raise it.
const ownAllocations = 0

// TestHandler_GetAllocatesNothing counts allocations: other load on the machine does not change them.
func TestHandler_GetAllocatesNothing(t *testing.T) {
	for _, m := range measuredCases(t) {
		e, bare := m.answered(t, m.Case)
		ours := testing.AllocsPerRun(1000, func() { e.do(m.http) })
		theirs := testing.AllocsPerRun(1000, func() { e.do(bare) })
		t.Logf("%s: %v allocations, a bare handler %v", m.What, ours, theirs)
		if m.Method == http.MethodGet && ours-theirs > ownAllocations+raceAllocations {
			t.Errorf("%s: %v allocations of our own, want at most %d", m.What, ours-theirs, ownAllocations)
		}
	}
}

// BenchmarkHandler compares our handler with a bare one that writes the same, without net/http.
func BenchmarkHandler(b *testing.B) {
	for _, m := range measuredCases(b) {
		e, bare := m.answered(b, m.Case)
		for _, bb := range []struct {
			name    string
			handler http.Handler
		}{{"bare", bare}, {"ours", m.http}} {
			b.Run(m.Name+"/"+bb.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					e.do(bb.handler)
				}
			})
		}
	}
}

// Answering returns what has the handler of a daemon with an Observer, nil for none, answer a request once more. It is for tests that
// import package metrics, which imports this one.
func Answering(tb testing.TB, c bench.Case, o Observer) func() {
	tb.Helper()
	p := newInProcess(tb, "", func(opt *Options) { opt.Observer = o })
	e, _ := p.answered(tb, c)
	return func() { e.do(p.http) }
}

// RaceAllocations are those that the race detector may add.
const RaceAllocations = raceAllocations
