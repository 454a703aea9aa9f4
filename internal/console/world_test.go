package console

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// pipes is a listener in memory, so that the clock of synctest goes on.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
	close func()
}

func newPipes() *pipes {
	ended := make(chan struct{})
	return &pipes{make(chan net.Conn), ended, sync.OnceFunc(func() { close(ended) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 41873} }

// world is a console with an API that says what it is asked.
type world struct {
	*Console
	log    *testutil.Buffer
	calls  *testutil.Buffer
	listen *pipes // nil: real ports, or nothing listens
	dial   func() (net.Conn, error)
}

// newWorld makes a console on a real port, or one in memory.
func newWorld(t *testing.T, address string, inMemory bool) *world {
	t.Helper()
	w := &world{log: new(testutil.Buffer), calls: new(testutil.Buffer)}
	opt := Options{
		Address: address, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		API: func() http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				fmt.Fprintln(w.calls, r.Method, r.URL.Path)
				switch r.URL.Path {
				case "/v1/wait":
					<-r.Context().Done()
				case "/v1/stream":
					_, _ = io.WriteString(rw, ": begun\n\n")
					_ = http.NewResponseController(rw).Flush()
					<-r.Context().Done()
				case "/v1/body":
					body, err := io.ReadAll(r.Body)
					fmt.Fprintf(w.calls, "body %s, %v\n", body, err)
				}
				rw.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(rw, "{}")
			})
		},
	}
	if inMemory {
		opt.Listen = func(string, string) (net.Listener, error) {
			w.listen = newPipes()
			return w.listen, nil
		}
	}
	w.Console = New(opt)
	t.Cleanup(w.Close)
	return w
}

// open opens the console, and returns its code and its address.
func (w *world) open(t *testing.T) (code, host string) {
	t.Helper()
	u, err := w.Open(api.Peer{UID: 7})
	if err != nil {
		t.Fatal(err)
	}
	host, code, ok := strings.Cut(strings.TrimPrefix(u.URL, "http://"), "/#k=")
	if !ok || len(code) != 43 || u.ExpiresIn != 60 {
		t.Fatalf("a URL of %d bytes, for %d s", len(u.URL), u.ExpiresIn)
	}
	w.dial = func() (net.Conn, error) { return net.Dial("tcp", host) }
	if p := w.listen; p != nil {
		w.dial = func() (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case p.conns <- there:
				return here, nil
			case <-p.ended:
				return nil, net.ErrClosed
			}
		}
	}
	return code, host
}

// reply is what a client has got.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as it is written; lines are its first line and headers, and a body after an empty line. The Host header is host,
// unless there is one.
func (w *world) ask(t *testing.T, host string, lines ...string) reply {
	t.Helper()
	c, err := w.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	head, body, found := strings.Cut(strings.Join(lines, "\r\n"), "\r\n\r\n")
	if !strings.Contains(head, "\r\nHost:") {
		head += "\r\nHost: " + host
	}
	if found {
		head += fmt.Sprintf("\r\nContent-Length: %d", len(body))
	}
	first, rest, _ := strings.Cut(head, "\r\n")
	go func() { _, _ = fmt.Fprintf(c, "%s HTTP/1.1\r\nConnection: close\r\n%s\r\n\r\n%s", first, rest, body) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: strings.Fields(first)[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	wantSecure(t, first, resp.Header)
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// wantSecure checks what all answers have.
func wantSecure(t *testing.T, request string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; " +
			"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Set-Cookie": "", "Access-Control-Allow-Origin": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s is %q", request, name, got)
		}
	}
	if cache := h.Get("Cache-Control"); cache != "no-store" && (cache != "no-cache" || h.Get("ETag") == "") {
		t.Errorf("%s: Cache-Control is %q", request, cache)
	}
}

const jsonType = "Content-Type: application/json"

// login presents a code.
func (w *world) login(t *testing.T, host, code string) reply {
	t.Helper()
	return w.ask(t, host, "POST /v1/console/session", jsonType, "", `{"code": "`+code+`"}`)
}

// session opens the console and a session, and returns its Authorization header.
func (w *world) session(t *testing.T) (bearer, host string) {
	t.Helper()
	code, host := w.open(t)
	got := w.login(t, host, code)
	var s api.ConsoleSession
	if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.status != 200 || len(s.Token) != 43 {
		t.Fatalf("login: %d, a token of %d bytes, %v", got.status, len(s.Token), err)
	}
	return "Authorization: Bearer " + s.Token, host
}

// wantStatus asks with a session.
func (w *world) wantStatus(t *testing.T, host, bearer string, want int) {
	t.Helper()
	if got := w.ask(t, host, "GET /v1/status", bearer); got.status != want {
		t.Errorf("GET /v1/status: %d, want %d", got.status, want)
	}
}

// wantClosed expects that nothing listens.
func (w *world) wantClosed(t *testing.T) {
	t.Helper()
	if c, err := w.dial(); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
}
