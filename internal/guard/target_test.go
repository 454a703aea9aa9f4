package guard

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestWrap_IsNoProxy sends request lines as a proxy gets them.
func TestWrap_IsNoProxy(t *testing.T) {
	const (
		notService = "%q is not the metadata service, and this daemon is not a proxy for other hosts; unset http_proxy for this client\n"
	)
	g := New(NewNetworks(slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler), time.Now)
	rules := defaultRules()
	rules.Hosts = []string{"imds.example"}
	g.Use(rules)
	s := httptest.NewServer(g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.URL.Path) })))
	defer s.Close()
	for _, tt := range []struct {
		name, line, host string
		status           int
		body             string
	}{
		{"the service", "GET http://169.254.169.254/latest/", "169.254.169.254", 200, "/latest/\n"},
		{"the service by IPv6", "GET http://[fd00:ec2::254]/latest/", "[fd00:ec2::254]", 200, "/latest/\n"},
		{"the service, mapped", "GET http://[::ffff:169.254.169.254]/x", "x", 200, "/x\n"},
		{"its name", "GET http://instance-data.:8773/x", "instance-data.", 200, "/x\n"},
		{"this machine", "GET http://127.0.0.1:5000/x", "127.0.0.1:5000", 200, "/x\n"},
		{"an allowed name", "GET http://imds.example/x", "imds.example", 200, "/x\n"},
		{"another Host header is ignored", "GET http://169.254.169.254/x", "evil.example", 200, "/x\n"},
		{"another address", "GET http://192.0.2.1/x", "192.0.2.1", 403, fmt.Sprintf(notService, "192.0.2.1")},
		{"another link-local address", "GET http://169.254.169.253/x", "169.254.169.253", 403, fmt.Sprintf(notService, "169.254.169.253")},
		{"another address with a good Host", "GET http://192.0.2.1/x", "169.254.169.254", 403, fmt.Sprintf(notService, "192.0.2.1")},
		{"a name without a dot", "GET http://jenkins/x", "jenkins", 403, fmt.Sprintf(notService, "jenkins")},
		{"another name", "GET http://evil.example/x", "evil.example", 403, fmt.Sprintf(notService, "evil.example")},
		{"https", "GET https://169.254.169.254/x", "169.254.169.254", 403, fmt.Sprintf(notService, "169.254.169.254")},
		{
			"CONNECT", "CONNECT 169.254.169.254:443", "169.254.169.254:443", 403,
			"CONNECT is not allowed: this daemon is not a proxy for https; unset https_proxy for this client\n",
		},
		{"an ordinary request", "GET /x", "192.0.2.1", 200, "/x\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", tt.line, tt.host)
			resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.Fields(tt.line)[0]})
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if tt.line[:3] == "CON" {
				body = []byte(tt.body) // of a CONNECT the client reads no body
			}
			if resp.StatusCode != tt.status || string(body) != tt.body {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.body)
			}
		})
	}
}
