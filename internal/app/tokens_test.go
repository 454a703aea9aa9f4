package app

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// send sends a request with a header. It returns the answer's body, or its status if that is not 200.
func (d *daemon) send(t *testing.T, method, path, header, value string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, d.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(body)
}

// withToken asks for the instance id with a token.
func (d *daemon) withToken(t *testing.T, token string) string {
	t.Helper()
	return d.send(t, http.MethodGet, "latest/meta-data/instance-id", "X-Aws-Ec2-Metadata-Token", token)
}

const unauthorized = "401 Unauthorized"

func TestRun_SessionTokensSurviveARestart(t *testing.T) {
	testutil.IsolateHome(t)
	t.Setenv("XDG_STATE_HOME", "")
	first := start(t)
	token := first.token(t)
	if got := first.withToken(t, token); got != "i-0123456789abcdef0" {
		t.Fatalf("the daemon that made the token answers %s", got)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		set  []string
		want string
	}{
		{name: "same instance", want: "i-0123456789abcdef0"},
		{name: "another instance type", set: []string{"ec2.instance_type=t3.large"}, want: "i-0123456789abcdef0"},
		{name: "tokens required", set: []string{"ec2.metadata_options.http_tokens=required"}, want: "i-0123456789abcdef0"},
		{name: "another instance", set: []string{"ec2.instance_id=i-0123456789abcdef1"}, want: unauthorized},
		{name: "another state directory", set: []string{"identity.state_dir=" + t.TempDir()}, want: unauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next := start(t, tt.set...)
			if got := next.withToken(t, token); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := next.withToken(t, next.token(t)); strings.HasPrefix(got, "401") {
				t.Errorf("its own token: %s", got)
			}
		})
	}
}

func TestRun_DaemonsOfOneStateDirectoryAcceptTheSameTokens(t *testing.T) {
	testutil.IsolateHome(t)
	t.Setenv("XDG_STATE_HOME", "")
	one, two := start(t), start(t)
	if got := two.withToken(t, one.token(t)); got != "i-0123456789abcdef0" {
		t.Errorf("got %s", got)
	}
}

func TestRun_WithoutStateDirectorySessionTokensEndWithTheDaemon(t *testing.T) {
	home := testutil.IsolateHome(t)
	file := testutil.Write(t, filepath.Join(home, "file"), "")
	testutil.Write(t, "conf/config.yaml", mockConfig+"identity: {state_dir: "+file+"}\n")
	first := start(t)
	token := first.token(t)
	if err := first.Reload("test"); err != nil {
		t.Fatal(err)
	}
	if got := first.withToken(t, token); got != "i-0123456789abcdef0" {
		t.Errorf("after a reload: %s", got)
	}
	if n := strings.Count(first.log.String(), "session tokens will end with the daemon"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, first.log)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if got := start(t).withToken(t, token); got != unauthorized {
		t.Errorf("after a restart: %s", got)
	}
}

func TestReload_OfAnotherStateDirectoryMakesAnotherSecret(t *testing.T) {
	home := testutil.IsolateHome(t)
	t.Setenv("XDG_STATE_HOME", "")
	testutil.Write(t, "conf/config.yaml", mockConfig)
	d := start(t)
	before := d.token(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+"identity: {state_dir: "+filepath.Join(home, "other")+"}\n")
	if err := d.Reload("test"); err != nil {
		t.Fatal(err)
	}
	if got := d.withToken(t, before); got != unauthorized {
		t.Errorf("a token from before: %s", got)
	}
	after := d.token(t)
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	if got := start(t).withToken(t, after); got != "i-0123456789abcdef0" {
		t.Errorf("a token from after, after a restart: %s", got)
	}
}

func TestRun_AnswersUnusualHosts(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t)
	for _, tt := range []struct{ name, request, want string }{
		{"token of an old AWS CRT client", "PUT /latest/api/token HTTP/1.1\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK"},
		{"value of an old AWS CRT client", "GET /latest/meta-data/instance-id HTTP/1.1\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK"},
		{"HTTP/1.0", "PUT /latest/api/token HTTP/1.0\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n", "HTTP/1.0 200 OK"},
		{"cloud-init's third URL", "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: instance-data.:8773\r\n\r\n", "HTTP/1.1 200 OK"},
		{"page", "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: evil.example.\r\n\r\n", "HTTP/1.1 403 Forbidden"},
		{"page in absolute form, without Host", "GET http://evil.example/latest/meta-data/instance-id HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", d.Addrs()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, tt.request)
			line, err := bufio.NewReader(c).ReadString('\n')
			if err != nil || strings.TrimSpace(line) != tt.want {
				t.Errorf("got %q (%v), want %s", line, err, tt.want)
			}
		})
	}
}
