package control

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a socket, so that a test can have virtual time.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
	close func()
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// overPipes serves a daemon as the socket does, until the test ends.
func overPipes(t *testing.T, d Daemon) *pipes {
	ended := make(chan struct{})
	p := &pipes{make(chan net.Conn), ended, sync.OnceFunc(func() { close(ended) })}
	log := slog.New(slog.DiscardHandler)
	srv := newHTTPServer(Handler(d, log), log)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(p)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return p
}

// get sends a GET over a connection of its own.
func (p *pipes) get(ctx context.Context, path string) (status int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(), nil },
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x"+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, compact(text), err
}

func TestWait_EndsAtThePhaseOrAtTheTimeout(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		phase       string // that the event comes to after a minute; "" for none
		remove      bool   // removes it instead
		took        time.Duration
		status      int
		want        string
	}{
		{name: "named phase", query: "?phase=noticed&timeout=10m", phase: "noticed", took: time.Minute, status: 200, want: `"phase":"noticed"`},
		{name: "first phase", query: "?timeout=90s", phase: "rebalance", took: time.Minute, status: 200, want: `"phase":"rebalance"`},
		{name: "there already", query: "?phase=pending&timeout=0s", status: 200, want: `"phase":"pending"`},
		{name: "default timeout", query: "?phase=noticed", phase: "noticed", took: 30 * time.Second, status: 408, want: `{"error":"event s1: has not come to the phase \"noticed\" within 30s"}`},
		{name: "timeout", query: "?timeout=10m", took: 10 * time.Minute, status: 408, want: `{"error":"event s1: has not come to its first phase within 10m0s"}`},
		{name: "no timeout", query: "?timeout=0s", status: 408, want: `{"error":"event s1: has not come to its first phase within 0s"}`},
		{name: "another phase", query: "?phase=acted&timeout=2m", phase: "noticed", took: 2 * time.Minute, status: 408, want: `"error"`},
		{name: "removed", query: "?phase=noticed&timeout=2m", remove: true, took: time.Minute, status: 404, want: `there is no event s1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &fakeDaemon{}
				if rec := ask(d, http.MethodPut, "/v1/events/s1", jsonType, "{}"); rec.Code != http.StatusCreated {
					t.Fatal(rec.Code)
				}
				defer time.AfterFunc(time.Minute, func() {
					if tt.remove {
						_ = d.DeleteEvents("s1", Peer{})
					} else if tt.phase != "" {
						d.setPhase("s1", tt.phase)
					}
				}).Stop()
				began := time.Now()
				status, body, err := overPipes(t, d).get(t.Context(), "/v1/events/s1/wait"+tt.query)
				if took := time.Since(began); status != tt.status || !strings.Contains(body, tt.want) || err != nil || took != tt.took {
					t.Errorf("%d %s, %v after %v\nwant %d %s after %v", status, body, err, took, tt.status, tt.want, tt.took)
				}
			})
		})
	}
}

func TestPolls_WaitForNews(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		took       time.Duration
		want       string
	}{
		{"a request", "/v1/requests?timeout=10m", time.Minute, `"seq":1`},
		{"no request", "/v1/requests?timeout=20s", 20 * time.Second, `{"requests":[]}`},
		{"a request of another path", "/v1/requests?timeout=2m&path=other", 2 * time.Minute, `{"requests":[]}`},
		{"requests without a timeout", "/v1/requests?after=0", 0, `{"requests":[]}`},
		{"state", "/v1/state", 0, `"generation":0`},
		{"newer state", "/v1/state?after=0&timeout=10m", time.Minute, `"generation":1`},
		{"no newer state", "/v1/state?after=0", 30 * time.Second, `"generation":0`},
		{"no newer state, at once", "/v1/state?after=0&timeout=0s", 0, `"generation":0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &fakeDaemon{}
				defer time.AfterFunc(time.Minute, func() { d.add("/latest/meta-data/mac") }).Stop()
				began := time.Now()
				status, body, err := overPipes(t, d).get(t.Context(), tt.path)
				if took := time.Since(began); status != http.StatusOK || !strings.Contains(body, tt.want) || err != nil || took != tt.took {
					t.Errorf("%d %s, %v after %v\nwant %s after %v", status, body, err, took, tt.want, tt.took)
				}
			})
		})
	}
}

func TestWait_ManyAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := overPipes(t, &fakeDaemon{})
		ctx, leave := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for i := range maxWaiting {
			path := []string{"/v1/requests?timeout=1m", "/v1/state?after=5&timeout=1m"}[i%2]
			waiting.Go(func() { _, _, _ = p.get(ctx, path) })
		}
		synctest.Wait()
		const refused = `{"error":"256 requests wait already; retry when some have ended"}`
		for _, path := range []string{"/v1/requests?timeout=1s", "/v1/state?after=5", "/v1/events/a/wait"} {
			if status, body, err := p.get(t.Context(), path); status != http.StatusTooManyRequests || body != refused || err != nil {
				t.Errorf("%s: %d %s, %v", path, status, body, err)
			}
		}
		for _, path := range []string{"/v1/requests", "/v1/state", "/v1/events"} {
			if status, body, err := p.get(t.Context(), path); status != http.StatusOK || err != nil {
				t.Errorf("%s does not wait: %d %s, %v", path, status, body, err)
			}
		}
		leave() // the clients go
		waiting.Wait()
		synctest.Wait()
		if status, body, err := p.get(t.Context(), "/v1/requests?timeout=1s"); status != http.StatusOK || err != nil {
			t.Errorf("after the others have gone: %d %s, %v", status, body, err)
		}
	})
}

// TestServer_SlowRequestsEndAfter5Seconds sends parts of requests.
func TestServer_SlowRequestsEndAfter5Seconds(t *testing.T) {
	const head = " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for _, tt := range []struct{ name, request, want string }{
		{"header", "PUT /v1/events/a" + head, ""},
		{"body", "PUT /v1/events/a" + head + "Content-Length: 10\r\n\r\n{", "HTTP/1.1 400 Bad Request"},
		{"body of a poll", "GET /v1/requests?timeout=10m" + head + "Content-Length: 10\r\n\r\n{", "HTTP/1.1 422 Unprocessable Entity"},
		{"chunks", "PUT /v1/events/a" + head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{", "HTTP/1.1 400 Bad Request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &fakeDaemon{}
				c := overPipes(t, d).dial()
				defer func() { _ = c.Close() }()
				began := time.Now()
				go func() { _, _ = fmt.Fprint(c, tt.request) }()
				line, err := bufio.NewReader(c).ReadString('\n')
				if took := time.Since(began); took > 6*time.Second || strings.TrimSpace(line) != tt.want {
					t.Errorf("%q, %v after %v, want %q after 5 s", line, err, took, tt.want)
				}
				if len(d.events) > 0 {
					t.Error("an event was made")
				}
			})
		})
	}
}
