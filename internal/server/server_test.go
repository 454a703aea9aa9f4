package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func listen(t *testing.T, addresses ...string) (*Server, error) {
	t.Helper()
	return Listen(t.Context(), slog.New(slog.DiscardHandler), addresses)
}

func TestServeOnAll(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	s, err := listen(t, "127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, h) }()
	for _, addr := range s.Addrs() {
		resp, err := http.Get("http://" + addr.String() + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "here" {
			t.Errorf("%s answers %q", addr, body)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	inUse := taken.Addr().String()

	_, err = listen(t, "127.0.0.1:0", inUse)
	want := "cannot listen on " + inUse + ": the port is in use; stop what uses it (perhaps another mock-ec2-metadata), or choose another address with --listen"
	if err == nil || err.Error() != want {
		t.Errorf("port in use: %v\nwant %s", err, want)
	}
	_, err = listen(t, "192.0.2.1:5000") // TEST-NET-1: nobody's address
	want = "cannot listen on 192.0.2.1:5000: this machine has no such address; choose another with --listen"
	if err == nil || err.Error() != want {
		t.Errorf("foreign address: %v\nwant %s", err, want)
	}
}

// TestListenAllOrNone checks that a failure leaves no address bound.
func TestListenAllOrNone(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	if _, err := listen(t, address, "192.0.2.1:5000"); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Fatalf("got %v", err)
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("still bound: %v", err)
	}
	_ = again.Close()
}

func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name     string
		takes    time.Duration
		answered bool
	}{
		{"a request under way ends", 4 * time.Second, true},
		{"one that takes longer than 5 s is cut", time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, conn := net.Pipe()
				started := make(chan struct{})
				s := &Server{
					log:       slog.New(slog.DiscardHandler),
					listeners: []net.Listener{newPipeListener(conn)},
					http:      &http.Server{},
				}
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(started)
					select {
					case <-time.After(tt.takes):
					case <-r.Context().Done():
					}
					_, _ = io.WriteString(w, "done")
				})
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- s.Serve(ctx, h) }()
				answer := make(chan string, 1)
				go func() {
					_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
					b, _ := io.ReadAll(client)
					answer <- string(b)
				}()
				<-started
				start := time.Now()
				stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > drainTime+time.Second {
					t.Errorf("stopping took %v", took)
				}
				if got := strings.HasSuffix(<-answer, "done"); got != tt.answered {
					t.Errorf("answered %v, want %v", got, tt.answered)
				}
			})
		})
	}
}

// pipeListener accepts one connection made in memory, so that a synctest bubble can drive its clock.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener(conn net.Conn) *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- conn
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestIPv4OnlyWhereSaid(t *testing.T) {
	s, err := listen(t, "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if addr := s.Addrs()[0].String(); !strings.HasPrefix(addr, "0.0.0.0:") {
		t.Errorf("listens on %s, want IPv4 alone", addr)
	}
}
