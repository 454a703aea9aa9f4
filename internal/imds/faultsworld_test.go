package imds

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/server"
	"mock-ec2-metadata/internal/testutil"
)

const (
	rolePath     = "/latest/meta-data/iam/security-credentials/myrole"
	extendedPath = "/latest/meta-data/iam/security-credentials-extended/myrole"
	idPath       = "/latest/meta-data/instance-id"
	instanceID   = "i-0123456789abcdef0"
)

// newRule compiles a fault.
func newRule(t *testing.T, spec config.Fault) *fault.Rule {
	t.Helper()
	rule, err := fault.New("f1", spec, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

// faulty returns a target with one fault.
func faulty(t *testing.T, spec config.Fault) (*Target, *fault.Rule) {
	t.Helper()
	target, rule := newTarget(), newRule(t, spec)
	target.Faults = (*fault.Set)(nil).With(rule, &fault.Waiting{})
	return target, rule
}

// serveTCP serves a target by the daemon's own server. stop begins to stop it; stopped is closed once it has.
func serveTCP(t *testing.T, target *Target) (addr string, stop func(), stopped <-chan struct{}) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv, err := server.Listen(t.Context(), log, []string{"127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ctx, newRouter(&selector{target: target}, never))
	}()
	t.Cleanup(func() { stop(); <-done })
	return srv.Addrs()[0].String(), stop, done
}

// client is a connection that sends requests by hand.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t, conn, bufio.NewReader(conn)}
}

// send sends a request such as "GET /latest/meta-data/mac\nHeader: value", or with an empty line and a body.
func (c *client) send(request string) {
	head, body, _ := strings.Cut(request, "\n\n")
	line, fields, _ := strings.Cut(head, "\n")
	if fields != "" {
		fields = strings.ReplaceAll(fields, "\n", "\r\n") + "\r\n"
	}
	fmt.Fprintf(c.conn, "%s HTTP/1.1\r\nHost: 169.254.169.254\r\n%s\r\n%s", line, fields, body)
}

// reply is an answer but for its body.
type reply struct {
	Status        string
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

// ask sends a request and reads its whole answer. err is that of the body.
func (c *client) ask(request string) (r reply, body string, err error) {
	c.t.Helper()
	c.send(request)
	return c.read(request)
}

// read reads the answer to a request that has been sent.
func (c *client) read(request string) (r reply, body string, err error) {
	c.t.Helper()
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("%q: %v", request, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.Status, resp.StatusCode, resp.Header, resp.ContentLength}, string(b), err
}

// handle serves one request in process. aborted is true if the handler has aborted the connection.
func handle(target *Target, r *http.Request) (w *httptest.ResponseRecorder, aborted bool) {
	w = httptest.NewRecorder()
	defer func() { aborted = recover() == http.ErrAbortHandler }() //nolint:errorlint // net/http compares the value, too
	newRouter(&selector{target: target}, never).ServeHTTP(w, r)
	return w, false
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

func putToken() *http.Request {
	r := httptest.NewRequest(http.MethodPut, tokenPath, nil)
	r.Header.Set(ttlHeader, "60")
	return r
}

// eventually waits until a rule has so many hits.
func eventually(t *testing.T, rule *fault.Rule, hits int64) {
	t.Helper()
	testutil.Eventually(t, "hits", func() bool { return rule.Hits() == hits })
}
