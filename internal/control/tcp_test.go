package control

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// listenTCP is serve with an entrance by TCP.
func listenTCP(t *testing.T, mode, dir, port, address string) (*Server, *fakeDaemon, *testutil.Buffer) {
	t.Helper()
	log, d := new(testutil.Buffer), &fakeDaemon{}
	s, err := Listen(mode, dir, port, d, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ListenTCP(address); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Serve()
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return s, d, log
}

// read is the content of a file.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestListenTCP_TokenIsPrivateAndNewAtEachStart(t *testing.T) {
	dir := filepath.Join(shortDir(t), "sockets")
	seen := map[string]bool{}
	for range 2 {
		s, _, log := listenTCP(t, Auto, dir, "5000", "127.0.0.1:0")
		got := s.Status()
		want := api.Control{Socket: filepath.Join(dir, "5000.sock"), Listen: got.Listen, TokenFile: filepath.Join(dir, "token")}
		if *got != want || !regexp.MustCompile(`^127\.0\.0\.1:[1-9][0-9]+$`).MatchString(got.Listen) {
			t.Errorf("status %+v", got)
		}
		if info, err := os.Lstat(got.TokenFile); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
		}
		text := read(t, got.TokenFile)
		if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(text) || seen[text] {
			t.Errorf("the token has %d bytes, or is an old one", len(text))
		}
		seen[text] = true
		if resp := request(t, got.Listen, "GET /v1/status", "Authorization: Bearer "+text); resp.status != 200 {
			t.Errorf("%+v", resp)
		}
		wantAnswer(t, got.Socket)
		s.Close()
		if _, err := os.Lstat(dir); !os.IsNotExist(err) {
			t.Errorf("left behind: %v", err)
		}
		if log.Contains(text) || strings.Contains(fmt.Sprintf("%v %+v %#v %x", s.tcp.token.text, s.tcp.token.text, s.tcp.token.text, s.tcp.token.text), text) {
			t.Errorf("the token is printed")
		}
	}
}

// response is an answer by TCP.
type response struct {
	status int
	header http.Header
	text   string // of its error
}

// request sends a request as it is written, with the Host header of the address unless there is one.
func request(t *testing.T, address, line string, header ...string) response {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	head, body := strings.Join(header, "\r\n"), ""
	if before, after, found := strings.Cut(head, "\r\n\r\n"); found {
		head, body = fmt.Sprintf("%s\r\nContent-Length: %d", before, len(after)), after
	}
	if !strings.Contains(head, "Host:") {
		head = "Host: " + address + "\r\n" + head
	}
	_, _ = fmt.Fprintf(c, "%s HTTP/1.1\r\nConnection: close\r\n%s\r\n\r\n%s", line, strings.TrimSpace(head), body)
	return readResponse(t, c)
}

func TestListenTCP_ChecksEachRequest(t *testing.T) {
	s, d, _ := listenTCP(t, Auto, shortDir(t), "5000", "127.0.0.1:0")
	at := s.Status().Listen
	_, port, _ := net.SplitHostPort(at)
	good := "Authorization: Bearer " + read(t, s.Status().TokenFile)
	const put, body = "PUT /v1/events/a", "Content-Type: application/json\r\n\r\n{}"
	const (
		unauthorized = "send Authorization: Bearer and the text of the token file"
		proxy        = "requests through a proxy are not allowed; connect directly"
		page         = "requests of web pages are not allowed; use a program"
		foreign      = "the Host header is not this address; use a loopback address or localhost, and the port"
		notJSON      = "send Content-Type: application/json"
	)
	for _, tt := range []struct {
		name, line string // PUT if empty
		header     []string
		status     int
		want       string
	}{
		{name: "no bearer", header: []string{body}, status: 401, want: unauthorized},
		{name: "wrong bearer", header: []string{"Authorization: Bearer x", body}, status: 401, want: unauthorized},
		{name: "beginning of it", header: []string{good[:len(good)-1], body}, status: 401, want: unauthorized},
		{name: "more than it", header: []string{good + "0", body}, status: 401, want: unauthorized},
		{name: "empty bearer", header: []string{"Authorization: Bearer ", body}, status: 401, want: unauthorized},
		{name: "basic", header: []string{strings.Replace(good, "Bearer", "Basic", 1), body}, status: 401, want: unauthorized},
		{name: "two", header: []string{good, good, body}, status: 401, want: unauthorized},
		{name: "no bearer, unknown path", line: "GET /v2/none", status: 401, want: unauthorized},
		{name: "no bearer, OPTIONS", line: "OPTIONS *", status: 401, want: unauthorized},
		{name: "no bearer, text", header: []string{"Content-Type: text/plain\r\n\r\nx"}, status: 401, want: unauthorized},
		{name: "Origin", header: []string{good, "Origin: http://localhost:3000", body}, status: 403, want: page},
		{name: "Origin of its own", header: []string{good, "Origin: http://" + at, body}, status: 403, want: page},
		{name: "null Origin", header: []string{good, "Origin: null", body}, status: 403, want: page},
		{name: "empty Origin", header: []string{good, "Origin:", body}, status: 403, want: page},
		{name: "Origin without a bearer", header: []string{"Origin: http://x", body}, status: 403, want: page},
		{name: "preflight", line: "OPTIONS /v1/events/a", header: []string{"Origin: http://x", "Access-Control-Request-Method: PUT"}, status: 403, want: page},
		{name: "cross-site", header: []string{good, "Sec-Fetch-Site: cross-site", body}, status: 403, want: page},
		{name: "same-site", header: []string{good, "Sec-Fetch-Site: same-site", body}, status: 403, want: page},
		{name: "X-Forwarded-For", header: []string{good, "X-Forwarded-For: 127.0.0.1", body}, status: 403, want: proxy},
		{name: "empty Forwarded", header: []string{good, "Forwarded:", body}, status: 403, want: proxy},
		{name: "Via without a bearer", header: []string{"Via: 1.1 x", body}, status: 403, want: proxy},
		{name: "foreign Host", header: []string{good, "Host: evil.example:" + port, body}, status: 403, want: foreign},
		{name: "foreign Host without a bearer", header: []string{"Host: evil.example:" + port, body}, status: 403, want: foreign},
		{name: "Host that ends like ours", header: []string{good, "Host: evil.localhost:" + port, body}, status: 403, want: foreign},
		{name: "address that is not loopback", header: []string{good, "Host: 192.0.2.1:" + port, body}, status: 403, want: foreign},
		{name: "Host without a port", header: []string{good, "Host: 127.0.0.1", body}, status: 403, want: foreign},
		{name: "another port", header: []string{good, "Host: 127.0.0.1:1", body}, status: 403, want: foreign},
		{name: "empty Host", header: []string{good, "Host: ", body}, status: 403, want: foreign},
		{name: "foreign URL", line: "PUT http://evil.example/v1/events/a", header: []string{good, body}, status: 403, want: foreign},
		{name: "text", header: []string{good, "Content-Type: text/plain\r\n\r\n{}"}, status: 415, want: notJSON},
		{name: "no type", header: []string{good + "\r\n\r\n{}"}, status: 415, want: notJSON},
		{name: "metadata", line: "GET /latest/meta-data/", header: []string{good}, status: 404, want: "Not Found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.line == "" {
				tt.line = put
			}
			got := request(t, at, tt.line, tt.header...)
			if got.status != tt.status || got.text != tt.want {
				t.Errorf("%d %s, want %d %s", got.status, got.text, tt.status, tt.want)
			}
			challenge := ""
			if tt.status == 401 {
				challenge = "Bearer"
			}
			if got.header.Get("WWW-Authenticate") != challenge {
				t.Errorf("WWW-Authenticate: %q", got.header.Get("WWW-Authenticate"))
			}
			for name := range got.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("header %s", name)
				}
			}
		})
	}
	if len(d.calls) > 0 {
		t.Errorf("the daemon was asked to %q", d.calls)
	}
	for _, header := range [][]string{
		{good},
		{strings.Replace(good, "Bearer", "bearer", 1)},
		{good, "Host: localhost:" + port},
		{good, "Host: LOCALHOST:" + port},
		{good, "Host: [::1]:" + port},
		{good, "Host: 127.1.2.3:" + port},
		{good, "Sec-Fetch-Site: none"},
	} {
		if got := request(t, at, "PUT /v1/events/a", append(header, body)...); got.status != 200 && got.status != 201 {
			t.Errorf("%q: %+v", header[1:], got)
		}
	}
	if got := request(t, at, "DELETE /v1/events/a", good); got.status != 204 {
		t.Errorf("DELETE without a body: %+v", got)
	}
	if want := fmt.Sprint([]string{`put event "a" by -1`}); !strings.HasPrefix(fmt.Sprint(d.calls), want[:len(want)-1]) {
		t.Errorf("calls %q", d.calls)
	}
}

func TestListenTCP_WrongAddressesAreErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	const not = " is not an IP address of the loopback interface with a port; write e.g. 127.0.0.1:5010"
	for address, want := range map[string]string{
		"0.0.0.0:1":              `"0.0.0.0:1"` + not,
		"localhost:5010":         `"localhost:5010"` + not,
		"192.0.2.1:5010":         `"192.0.2.1:5010"` + not,
		"127.0.0.1":              `"127.0.0.1"` + not,
		":5010":                  `":5010"` + not,
		"[::1%lo]:5010":          `"[::1%lo]:5010"` + not,
		"169.254.169.254:80":     `"169.254.169.254:80"` + not,
		taken.Addr().String():    taken.Addr().String() + " is in use; stop what uses it, or choose another port",
		"[::ffff:192.0.2.1]:501": `"[::ffff:192.0.2.1]:501"` + not,
	} {
		s, err := Listen(Auto, shortDir(t), "5000", &fakeDaemon{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.ListenTCP(address); err == nil || err.Error() != "server.control_listen: "+want {
			t.Errorf("%s: %v\nwant server.control_listen: %s", address, err, want)
		}
		if got := s.Status(); got.Listen != "" || got.TokenFile != "" {
			t.Errorf("status %+v", got)
		}
		s.Close()
	}
}

// TestListenTCP_NoPlaceForTheTokenIsAnError has a file where the directory would be.
func TestListenTCP_NoPlaceForTheTokenIsAnError(t *testing.T) {
	dir := filepath.Join(shortDir(t), "file")
	testutil.Write(t, dir, "")
	s, err := Listen(Auto, dir, "5000", &fakeDaemon{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := "server.control_listen: no token file: " + dir + " is not a directory; remove it"
	if err := s.ListenTCP("127.0.0.1:0"); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestClose_BeforeServeEndsTheEntrance(t *testing.T) {
	dir := shortDir(t)
	s, err := Listen(Auto, dir, "5000", &fakeDaemon{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ListenTCP("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	at := s.Status().Listen
	s.Close()
	if c, err := net.Dial("tcp", at); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
	if _, err := os.Lstat(filepath.Join(dir, "token")); !os.IsNotExist(err) {
		t.Errorf("the token is left: %v", err)
	}
}

// readResponse reads an answer of JSON or without a body.
func readResponse(t *testing.T, from io.Reader) response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(from), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var refusal api.Refusal
	if resp.StatusCode != http.StatusNoContent {
		if err := json.Unmarshal(text, &refusal); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	return response{resp.StatusCode, resp.Header, refusal.Text}
}

// exists tells whether there is a file at a path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !os.IsNotExist(err)
}
