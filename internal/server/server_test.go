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

	"mock-ec2-metadata/internal/testutil"
)

func listen(t *testing.T, addresses ...string) (*Server, error) {
	t.Helper()
	return Listen(t.Context(), slog.New(slog.DiscardHandler), addresses)
}

func TestServe_AnswersOnEveryListener(t *testing.T) {
	var lc net.ListenConfig
	inherited, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), slog.New(slog.DiscardHandler), []string{"127.0.0.1:0", "127.0.0.1:0"}, inherited)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Addrs(); len(got) != 3 || got[0].String() != inherited.Addr().String() {
		t.Fatalf("addresses %v, want the inherited %s and two more", got, inherited.Addr())
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	}()
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

func TestListen_ErrorNamesAddressAndFix(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	inUse := taken.Addr().String()
	for _, tt := range []struct {
		name      string
		addresses []string
		want      string
	}{
		{
			name: "port in use", addresses: []string{"127.0.0.1:0", inUse},
			want: "cannot listen on " + inUse + ": the port is in use; stop what uses it (perhaps another mock-ec2-metadata), or choose another address with --listen",
		},
		{
			name: "foreign address", addresses: []string{"192.0.2.1:5000"}, // TEST-NET-1
			want: "cannot listen on 192.0.2.1:5000: this machine has no such address; choose another with --listen",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := listen(t, tt.addresses...); err == nil || err.Error() != tt.want {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestListen_ErrorLeavesNoAddressBound(t *testing.T) {
	address := testutil.FreeAddr(t)
	if _, err := listen(t, address, "192.0.2.1:5000"); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Fatalf("got %v", err)
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("still bound: %v", err)
	}
	_ = again.Close()
}

func TestListen_IPv4AddressMeansIPv4Only(t *testing.T) {
	s, err := listen(t, "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if addr := s.Addrs()[0].String(); !strings.HasPrefix(addr, "0.0.0.0:") {
		t.Errorf("listens on %s", addr)
	}
}

func TestServe_DrainsForFiveSeconds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		takes    time.Duration
		answered bool
	}{
		{"a shorter request ends", 4 * time.Second, true},
		{"a longer request is cut off", time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started := make(chan struct{})
				client, shutdown := serve(t, func(w http.ResponseWriter, r *http.Request) {
					close(started)
					select {
					case <-time.After(tt.takes):
					case <-r.Context().Done():
					}
					_, _ = io.WriteString(w, "done")
				})
				answer := make(chan string, 1)
				go func() {
					_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
					b, _ := io.ReadAll(client)
					answer <- string(b)
				}()
				<-started
				start := time.Now()
				shutdown()
				if took := time.Since(start); took > drainTime+time.Second {
					t.Errorf("shutdown took %v", took)
				}
				if got := strings.HasSuffix(<-answer, "done"); got != tt.answered {
					t.Errorf("answered %v, want %v", got, tt.answered)
				}
			})
		})
	}
}

// serve starts a server with the settings of Listen on one connection in memory, so that a bubble drives its clock. shutdown
// ends it as the end of its context does, and waits.
func serve(t *testing.T, handler http.HandlerFunc) (client net.Conn, shutdown func()) {
	t.Helper()
	client, conn := net.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	s := newServer(slog.New(slog.DiscardHandler), []net.Listener{newPipeListener(conn)})
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, handler) }()
	return client, func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// pipeListener accepts one connection in memory.
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
