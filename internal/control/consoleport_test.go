package control

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

const consoleURL = "http://127.0.0.1:41873/#k=secret"

// fakePort is a ConsolePort that remembers what it is asked.
type fakePort struct {
	failure error

	mu    sync.Mutex // guards calls
	calls []string
}

func (p *fakePort) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

func (p *fakePort) noted() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.calls, ", ")
}

func (p *fakePort) Open(by Peer) (api.ConsoleURL, error) {
	p.note("open by %+v", by)
	if p.failure != nil {
		return api.ConsoleURL{}, p.failure
	}
	return api.ConsoleURL{URL: consoleURL, ExpiresIn: 60}, nil
}

func (p *fakePort) Revoke(by Peer) { p.note("revoke by %+v", by) }
func (p *fakePort) Close()         { p.note("close") }

// withPort serves a daemon with a console, and with an entrance by TCP.
func withPort(t *testing.T, p *fakePort) (*Server, *testutil.Buffer) {
	t.Helper()
	s, _, log := listenTCP(t, Auto, shortDir(t), "5000", "127.0.0.1:0")
	s.UseConsole(p)
	return s, log
}

// onSocket sends a request by the socket.
func onSocket(t *testing.T, socket, line string, header ...string) response {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: control\r\nConnection: close\r\n%s\r\n\r\n", line, strings.Join(header, "\r\n"))
	return readResponse(t, c)
}

func TestConsole_SocketOpensAndRevokes(t *testing.T) {
	p := new(fakePort)
	s, log := withPort(t, p)
	client := NewClient(s.Status().Socket)
	u, err := client.OpenConsole(t.Context())
	if err != nil || u.URL != consoleURL || u.ExpiresIn != 60 {
		t.Errorf("%d s, %v", u.ExpiresIn, err)
	}
	if err := client.RevokeConsole(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
	me := "{UID:" + uid() + " Entrance:}"
	if got, want := p.noted(), "open by "+me+", revoke by "+me+", close"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if log.Contains("secret") {
		t.Error("the log has the code")
	}
}

// TestConsole_AnswersOnTheWire has what a program sees, and what it may not send.
func TestConsole_AnswersOnTheWire(t *testing.T) {
	p := new(fakePort)
	s, _ := withPort(t, p)
	socket := s.Status().Socket
	open := onSocket(t, socket, "POST /v1/console")
	if open.status != 200 || open.header.Get("Cache-Control") != "no-store" || open.header.Get("Content-Type") != "application/json" {
		t.Errorf("POST: %d %v", open.status, open.header)
	}
	if got := onSocket(t, socket, "DELETE /v1/console"); got.status != 204 {
		t.Errorf("DELETE: %d", got.status)
	}
	before := p.noted()
	for _, tt := range []struct {
		line   string
		header []string
		status int
		text   string
	}{
		{"GET /v1/console", nil, 405, "Method Not Allowed"},
		{"PUT /v1/console", nil, 405, "Method Not Allowed"},
		{"POST /v1/console?open=1", nil, 422, `"open": unknown parameter; this call has none`},
		{"POST /v1/console", []string{"Content-Type: text/plain", "Content-Length: 0", "Transfer-Encoding: chunked", "", "0", ""}, 415, "send Content-Type: application/json"},
		{"POST /v1/console/session", nil, 404, "Not Found"}, // that is the port's
		{"POST /v1/console/", nil, 404, "Not Found"},
	} {
		got := onSocket(t, socket, tt.line, tt.header...)
		if got.status != tt.status || got.text != tt.text {
			t.Errorf("%s: %d %s, want %d %s", tt.line, got.status, got.text, tt.status, tt.text)
		}
		if allow := got.header.Get("Allow"); got.status == 405 && allow != "DELETE, POST" {
			t.Errorf("%s: Allow %q", tt.line, allow)
		}
	}
	if got := p.noted(); got != before {
		t.Errorf("then it was asked: %s", got)
	}
}

// TestConsole_IsOfTheSocketAlone asks by control_listen with its token, and by the handler that the console's own port has.
func TestConsole_IsOfTheSocketAlone(t *testing.T) {
	p := new(fakePort)
	s, _ := withPort(t, p)
	good := "Authorization: Bearer " + read(t, s.Status().TokenFile)
	inner := ForConsole(Handler(&fakeDaemon{}, slog.New(slog.DiscardHandler)))
	for _, path := range []string{"/v1/console", "//v1/console", "/v1/%63onsole", "/v1/console/", "/v1/console/session", "/v1/../v1/console"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "ODD"} {
			if method != "HEAD" { // whose answer has no text
				if got := request(t, s.Status().Listen, method+" "+path, good); got.status != 404 && got.status != 405 || method == "POST" && got.status != 404 {
					t.Errorf("%s %s by control_listen: %d", method, path, got.status)
				}
			}
			got := httptest.NewRecorder()
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")))
			if err != nil {
				t.Fatal(err)
			}
			if inner.ServeHTTP(got, r); got.Code != 404 && got.Code != 405 || method == "POST" && got.Code != 404 {
				t.Errorf("%s %s behind a session: %d", method, path, got.Code)
			}
		}
	}
	if got := p.noted(); got != "" {
		t.Errorf("it was asked: %s", got)
	}
}

func TestConsole_RefusalsReachTheClient(t *testing.T) {
	off, _ := serve(t, Auto, shortDir(t))
	const offText = "server.console is off, so there is no console; set it to auto, and restart the daemon"
	for _, call := range []func(*Client) error{
		func(c *Client) error { _, err := c.OpenConsole(t.Context()); return err },
		func(c *Client) error { return c.RevokeConsole(t.Context()) },
	} {
		err := call(NewClient(off.Status().Socket))
		if r, ok := errors.AsType[*api.Refusal](err); !ok || r.Status != http.StatusConflict || r.Error() != offText {
			t.Errorf("off: %v", err)
		}
	}
	p := &fakePort{failure: &api.Refusal{Status: http.StatusConflict, Text: "server.console: in use"}}
	s, log := withPort(t, p)
	_, err := NewClient(s.Status().Socket).OpenConsole(t.Context())
	if r, ok := errors.AsType[*api.Refusal](err); !ok || r.Status != http.StatusConflict || r.Error() != "server.console: in use" {
		t.Errorf("in use: %v", err)
	}
	p.failure = errors.New("a fault of ours")
	if _, err := NewClient(s.Status().Socket).OpenConsole(t.Context()); err == nil || err.Error() != "Internal Server Error" || !log.Contains("a fault of ours") {
		t.Errorf("%v\nlog: %s", err, log)
	}
}

// TestConsole_OtherUsersCannotOpenIt opens directory and socket to everybody, so that only the peer's uid is in the way.
func TestConsole_OtherUsersCannotOpenIt(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	cmd := asNobody(t, "console "+socket)
	s, log := serve(t, socket, "")
	p := new(fakePort)
	s.UseConsole(p)
	for path, mode := range map[string]os.FileMode{dir: 0o755, socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if got := output(t, cmd); !strings.HasPrefix(got, "error: nothing answers at "+socket+": ") || strings.Contains(got, "secret") {
		t.Errorf("got %s", got)
	}
	if got := p.noted(); got != "" {
		t.Errorf("it was asked: %s", got)
	}
	if n := strings.Count(log.String(), `level=WARN msg="refused at the control socket" uid=65534`); n != 2 {
		t.Errorf("logged %s", log)
	}
}

func TestForConsole_ChangesAreLoggedAsTheConsoles(t *testing.T) {
	var got Peer
	h := ForConsole(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = peerOf(r) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/reload", nil))
	if attrs := fmt.Sprint(got.Attrs()); attrs != "[by console]" {
		t.Errorf("%s", attrs)
	}
}
