package app

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

const aPath = "/latest/meta-data/instance-id"

// refusedCase is a request that the guard refuses, and what the daemon says of it.
type refusedCase struct {
	name     string
	server   string // keys of server, in one line
	client   string
	request  string
	status   int
	rule     string
	sentence string // its beginning
	key      string
	value    string
}

func refusedCases() []refusedCase {
	const home = "127.0.0.1"
	long := strings.Repeat("x", 3000)
	return []refusedCase{
		{
			name: "client, auto", client: "192.168.1.9", request: plainGet(aPath, home, ""), status: 403, rule: "clients",
			sentence: "client 192.168.1.9 is not allowed: server.allow_clients is auto", key: "server.allow_clients", value: "auto",
		},
		{
			name: "client beside others", server: "allow_clients: [10.0.0.0/8]", client: "192.168.1.9", request: plainGet(aPath, home, ""), status: 403, rule: "clients",
			sentence: "client 192.168.1.9 is not allowed; add it to server.allow_clients: 192.168.1.9/32", key: "server.allow_clients", value: `["10.0.0.0/8","192.168.1.9/32"]`,
		},
		{
			name: "client of IPv6, the first", server: "allow_clients: []", client: "2001:db8::9", request: plainGet(aPath, home, ""), status: 403, rule: "clients",
			sentence: "client 2001:db8::9 is not allowed; add", key: "server.allow_clients", value: `["2001:db8::9/128"]`,
		},
		{
			name: "host", client: home, request: plainGet(aPath, "Imds.Example.:5000", ""), status: 403, rule: "hosts",
			sentence: `Host "Imds.Example.:5000" is not allowed: it may be a web page's (DNS rebinding); add the name`, key: "server.allow_hosts", value: `["imds.example"]`,
		},
		{
			name: "host beside another", server: "allow_hosts: [a.example]", client: home, request: plainGet(aPath, "b.example", ""), status: 403, rule: "hosts",
			sentence: `Host "b.example" is not allowed`, key: "server.allow_hosts", value: `["a.example","b.example"]`,
		},
		{
			name: "host of digits", client: home, request: plainGet(aPath, "1.2.3", ""), status: 403, rule: "hosts",
			sentence: `Host "1.2.3" is not allowed`, key: "server.allow_hosts", value: `["1.2.3"]`,
		},
		{name: "host that is no name", client: home, request: plainGet(aPath, "a_b.example", ""), status: 403, rule: "hosts", sentence: `Host "a_b.example" is not`},
		{name: "host with two dots", client: home, request: plainGet(aPath, "a..example", ""), status: 403, rule: "hosts", sentence: `Host "a..example" is not`},
		{name: "host with no port", client: home, request: plainGet(aPath, "a.example:123456", ""), status: 403, rule: "hosts", sentence: `Host "a.example:123456" is not`},
		{name: "host that is too long", client: home, request: plainGet(aPath, strings.Repeat("a.", 150)+"example", ""), status: 403, rule: "hosts", sentence: `Host "a.a.a.`},
		{name: "connect", client: home, request: "CONNECT s3.example:443 HTTP/1.1\r\nHost: s3.example:443\r\n\r\n", status: 403, rule: "hosts", sentence: "CONNECT is not allowed"},
		{
			name: "URL of another host", client: home, request: plainGet("http://s3.example/x", "s3.example", ""), status: 403, rule: "hosts",
			sentence: `"s3.example" is not the metadata service, and this daemon is not a proxy`,
		},
		{
			name: "origin", client: home, request: plainGet(aPath, home, "Origin: http://LocalHost:3000\r\n"), status: 403, rule: "origins",
			sentence: `requests of web pages are not allowed (Origin: "http://LocalHost:3000")`, key: "server.allow_origins", value: `["http://localhost:3000"]`,
		},
		{
			name: "origin beside another", server: "allow_origins: ['http://a.example']", client: home, request: plainGet(aPath, home, "Origin: https://b.example:8443\r\n"),
			status: 403, rule: "origins", sentence: "requests of web", key: "server.allow_origins", value: `["http://a.example","https://b.example:8443"]`,
		},
		{name: "origin null", client: home, request: plainGet(aPath, home, "Origin: null\r\n"), status: 403, rule: "origins", sentence: `requests of web pages are not allowed (Origin: "null")`},
		{name: "origin that is too long", client: home, request: plainGet(aPath, home, "Origin: http://"+long[:400]+".example\r\n"), status: 403, rule: "origins", sentence: "requests of web"},
		{name: "origin of an extension", client: home, request: plainGet(aPath, home, "Origin: moz-extension://f00\r\n"), status: 403, rule: "origins", sentence: "requests of web"},
		{
			name: "referer", client: home, request: plainGet(aPath, home, "Referer: http://p.example:81/secret?x=1\r\n"), status: 403, rule: "origins",
			sentence: `requests of web pages are not allowed (Referer: "http://p.example:81")`, key: "server.allow_origins", value: `["http://p.example:81"]`,
		},
		{name: "site alone", client: home, request: plainGet(aPath, home, "Sec-Fetch-Site: cross-site\r\n"), status: 403, rule: "origins", sentence: `requests of web pages are not allowed (Sec-Fetch-Site: "cross-site")`},
		{
			name: "site with a referer", client: home, request: plainGet(aPath, home, "Sec-Fetch-Site: cross-site\r\nReferer: http://p.example/\r\n"), status: 403, rule: "origins",
			sentence: `requests of web pages are not allowed (Sec-Fetch-Site: "cross-site")`, key: "server.allow_origins", value: `["http://p.example"]`,
		},
		{
			name: "token of a proxy", client: home, request: plainGet(aPath, home, "X-Forwarded-For: 10.0.0.1\r\nX-aws-ec2-metadata-token: TOKEN\r\n"), status: 403, rule: "proxies",
			sentence: "session tokens are denied to proxies (X-Forwarded-For), as on EC2", key: "server.allow_proxies", value: "true",
		},
		{
			name: "token for a proxy", client: home, request: "PUT /latest/api/token HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n",
			status: 403, rule: "proxies", sentence: "session tokens are denied to proxies", key: "server.allow_proxies", value: "true",
		},
		{
			name: "URL", client: home, request: plainGet(aPath+"?"+long, home, ""), status: 414, rule: "sizes",
			sentence: "the request's URL has 3030 bytes; server.limits.url_bytes allows 2048", key: "server.limits.url_bytes", value: "3030",
		},
		{name: "URL of no use", client: home, request: plainGet(aPath+"?"+strings.Repeat(long, 6), home, ""), status: 414, rule: "sizes", sentence: "the request's URL has 18030 bytes"},
		{
			name: "header", server: "limits: {header_bytes: 2000}", client: home, request: plainGet(aPath, home, "X-Long: "+long+"\r\n"), status: 431, rule: "sizes",
			sentence: "the request's headers have 3027 bytes; server.limits.header_bytes allows 2000", key: "server.limits.header_bytes", value: "3027",
		},
		{
			name: "body", client: home, request: plainGet(aPath, home, "Content-Length: 5000\r\n") + strings.Repeat("x", 5000), status: 413, rule: "sizes",
			sentence: "the request's body has more than the 4096 bytes that server.limits.body_bytes allows", key: "server.limits.body_bytes", value: "5000",
		},
		{name: "body of no use", client: home, request: plainGet(aPath, home, "Content-Length: 1048577\r\n"), status: 413, rule: "sizes", sentence: "the request's body has more"},
		{
			name: "body of unknown length", client: home, status: 413, rule: "sizes", sentence: "the request's body has more",
			request: plainGet(aPath, home, "Transfer-Encoding: chunked\r\n") + "1388\r\n" + strings.Repeat("x", 5000) + "\r\n0\r\n\r\n",
		},
		{
			name: "body that is broken", client: home, status: 400, rule: "sizes", sentence: "the request's body is not valid",
			request: plainGet(aPath, home, "Transfer-Encoding: chunked\r\n") + "nonsense\r\n",
		},
	}
}

// serverConfig is a configuration with keys of server.
func serverConfig(server string) string { return mockConfig + "server: {" + server + "}\n" }

// withValue is the configuration of a case with the value that allows its request.
func (r *refusedCase) withValue(key, value string) string {
	name, isLimit := strings.CutPrefix(key, "server.limits.")
	if isLimit {
		return serverConfig("limits: {" + name + ": " + value + "}")
	}
	return serverConfig(strings.TrimPrefix(key, "server.") + ": " + value)
}

// guestNetwork says that the machine has Docker's bridge.
func guestNetwork(o *Options) {
	o.Networks, _ = HostNetworks([]string{NetworksVariable + "=172.17.0.0/16"})
}

func TestRefusals_ValueAppliedLetsTheSameRequestIn(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig, guestNetwork)
	seq := int64(0)
	for _, tt := range refusedCases() {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			c.settings(serverConfig(tt.server))
			got := c.raw(tt.client, tt.request)
			if got.status != tt.status || !strings.HasPrefix(got.body, tt.sentence) {
				t.Errorf("the client sees %d %.200s", got.status, got.body)
			}
			all := ask[api.Refusals](c, http.MethodGet, fmt.Sprintf("/v1/refusals?after=%d", seq), "").Refusals
			if len(all) != 1 {
				t.Fatalf("%d refusals: %.2000v", len(all), all)
			}
			seq = all[0].Seq
			f := all[0]
			if tt.value == "auto" {
				tt.value = autoAnd(c, "192.168.1.9/32")
			}
			if f.Rule != tt.rule || f.Sentence+"\n" != got.body || f.Client != tt.client || f.Key != tt.key || f.Value != tt.value {
				t.Errorf("got %+v", f)
			}
			if method, _, _ := strings.Cut(tt.request, " "); f.Method != method || len(f.Path) > 512 || time.Since(f.Time) > time.Minute {
				t.Errorf("got %s of %d bytes at %v", f.Method, len(f.Path), f.Time)
			}
			if f.Key == "" {
				return
			}
			c.settings(tt.withValue(f.Key, f.Value))
			if now := c.raw(tt.client, tt.request); now.status != http.StatusOK && now.status != http.StatusUnauthorized { // 401: TOKEN is none
				t.Errorf("with %s: %s the client sees %d %s", f.Key, f.Value, now.status, now.body)
			}
		})
	}
}

// autoAnd is the list of what auto stands for on this machine, and one more.
func autoAnd(c *controlled, item string) string {
	var all []string
	for _, p := range c.networks.Auto() {
		all = append(all, strconv.Quote(p.String()))
	}
	return "[" + strings.Join(append(all, strconv.Quote(item)), ",") + "]"
}

func TestRefusals_ConnectionNamesTheLimitToRaise(t *testing.T) {
	testutil.IsolateHome(t)
	const limits = "allow_clients: [10.1.1.0/24], limits: {connections: %d, connections_per_client: %d}"
	for _, tt := range []struct {
		name              string
		all, each         int
		sentence          string
		key, value, apply string
	}{
		{"of one client", 10, 2, "more than 2 concurrent connections of one client; server.limits.connections_per_client allows no more", "server.limits.connections_per_client", "4", fmt.Sprintf(limits, 10, 4)},
		{"of all clients", 2, 10, "more than 2 concurrent connections; server.limits.connections allows no more", "server.limits.connections", "4", fmt.Sprintf(limits, 4, 10)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := controlledBy(t, serverConfig(fmt.Sprintf(limits, tt.all, tt.each)))
			for range 2 {
				keep := c.dial("10.1.1.1")
				_, _ = io.WriteString(keep, plainGet(aPath, "h", ""))
				_, _ = keep.Read(make([]byte, 1)) // it is counted
			}
			if got := c.raw("10.1.1.1", plainGet(aPath, "h", "")); got.status != 0 {
				t.Errorf("the third connection sees %d", got.status)
			}
			all := ask[api.Refusals](c, http.MethodGet, "/v1/refusals", "").Refusals
			if len(all) != 1 {
				t.Fatalf("%d refusals", len(all))
			}
			f := all[0]
			if f.Rule != "connections" || f.Sentence != tt.sentence || f.Key != tt.key || f.Value != tt.value || f.Client != "10.1.1.1" || f.Method+f.Path != "" {
				t.Errorf("got %+v", f)
			}
			c.settings(serverConfig(tt.apply))
			if got := c.raw("10.1.1.1", plainGet(aPath, "h", "")); got.status != http.StatusOK {
				t.Errorf("then it sees %d", got.status)
			}
		})
	}
}

// A path may hold the id of a role, which is a secret. It is not told, however it is written.
func TestRefusals_TellNoIDAndNoQuery(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig)
	const id = "11111111-2222-3333-4444-555555555555"
	for _, path := range []string{"/v2/credentials/" + id, "/v2//credentials/" + id, "/v2/credentials/%31" + id[1:], "/v1/credentials?id=" + id, "/v4/" + id + "/task", "/latest?id=" + id} {
		c.raw("127.0.0.1", plainGet(path, "evil.example", ""))
	}
	_, text := c.call(http.MethodGet, "/v1/refusals", "")
	if strings.Contains(text, id[1:]) || strings.Contains(text, "?") || strings.Count(text, `"seq"`) != 6 {
		t.Error(text)
	}
}

func TestRefusals_LongPollWaitsForOne(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig)
	if got := ask[api.Refusals](c, http.MethodGet, "/v1/refusals?timeout=1ms", ""); got.Refusals == nil || len(got.Refusals) != 0 {
		t.Errorf("without one: %+v", got)
	}
	c.raw("127.0.0.1", plainGet("/one", "evil.example", ""))
	if got := ask[api.Refusals](c, http.MethodGet, "/v1/refusals?timeout=10m", ""); len(got.Refusals) != 1 {
		t.Errorf("one that is there: %+v", got)
	}
	answered := make(chan api.Refusals, 1)
	go func() { answered <- ask[api.Refusals](c, http.MethodGet, "/v1/refusals?after=1&timeout=10m", "") }()
	testutil.Eventually(t, "the call waits", func() bool { return goroutines("journal.(*Journal).WaitRefusal") == 1 })
	c.raw("127.0.0.1", plainGet("/two", "evil.example", ""))
	if got := <-answered; len(got.Refusals) != 1 || got.Refusals[0].Path != "/two" || got.Refusals[0].Seq != 2 {
		t.Errorf("got %+v", got)
	}
	for query, text := range map[string]string{
		"after=x": `after: "x" is not a number from 0 on`, "after=-1": `after: "-1" is not a number from 0 on`, "after=99999999999999999999": `after: "99999999999999999999" is not a number from 0 on`,
		"timeout=1": `timeout: "1" is not a duration from 0s to 10m; write e.g. 30s`, "timeout=11m": `timeout: "11m" is not a duration from 0s to 10m; write e.g. 30s`,
	} {
		field, _, _ := strings.Cut(query, "=")
		c.wantRefusal(http.MethodGet, "/v1/refusals?"+query, "", 422, field, text)
	}
	c.wantRefusal(http.MethodGet, "/v1/refusals?path=x", "", 422, "path", `"path": unknown parameter; allowed: after, timeout`)
	c.wantRefusal(http.MethodGet, "/v1/refusals?after=1&after=2", "", 422, "after", "after: given more than once")
}

func TestRefusals_HostileTextsComeThroughAsText(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig)
	const script = "<script>alert(1)</script>"
	c.raw("127.0.0.1", plainGet("/latest/"+url.PathEscape(script+"\u202e\x00")+strings.Repeat("%ff", 400), "h", "Origin: "+script+"\xff\u2028\r\n"))
	got := ask[api.Refusals](c, http.MethodGet, "/v1/refusals", "").Refusals
	if len(got) != 1 {
		t.Fatalf("%d refusals", len(got))
	}
	f := got[0]
	if len(f.Path) != 512 || !strings.HasPrefix(f.Path, "/latest/%3Cscript%3E") || f.Key != "" || f.Value != "" {
		t.Errorf("path %q, key %q, value %q", f.Path, f.Key, f.Value)
	}
	if want := `requests of web pages are not allowed (Origin: "<script>alert(1)</script>\xff\u2028"); to allow this page, add its origin to server.allow_origins`; f.Sentence != want {
		t.Errorf("got %s", f.Sentence)
	}
	if _, text := c.call(http.MethodGet, "/v1/refusals", ""); strings.ContainsAny(text, "<>\u2028") {
		t.Errorf("the JSON could end a script: %s", text)
	}
}
