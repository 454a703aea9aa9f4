package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// consoleLine is the URL that console prints: of the loopback interface, with 256 bits.
var consoleLine = regexp.MustCompile(`^http://(127\.0\.0\.1:[1-9][0-9]+)/#k=([A-Za-z0-9_-]{43})\n$`)

// openConsole runs console, and returns the address and the code of the URL.
func (d *running) openConsole(t *testing.T) (address, code string) {
	t.Helper()
	got := d.run(t, "console")
	url := consoleLine.FindStringSubmatch(got.stdout)
	if got.code != 0 || url == nil || got.stderr != "It works once, for 60 seconds.\n" {
		t.Fatalf("console: %d, %d bytes, %s", got.code, len(got.stdout), got.stderr)
	}
	return url[1], url[2]
}

// page is what a browser or a program gets of the console.
type page struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to the console. A body is JSON.
func ask(t *testing.T, method, url, token, body string) page {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, string(text)}
}

// signIn opens a session, and returns its token.
func signIn(t *testing.T, address, code string) string {
	t.Helper()
	got := ask(t, "POST", "http://"+address+"/v1/console/session", "", `{"code": "`+code+`"}`)
	var s api.ConsoleSession
	if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.status != 200 || s.Token == "" {
		t.Fatalf("sign-in: %d, %v", got.status, err)
	}
	return s.Token
}

// TestConsole_OpensASessionAndLogsNoSecret has a life of the console with a real daemon.
func TestConsole_OpensASessionAndLogsNoSecret(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	d := start(t)
	address, code := d.openConsole(t)
	if got := ask(t, "GET", "http://"+address+"/", "", ""); got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("the page: %d %v", got.status, got.header)
	}
	if got := ask(t, "GET", "http://"+address+"/v1/status", "", ""); got.status != 401 {
		t.Errorf("without a session: %d", got.status)
	}
	token := signIn(t, address, code)
	var o api.Overview
	got := ask(t, "GET", "http://"+address+"/v1/status", token, "")
	if err := json.Unmarshal([]byte(got.body), &o); err != nil || got.status != 200 || o.Role != "myrole" {
		t.Errorf("with one: %d %s", got.status, got.body)
	}
	second, other := d.openConsole(t)
	if second != address || other == code {
		t.Errorf("a second time at %s, with the same code: %v", second, other == code)
	}
	if got := ask(t, "POST", "http://"+address+"/v1/reload", token, "{}"); got.status != 200 {
		t.Errorf("reload: %d %s", got.status, got.body)
	}
	if got := ask(t, "POST", "http://"+address+"/v1/console/session", "", `{"code": "`+code+`"}`); got.status != 403 {
		t.Errorf("the code again: %d", got.status)
	}
	if got := ask(t, "GET", "http://"+address+"/v1/status", token, ""); got.status != 401 {
		t.Errorf("after that: %d", got.status)
	}
	if got := d.run(t, "console", "--revoke"); got != (ran{stdout: "all sessions have ended, and the port is closed\n"}) {
		t.Errorf("--revoke: %+v", got)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("it listens after --revoke")
	}
	for _, line := range []string{`"msg":"console opened"`, `"msg":"console session started"`, `"msg":"console code presented twice, session ended"`, `"msg":"console closed"`} {
		d.wantLog(t, line)
	}
	if d.stop(); d.log.Contains(code) || d.log.Contains(other) || d.log.Contains(token) || d.log.Contains("/v1/") {
		t.Error("the log has a code, a token or a request of the console")
	}
}

// TestConsole_NothingListensBefore has a port of the configuration, which another program could look for.
func TestConsole_NothingListensBefore(t *testing.T) {
	isolate(t)
	address := testutil.FreeAddr(t)
	d := start(t, "--set", "credentials.mock=true", "--set", "server.console="+address)
	listens := func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	if listens() {
		t.Error("it listens before console")
	}
	if at, _ := d.openConsole(t); at != address || !listens() {
		t.Errorf("console is at %s, not %s", at, address)
	}
	if d.stop(); listens() {
		t.Error("it listens after the daemon's end")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d = start(t, "--set", "credentials.mock=true", "--set", "server.console="+address) // it starts all the same
	want := "mock-ec2-metadata: server.console: " + address + " is in use; stop what uses it, or choose another port\n"
	if got := d.run(t, "console"); got != (ran{code: exitFailure, stderr: want}) {
		t.Errorf("in use: %+v", got)
	}
}

func TestConsole_OffSaysSo(t *testing.T) {
	isolate(t)
	d := start(t, "--set", "credentials.mock=true", "--set", "server.console=off")
	const want = "mock-ec2-metadata: server.console is off, so there is no console; set it to auto, and restart the daemon\n"
	for _, args := range [][]string{{"console"}, {"console", "--open"}, {"console", "--revoke"}} {
		if got := d.run(t, args...); got != (ran{code: exitFailure, stderr: want}) {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestConsole_ResetTakesTheRoleBack(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+"roles: {other: {iam_role: 'arn:aws:iam::123456789012:role/other'}}\n")
	d := start(t)
	address, code := d.openConsole(t)
	token := signIn(t, address, code)
	if got := ask(t, "PUT", "http://"+address+"/v1/credentials/choice", token, `{"role": "other"}`); got.status != 200 {
		t.Fatalf("choice: %d %s", got.status, got.body)
	}
	if role := d.status(t).Role; role != "other" {
		t.Errorf("the role is %s", role)
	}
	d.wantLog(t, `"by":"console"`)
	if got := d.run(t, "console", "--reset"); got != (ran{stdout: "clients get the role of the configuration\n"}) {
		t.Errorf("--reset: %+v", got)
	}
	if role := d.status(t).Role; role != "myrole" {
		t.Errorf("then it is %s", role)
	}
	both := "clients get the role of the configuration\nall sessions have ended, and the port is closed\n"
	if got := d.run(t, "console", "--reset", "--revoke"); got != (ran{stdout: both}) {
		t.Errorf("both: %+v", got)
	}
	if got := d.run(t, "console", "--revoke", "--open"); got.code != exitUsage || !strings.Contains(got.stderr, "--open goes with neither --revoke nor --reset; leave one of them out") {
		t.Errorf("--revoke --open: %+v", got)
	}
}

// TestConsole_IsNotAtTheMetadataService asks the listener that all clients reach.
func TestConsole_IsNotAtTheMetadataService(t *testing.T) {
	isolate(t)
	d := start(t, "--set", "credentials.mock=true")
	address, _ := d.openConsole(t)
	base := strings.TrimSuffix(d.url, "/")
	for _, path := range []string{"/v1/console", "/v1/console/", "/v1/console/session", "/v1/status", "/v1/stream", "//v1/console"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			want := ask(t, method, base+"/v1/no-such-path", "", "") // as EC2
			if got := ask(t, method, base+path, "", ""); got.status != 404 || got.body != want.body {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		}
	}
	for _, file := range []string{"/main.js", "/index.html", "/favicon.svg"} {
		if got := ask(t, "GET", base+file, "", ""); got.status != 404 {
			t.Errorf("%s: %d", file, got.status)
		}
	}
	if got := ask(t, "GET", "http://"+address+"/latest/meta-data/", "", ""); got.status != 401 {
		t.Errorf("the metadata at the console: %d", got.status)
	}
}

// TestConsole_EveryAnswerHasTheHeaders asks the real calls, errors too.
func TestConsole_EveryAnswerHasTheHeaders(t *testing.T) {
	isolate(t)
	d := start(t, "--set", "credentials.mock=true")
	address, code := d.openConsole(t)
	token := signIn(t, address, code)
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/", "", 200},
		{"GET", "/no-such-file", "", 404},
		{"GET", "/v1/status", "", 200},
		{"GET", "/v1/status", "", 200},
		{"GET", "/v1/config", "", 200},
		{"GET", "/v1/requests", "", 200},
		{"GET", "/v1/refusals", "", 200},
		{"GET", "/v1/state", "", 200},
		{"GET", "/v1/events", "", 200},
		{"GET", "/v1/tree?path=meta-data/mac", "", 200},
		{"GET", "/v1/explain?client=192.0.2.1", "", 200},
		{"GET", "/v1/explain?x=1", "", 422},
		{"GET", "/v1/events/none", "", 404},
		{"GET", "/v1/console", "", 404},
		{"POST", "/v1/console", "{}", 404},
		{"PUT", "/v1/status", "{}", 405},
		{"PUT", "/v1/events/e", `{"spot": 1}`, 422},
		{"PUT", "/v1/events/e", strings.Repeat(" ", 65<<10), 413},
		{"PUT", "/v1/credentials/choice", `{"role": "invented"}`, 422},
		{"DELETE", "/v1/console/session", "", 204},
		{"GET", "/v1/status", "", 401},
	} {
		got := ask(t, tt.method, "http://"+address+tt.path, token, tt.body)
		if got.status != tt.want {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, got.status, got.body, tt.want)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; " +
				"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Set-Cookie": "", "Access-Control-Allow-Origin": "", "Server": "",
		} {
			if value := got.header.Get(name); value != want {
				t.Errorf("%s %s: %s is %q", tt.method, tt.path, name, value)
			}
		}
		if cache := got.header.Get("Cache-Control"); cache != "no-store" && tt.path != "/" {
			t.Errorf("%s %s: Cache-Control is %q", tt.method, tt.path, cache)
		}
		if strings.HasPrefix(tt.path, "/v1/") && got.body != "" && got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: Content-Type is %q", tt.method, tt.path, got.header.Get("Content-Type"))
		}
	}
}

// TestSSHLine_IsTheCommandForTheUsersMachine has what sshd sets.
func TestSSHLine_IsTheCommandForTheUsersMachine(t *testing.T) {
	const intro = "on your own machine, before you open it: ssh -N -L "
	me := me()
	for _, tt := range []struct{ connection, url, want string }{
		{"", "http://127.0.0.1:41873/#k=x", ""},
		{"203.0.113.5 50000 192.0.2.7", "http://127.0.0.1:41873/#k=x", ""},
		{"203.0.113.5 50000 192.0.2.7 22", "http://127.0.0.1:41873/#k=x", intro + "41873:127.0.0.1:41873 " + me + "192.0.2.7"},
		{"203.0.113.5 50000 192.0.2.7 2222", "http://127.0.0.1:41873/#k=x", intro + "41873:127.0.0.1:41873 -p 2222 " + me + "192.0.2.7"},
		{"2001:db8::5 50000 2001:db8::7 22", "http://[::1]:5081/#k=x", intro + "5081:[::1]:5081 " + me + "2001:db8::7"},
	} {
		if got := sshLine([]string{"SSH_CONNECTION=" + tt.connection}, tt.url); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.connection, got, tt.want)
		}
	}
}

// TestConsole_OverSSHPrintsTheLine has --open too: a browser of the machine of the daemon would not help. The URL alone is on stdout.
func TestConsole_OverSSHPrintsTheLine(t *testing.T) {
	isolate(t)
	d := start(t, "--set", "credentials.mock=true")
	t.Setenv("SSH_CONNECTION", "203.0.113.5 50000 192.0.2.7 22")
	t.Setenv("PATH", t.TempDir()) // no browser
	for _, args := range [][]string{{"console"}, {"console", "--open"}} {
		got := d.run(t, args...)
		found := consoleLine.FindStringSubmatch(got.stdout)
		if got.code != 0 || found == nil {
			t.Fatalf("%v: %d %s", args, got.code, got.stderr)
		}
		_, port, _ := net.SplitHostPort(found[1])
		want := fmt.Sprintf("on your own machine, before you open it: ssh -N -L %s:%s %s192.0.2.7\nIt works once, for 60 seconds.\n", port, found[1], me())
		if got.stderr != want {
			t.Errorf("%v: %s, want %s", args, got.stderr, want)
		}
	}
	if entries, _ := os.ReadDir(os.Getenv("XDG_RUNTIME_DIR") + "/mock-ec2-metadata"); len(entries) != 1 {
		t.Errorf("beside the socket: %v", entries)
	}
}

// TestConsole_OfExecHasAPortOfItsOwn has a port of the configuration, which belongs to the daemon of serve.
func TestConsole_OfExecHasAPortOfItsOwn(t *testing.T) {
	isolate(t)
	address := testutil.FreeAddr(t)
	got := run(t, "exec", "--listen", testutil.FreeAddr(t), "--set", "credentials.mock=true", "--set", "server.console="+address, "--", "mock-ec2-metadata", "console")
	url := consoleLine.FindStringSubmatch(got.stdout)
	if got.code != 0 || url == nil || url[1] == address {
		t.Errorf("%d %s", got.code, got.stderr)
	}
}
