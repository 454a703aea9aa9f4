package metrics

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// raw sends a request as it stands over a new connection, and returns the status of the answer; 0 for none.
func (c *counted) raw(t *testing.T, request string) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestRefused_CountsOnceUnderItsRule covers all ways to be refused. A refused request is no request in requests_total.
func TestRefused_CountsOnceUnderItsRule(t *testing.T) {
	at := newAnywhere(t)
	c := count(t, mocked+"server: {allow_clients: [192.0.2.0/24]}\n", at.use)
	const get, put = "GET /latest/meta-data/instance-id HTTP/1.1\r\n", "PUT /latest/api/token HTTP/1.1\r\n"
	ruled := map[string]bool{}
	for _, tt := range []struct {
		name, rule string
		from       string
		request    string
		status     int
	}{
		{name: "client", rule: "clients", from: "198.51.100.1", request: get + "Host: localhost\r\n", status: 403},
		{name: "client and all else", rule: "clients", from: "198.51.100.1", request: get + "Host: evil.example.com\r\nOrigin: http://evil.example.com\r\n", status: 403},
		{name: "Host", rule: "hosts", request: get + "Host: evil.example.com\r\n", status: 403},
		{name: "Host and page", rule: "hosts", request: get + "Host: evil.example.com\r\nOrigin: http://evil.example.com\r\n", status: 403},
		{name: "proxy request", rule: "hosts", request: "GET http://evil.example.com/ HTTP/1.1\r\nHost: evil.example.com\r\n", status: 403},
		{name: "Origin", rule: "origins", request: get + "Host: localhost\r\nOrigin: http://evil.example.com\r\n", status: 403},
		{name: "Referer", rule: "origins", request: get + "Host: localhost\r\nReferer: http://evil.example.com/x\r\n", status: 403},
		{name: "Sec-Fetch-Site", rule: "origins", request: get + "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", status: 403},
		{name: "token by proxy", rule: "proxies", request: put + "Host: localhost\r\nX-Forwarded-For: 192.0.2.9\r\n" + ttlHeader + ": 60\r\n", status: 403},
		{name: "token of a proxy", rule: "proxies", request: get + "Host: localhost\r\nX-Forwarded-For: 192.0.2.9\r\n" + tokenHeader + ": x\r\n", status: 403},
		{name: "URL", rule: "sizes", request: "GET /" + strings.Repeat("x", 3000) + " HTTP/1.1\r\nHost: localhost\r\n", status: 414},
		{name: "headers", rule: "sizes", request: get + "Host: localhost\r\nX-Long: " + strings.Repeat("x", 17000) + "\r\n", status: 431},
		{name: "body", rule: "sizes", request: put + "Host: localhost\r\nContent-Length: 5000\r\n", status: 413},
		{name: "chunks", rule: "sizes", request: put + "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", status: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at.move("192.0.2.7")
			if tt.from != "" {
				at.move(tt.from)
			}
			before := c.scrape(t)
			if status := c.raw(t, tt.request+"\r\n"); status != tt.status {
				t.Errorf("answered with %d, want %d", status, tt.status)
			}
			changed := c.scrape(t).since(before)
			if got := changed.of("refused_total"); !maps.Equal(got, series{fmt.Sprintf("refused_total{rule=%q}", tt.rule): 1}) {
				t.Errorf("counted as %v, want one of %s", got, tt.rule)
			}
			if got := changed.of("requests_total"); len(got) > 0 {
				t.Errorf("a refused request counts as %v", got)
			}
		})
		ruled[tt.rule] = true
	}
	for rule := range c.Sample().Refused {
		if !slices.Contains(rules, rule) {
			t.Errorf("the guard has the rule %s, the metrics not", rule)
		}
	}
	for _, rule := range rules {
		if !ruled[rule] && rule != "connections" {
			t.Errorf("nothing is refused by %s", rule)
		}
	}
}

func TestRefused_ConnectionsCountOnce(t *testing.T) {
	at := newAnywhere(t)
	c := count(t, mocked+"server: {allow_clients: [192.0.2.0/24], limits: {connections_per_client: 2}}\n", at.use)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	testutil.Eventually(t, "none is open", func() bool { return c.scrape(t)["connections"] == 0 })
	before := c.scrape(t)
	var open []net.Conn
	for range 2 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		open = append(open, conn)
	}
	testutil.Eventually(t, "both are open", func() bool { return c.scrape(t).since(before)["connections"] == 2 })
	if status := c.raw(t, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != 0 {
		t.Errorf("the third connection got %d", status)
	}
	changed := c.scrape(t).since(before)
	if got := changed.of("refused_total"); !maps.Equal(got, series{`refused_total{rule="connections"}`: 1}) {
		t.Errorf("counted as %v", got)
	}
	if got := changed["connections_total"]; got != 2 {
		t.Errorf("%v connections, want the 2 that were allowed", got)
	}
	_ = open[0].Close()
	testutil.Eventually(t, "one is closed", func() bool { return c.scrape(t).since(before)["connections"] == 1 })
	if got := c.scrape(t).since(before)["connections_total"]; got != 2 {
		t.Errorf("%v connections after one has closed, want 2", got)
	}
}

// TestRefused_HasThoseOfTheMetricsListener says that its own guard counts with the rest.
func TestRefused_HasThoseOfTheMetricsListener(t *testing.T) {
	c := count(t, mocked)
	before := c.scrape(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.pages+"metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example.com"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	changed := c.scrape(t).since(before)
	if got := changed.of("refused_total"); resp.StatusCode != http.StatusForbidden || !maps.Equal(got, series{`refused_total{rule="hosts"}`: 1}) {
		t.Errorf("%d is counted as %v", resp.StatusCode, got)
	}
	if got := changed.of("requests_total"); len(got) > 0 {
		t.Errorf("scrapes count as %v", got)
	}
}
