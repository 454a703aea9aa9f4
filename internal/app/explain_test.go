package app

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// explainedConfig has clients that differ in all that Explain looks at. Its verbs are the listeners of ECS and pods.
const explainedConfig = mockConfig + `roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}
clients:
- {from: 10.1.1.1, role: web, ec2: {instance_id: i-00000000000000001, metadata_options: {http_tokens: required}}}
- {from: 10.1.1.4, ec2: {metadata_options: {http_endpoint: disabled}}}
server: {allow_clients: [10.1.1.0/24], allow_origins: ['http://localhost:3000'], allow_hosts: [ok.example]}
ecs: {enabled: true, listen: %q}
pod_identity: {enabled: true, verify: none, listen: %q}
`

// explained is a request both to explain and to send.
type explained struct{ client, host, origin, path, imds, listener string }

func (e explained) query() string {
	q := url.Values{}
	for name, value := range map[string]string{"client": e.client, "host": e.host, "origin": e.origin, "path": e.path, "imds": e.imds, "listener": e.listener} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/v1/explain?" + q.Encode()
}

// sent is what the wire says of it.
func (e explained) sent(c *controlled, tokens map[string]string) wire {
	headers := ""
	if e.origin != "" {
		headers += "Origin: " + e.origin + "\r\n"
	}
	if e.imds == "v2" {
		headers += "X-aws-ec2-metadata-token: " + tokens[e.client] + "\r\n"
	}
	return c.rawAt(e.listener, e.client, plainGet(e.path, e.host, headers))
}

// tokenOf gets a session token as a client; "" if it gets none.
func (c *controlled) tokenOf(client string) string {
	got := c.raw(client, "PUT /latest/api/token HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nX-aws-ec2-metadata-token-ttl-seconds: 600\r\n\r\n")
	if got.status != http.StatusOK {
		return ""
	}
	return got.body
}

// startExplained starts a daemon with explainedConfig.
func startExplained(t *testing.T) (c *controlled, ecs, pods string) {
	t.Helper()
	testutil.IsolateHome(t)
	ecs, pods = testutil.FreeAddr(t), testutil.FreeAddr(t)
	return controlledBy(t, fmt.Sprintf(explainedConfig, ecs, pods)), ecs, pods
}

// TestExplain_SaysWhatTheWireDoes sends what it has explained, in all combinations.
func TestExplain_SaysWhatTheWireDoes(t *testing.T) {
	c, ecs, pods := startExplained(t)
	clients := []string{"127.0.0.1", "192.168.1.9", "10.1.1.1", "10.1.1.2", "10.1.1.4"}
	tokens := map[string]string{}
	for _, client := range clients {
		tokens[client] = c.tokenOf(client)
	}
	paths := []string{
		aPath, "/latest/meta-data//instance-id/", "/latest/meta-data/iam/security-credentials/web", "/latest/meta-data/iam/security-credentials/myrole", "/latest/none", "/",
		"/latest/api/token", "/status", "/v1/status", "/v2/credentials/x", "/creds", "/2099-01-01/", "/latest/%6deta-data/mac", "/latest/meta-data/mac?x=1",
	}
	main := c.Addrs()[0].String()
	seen := map[int]int{}
	for _, listener := range []string{main, ecs, pods} {
		for _, client := range clients {
			if listener != main && client != "127.0.0.1" {
				continue // these listeners do not change addresses
			}
			for _, host := range []string{"127.0.0.1:5000", "OK.example.", "evil.example", "[::1"} {
				for _, origin := range []string{"", "http://LOCALHOST:3000", "http://evil.example", "null"} {
					for _, path := range paths {
						for _, imds := range []string{"v1", "v2"} {
							e := explained{client, host, origin, path, imds, listener}
							v, got := ask[api.Verdict](c, http.MethodGet, e.query(), ""), e.sent(c, tokens)
							seen[v.Status]++
							if problem := contradiction(&v, got); problem != "" {
								t.Errorf("%+v: %s\nexplained %+v\nthe wire says %d %.300s", e, problem, v, got.status, got.body)
							}
						}
					}
				}
			}
		}
	}
	for _, status := range []int{200, 401, 403, 404, 405} {
		if seen[status] == 0 {
			t.Errorf("no request with %d among %v", status, seen)
		}
	}
}

// contradiction says in what a verdict differs from an answer; "" for nothing.
func contradiction(v *api.Verdict, got wire) string {
	last := v.Rules[len(v.Rules)-1]
	refused := got.status == http.StatusForbidden && got.header.Get("Connection") == "close" || got.status == 0
	switch {
	case v.Status != 0 && v.Status != got.status:
		return "another status"
	case v.Allowed != last.OK || slices.ContainsFunc(v.Rules[:len(v.Rules)-1], func(r api.Rule) bool { return !r.OK }):
		return "the last rule alone decides"
	case v.Allowed && refused:
		return "allowed, but the guard refuses"
	case !v.Allowed && v.Status < 400:
		return "refused without a status"
	case refused && last.Text+"\n" != got.body:
		return "another sentence"
	}
	return ""
}

func TestExplain_TellsTheValueThatWouldAllow(t *testing.T) {
	c, _, _ := startExplained(t)
	for _, tt := range []struct {
		query            string
		status           int
		rule, key, value string
	}{
		{"client=192.168.1.9", 403, "clients", "server.allow_clients", `["10.1.1.0/24","192.168.1.9/32"]`},
		{"client=fe80::1%25eth0", 403, "clients", "server.allow_clients", `["10.1.1.0/24","fe80::1/128"]`},
		{"client=::ffff:10.1.1.2", 200, "", "", ""},
		{"host=x.example", 403, "hosts", "server.allow_hosts", `["ok.example","x.example"]`},
		{"origin=http://x.example", 403, "origins", "server.allow_origins", `["http://localhost:3000","http://x.example"]`},
		{"path=/" + strings.Repeat("x", 3000), 414, "sizes", "server.limits.url_bytes", "3001"},
		{"client=10.1.1.1&imds=v1", 401, "http_tokens", "clients[0].ec2.metadata_options.http_tokens", "optional"},
		{"client=10.1.1.4", 403, "http_endpoint", "clients[1].ec2.metadata_options.http_endpoint", "enabled"},
		{"path=/latest/nothing", 404, "path", "", ""},
		{"", 200, "", "", ""},
	} {
		v := ask[api.Verdict](c, http.MethodGet, "/v1/explain?"+tt.query, "")
		last := v.Rules[len(v.Rules)-1]
		if v.Status != tt.status || v.Allowed != (tt.status == 200) || last.Key != tt.key || last.Value != tt.value || last.OK != v.Allowed || !last.OK && last.Name != tt.rule {
			t.Errorf("%.100s: %+v", tt.query, v)
		}
	}
}

func TestExplain_NamesTheRulesThatAllow(t *testing.T) {
	c, _, _ := startExplained(t)
	const query = "/v1/explain?client=10.1.1.1&imds=v2&host=ok.example&origin=http://localhost:3000&path=/latest/meta-data/iam/security-credentials/web"
	v := ask[api.Verdict](c, http.MethodGet, query, "")
	if !v.Allowed || v.Status != 0 || v.Entry != "clients[0]" || v.Instance != "i-00000000000000001" || v.Role != "web" {
		t.Errorf("got %+v", v)
	}
	var got strings.Builder
	for _, r := range v.Rules {
		fmt.Fprintf(&got, "%s %v: %s\n", r.Name, r.OK, r.Text)
	}
	const want = `clients true: client 10.1.1.1 is in server.allow_clients
hosts true: Host "ok.example" is allowed: no web page can have it, or server.allow_hosts lists it
origins true: pages of "http://localhost:3000" are in server.allow_origins
proxies true: no proxy has forwarded it
sizes true: it is within server.limits
identity true: clients[0]
http_endpoint true: http_endpoint is enabled
http_tokens true: IMDSv2 is served, with a valid session token
path true: the path exists for this client
credentials true: there are none yet; the daemon gets them when the first client asks
`
	if got.String() != want {
		t.Errorf("got\n%s", &got)
	}
	token := "X-aws-ec2-metadata-token: " + c.tokenOf("10.1.1.1") + "\r\n"
	if got := c.raw("10.1.1.1", plainGet("/latest/meta-data/iam/security-credentials/web", "h", token)); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	v = ask[api.Verdict](c, http.MethodGet, query, "")
	if last := v.Rules[len(v.Rules)-1]; v.Status != 200 || last.Text != "there are valid ones" {
		t.Errorf("then: %+v", v)
	}
}

// A metadata option may be of the file, of an entry, or of an event, which no key undoes.
func TestExplain_OptionNamesWhereItIs(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig+"ec2: {metadata_options: {http_tokens: required}}\nclients: [{from: 10.1.1.0/24, ec2: {instance_type: t3.nano}}]\nserver: {allow_clients: [10.1.1.0/24]}\n")
	asked := func(client string) api.Rule {
		v := ask[api.Verdict](c, http.MethodGet, "/v1/explain?imds=v1&client="+client, "")
		return v.Rules[len(v.Rules)-1]
	}
	for _, client := range []string{"127.0.0.1", "10.1.1.1"} {
		if r := asked(client); r.Key != "ec2.metadata_options.http_tokens" || r.Value != "optional" {
			t.Errorf("%s: %+v", client, r)
		}
	}
	c.settings(mockConfig + "ec2: {metadata_options: {http_tokens: optional}}\n")
	if r := asked("127.0.0.1"); !r.OK {
		t.Errorf("with the value: %+v", r)
	}
	if status, text := c.call(http.MethodPut, "/v1/events/o", `{"options": {"http_tokens": "required"}}`); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	if r := asked("127.0.0.1"); r.OK || r.Name != "http_tokens" || r.Key+r.Value != "" {
		t.Errorf("under an event: %+v", r)
	}
}

func TestExplain_WrongQuestionsAreNamed(t *testing.T) {
	c, ecs, pods := startExplained(t)
	main := c.Addrs()[0].String()
	for _, tt := range []struct{ query, field, text string }{
		{"client=me", "client", `client: "me" is not an address; write e.g. 172.17.0.2`},
		{"client=10.0.0.0/8", "client", `client: "10.0.0.0/8" is not an address; write e.g. 172.17.0.2`},
		{"host=a%0d%0ab", "host", `host: "a\r\nb" is no Host header; write e.g. localhost:5000`},
		{"host=%C3%BC", "host", `host: "ü" is no Host header; write e.g. localhost:5000`},
		{"origin=a%0ab", "origin", `origin: "a\nb" is no Origin header; write e.g. http://localhost:3000`},
		{"path=latest", "path", `path: "latest" is not the path of a request; write e.g. /latest/meta-data/`},
		{"path=http://x/y", "path", `path: "http://x/y" is not the path of a request; write e.g. /latest/meta-data/`},
		{"path=/%25zz", "path", `path: "/%zz" is not the path of a request; write e.g. /latest/meta-data/`},
		{"path=/a b", "path", `path: "/a b" is not the path of a request; write e.g. /latest/meta-data/`},
		{"path=" + strings.Repeat("x", 100), "path", `path: "` + strings.Repeat("x", 64) + `"... is not the path of a request; write e.g. /latest/meta-data/`},
		{"imds=v3", "imds", `imds: "v3" is neither v1 nor v2`},
		{"listener=x", "listener", `listener: "x" is no listener; these are: ` + main + ", " + ecs + ", " + pods},
		{"method=PUT", "method", `"method": unknown parameter; allowed: client, host, origin, path, imds, listener`},
		{"host=a&host=b", "host", "host: given more than once"},
	} {
		c.wantRefusal(http.MethodGet, "/v1/explain?"+strings.ReplaceAll(tt.query, " ", "%20"), "", 422, tt.field, tt.text)
	}
	c.wantRefusal(http.MethodPost, "/v1/explain", "", 405, "", "Method Not Allowed")
}

func TestExplain_AnInstanceThatIsOffDoesNotAnswer(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig+"faults: [{id: f, match: {paths: ['meta-data/mac']}, status: 503}]\n")
	v := ask[api.Verdict](c, http.MethodGet, "/v1/explain?path=/latest/meta-data/mac", "")
	if last := v.Rules[len(v.Rules)-1]; v.Status != 0 || !v.Allowed || last.Name != "faults" || last.Text != "1 faults are active, and may change the answer" {
		t.Errorf("under a fault: %+v", v)
	}
	if status, text := c.call(http.MethodPut, "/v1/events/s", `{"spot": "terminate", "notice": "0s", "then": "gone"}`); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	testutil.Eventually(t, "the instance is off", func() bool {
		v := ask[api.Verdict](c, http.MethodGet, "/v1/explain", "")
		last := v.Rules[len(v.Rules)-1]
		return !v.Allowed && v.Status == 0 && last.Name == "events" && last.Text == "an event says that the instance is off: there is no answer"
	})
	n := ask[api.TreeNode](c, http.MethodGet, "/v1/tree?path=meta-data/mac", "")
	if n.Status != 0 || n.Body != "an event says that the instance is off: there is no answer" {
		t.Errorf("the tree: %+v", n)
	}
	if _, hits := c.call(http.MethodGet, "/v1/faults", ""); !strings.Contains(hits, `"hits": 0`) {
		t.Errorf("it counted: %s", hits)
	}
}
