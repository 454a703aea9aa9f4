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

// viewedConfig has a value of each origin. Line numbers matter.
const viewedConfig = `credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/myrole'}
ec2:
  instance_id: i-00000000000000009
  user_data: "#!/bin/sh\necho secret-of-user-data\n"
  key_pairs: [{name: my key, public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx7qZtR1vYkz1C3zDgQb6cJcI3S1x5eYc8bq2mJ0QbP"}]
  tags: {Team: "<script>alert(1)</script>", plain: p}
  metadata_options: {instance_metadata_tags: enabled}
aws: {region: eu-west-1}
metadata:
  meta-data/secret-thing: secret-of-metadata
  meta-data/spare: null
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/web'}
clients:
- from: 10.1.1.1
  role: web
  ec2:
    instance_id: i-00000000000000001
  metadata: {meta-data/own-thing: secret-of-entry}
server: {allow_clients: [10.1.1.0/24]}
`

// view asks for a path as the tree shows it.
func (c *controlled) view(query ...string) api.TreeNode {
	c.t.Helper()
	q := url.Values{}
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	return ask[api.TreeNode](c, http.MethodGet, "/v1/tree?"+q.Encode(), "")
}

func startViewed(t *testing.T) *controlled {
	t.Helper()
	testutil.IsolateHome(t)
	return controlledBy(t, viewedConfig)
}

// TestTree_EveryPathIsWhatTheWireAnswers walks the tree from its root by the children that it tells.
func TestTree_EveryPathIsWhatTheWireAnswers(t *testing.T) {
	c := startViewed(t)
	for _, client := range []string{"127.0.0.1", "10.1.1.1"} {
		seen := map[string]bool{}
		var walk func(path string)
		walk = func(path string) {
			if seen[path] {
				t.Fatalf("%s comes twice", path)
			}
			seen[path] = true
			n := c.view("path", path, "client", client, "reveal", "true")
			got := c.raw(client, plainGet(strings.ReplaceAll(path, "%", "%25"), "h", ""))
			if n.Path != path || n.Status != got.status || n.Bytes != len(got.body) || n.ContentType != got.header.Get("Content-Type") {
				t.Errorf("%s: %+v\nthe wire says %d %s, %d bytes", path, n, got.status, got.header.Get("Content-Type"), len(got.body))
			}
			switch isSecret := strings.Contains(path, "/security-credentials/") || strings.Contains(path, "-extended/"); {
			case isSecret != n.Masked:
				t.Errorf("%s: masked is %v", path, n.Masked)
			case !isSecret && n.Body != got.body:
				t.Errorf("%s: %q, want %q", path, n.Body, got.body)
			case isSecret && !maskedOnly(n.Body, got.body):
				t.Errorf("%s: %s\nwant %s", path, n.Body, got.body)
			}
			if n.Origin == "" || n.Folded {
				t.Errorf("%s: origin %q, folded %v", path, n.Origin, n.Folded)
			}
			for _, child := range n.Children {
				walk(strings.TrimSuffix(path, "/") + "/" + strings.TrimSuffix(child, "/"))
			}
		}
		for version := range strings.FieldsSeq(c.view("path", "/").Body) {
			if version == "latest" || version == "1.0" {
				walk("/" + version)
			}
		}
		state := c.State()
		target := state.Target.Tree
		for _, path := range target.Paths() { // as check lists them
			if path = strings.TrimSuffix(path, "/"); client == "127.0.0.1" && target.Lookup(path) != nil && !seen[path] { // no listing has it
				walk(path)
			}
		}
		if len(seen) < 85 {
			t.Errorf("%d paths", len(seen))
		}
	}
}

// maskedOnly reports whether a document differs from the true one in values that are masks alone.
func maskedOnly(shown, truth string) bool {
	a, b := strings.Split(shown, "\n"), strings.Split(truth, "\n")
	if len(a) != len(b) {
		return false
	}
	masks := 0
	for i := range a {
		key, _, _ := strings.Cut(strings.TrimSpace(b[i]), " ")
		if slices.Contains([]string{`"AccessKeyId"`, `"SecretAccessKey"`, `"Token"`}, key) {
			masks++
			if a[i] == b[i] {
				return false
			}
		} else if a[i] != b[i] {
			return false
		}
	}
	return masks == 3
}

func TestTree_TellsWhereValuesComeFrom(t *testing.T) {
	c := startViewed(t)
	const file = "conf/config.yaml:"
	for _, tt := range []struct{ path, client, origin string }{
		{"meta-data/instance-id", "", file + "3"},
		{"meta-data/instance-id", "10.1.1.1", file + "18"},
		{"user-data", "", file + "4"},
		{"user-data", "10.1.1.1", file + "4"},
		{"meta-data/placement/region", "", file + "8"},
		{"meta-data/placement/availability-zone", "", "derived"},
		{"meta-data/ami-id", "", "derived"},
		{"meta-data/secret-thing", "", file + "10"},
		{"meta-data/secret-thing", "10.1.1.1", file + "10"},
		{"meta-data/own-thing", "10.1.1.1", file + "19"},
		{"meta-data/iam/info", "", file + "1"},
		{"meta-data/iam/info", "10.1.1.1", file + "13"},
		{"meta-data/iam/info", "10.1.1.2", file + "1"},
		{"meta-data", "", "derived"},
		{"dynamic/instance-identity/document", "", "derived"},
	} {
		query := []string{"path", tt.path}
		if tt.client != "" {
			query = append(query, "client", tt.client)
		}
		if n := c.view(query...); n.Origin != tt.origin || n.Status != 200 {
			t.Errorf("%s of %q: %+v", tt.path, tt.client, n)
		}
	}
}

func TestTree_EventIsTheOriginForThoseWhoSeeIt(t *testing.T) {
	c := startViewed(t)
	for _, e := range []struct{ id, body string }{
		{"all", `{"set": {"meta-data/other": "by-event", "meta-data/new": "n"}}`},
		{"some", `{"set": {"meta-data/instance-id": "i-00000000000000007", "meta-data/new": "for-some"}, "clients": ["10.1.1.0/24"]}`},
		{"spot", `{"spot": "terminate"}`},
		{"later", `{"set": {"meta-data/other": "not yet"}, "in": "1h"}`},
		{"take", `{"first_clients": 1, "set": {"meta-data/first": "f"}}`},
	} {
		if status, text := c.call(http.MethodPut, "/v1/events/"+e.id, e.body); status/100 != 2 {
			t.Fatalf("%s: %d %s", e.id, status, text)
		}
	}
	for _, tt := range []struct {
		path, client, origin, body string
		status                     int
	}{
		{"meta-data/other", "127.0.0.1", "event:all", "by-event", 200},
		{"meta-data/new", "127.0.0.1", "event:all", "n", 200},
		{"meta-data/new", "10.1.1.2", "event:some", "for-some", 200},
		{"meta-data/instance-id", "127.0.0.1", "conf/config.yaml:3", "i-00000000000000009", 200},
		{"meta-data/instance-id", "10.1.1.2", "event:some", "i-00000000000000007", 200},
		{"meta-data/spot/instance-action", "127.0.0.1", "event:spot", "", 200},
		{"meta-data/first", "127.0.0.1", "", "", 404}, // looking does not make it a client
		{"meta-data/first", "10.1.1.2", "", "", 404},
	} {
		n := c.view("path", tt.path, "client", tt.client, "reveal", "true")
		if n.Origin != tt.origin || n.Status != tt.status || tt.body != "" && n.Body != tt.body {
			t.Errorf("%s of %s: %+v", tt.path, tt.client, n)
		}
	}
	if got := c.raw("10.1.1.2", plainGet("/latest/meta-data/first", "h", "")); got.body != "f" {
		t.Errorf("the first client gets %d %s", got.status, got.body)
	}
	if n := c.view("path", "meta-data/first", "client", "10.1.1.2"); n.Status != 200 || n.Origin != "event:take" {
		t.Errorf("then the tree has %+v", n)
	}
	for _, e := range ask[api.Events](c, http.MethodGet, "/v1/events", "").Events {
		if want := map[string]int64{"take": 1}[e.ID]; e.Hits != want {
			t.Errorf("%s: %d hits", e.ID, e.Hits)
		}
	}
}

func TestTree_FoldsWhatUsersWrite(t *testing.T) {
	c := startViewed(t)
	for path, secret := range map[string]string{
		"user-data": "#!/bin/sh\necho secret-of-user-data\n", "meta-data/secret-thing": "secret-of-metadata", "/2021-07-15/user-data": "#!/bin/sh\necho secret-of-user-data\n",
	} {
		for _, reveal := range []string{"", "false"} {
			if n := c.view("path", path, "reveal", reveal); !n.Folded || n.Body != "" || n.Bytes != len(secret) {
				t.Errorf("%s: %+v", path, n)
			}
		}
		if n := c.view("path", path, "reveal", "true"); n.Folded || n.Body != secret {
			t.Errorf("%s: %+v", path, n)
		}
	}
	if n := c.view("path", "meta-data/own-thing", "client", "10.1.1.1"); !n.Folded {
		t.Errorf("an entry's: %+v", n)
	}
}

func TestTree_OtherClientsAndVersions(t *testing.T) {
	c := startViewed(t)
	roles := "meta-data/iam/security-credentials"
	for _, tt := range []struct {
		query  []string
		path   string
		status int
		body   string
	}{
		{[]string{"path", roles}, "/latest/" + roles, 200, "myrole"},
		{[]string{"path", roles, "client", "10.1.1.1"}, "/latest/" + roles, 200, "web"},
		{[]string{"path", roles + "/myrole", "client", "10.1.1.1"}, "/latest/" + roles + "/myrole", 404, ""},
		{[]string{"path", "meta-data/instance-id", "client", "10.1.1.1"}, "/latest/meta-data/instance-id", 200, "i-00000000000000001"},
		{[]string{"path", "meta-data/instance-id", "client", "10.1.1.2"}, "/latest/meta-data/instance-id", 200, "i-00000000000000009"},
		{[]string{"path", "/1.0/meta-data/instance-id"}, "/1.0/meta-data/instance-id", 200, "i-00000000000000009"},
		{[]string{"path", "meta-data/tags/instance/plain", "version", "1.0"}, "/1.0/meta-data/tags/instance/plain", 404, ""},
		{[]string{"path", "meta-data//mac/", "version", "latest"}, "/latest/meta-data/mac", 200, ""},
		{[]string{"path", "meta-data", "version", "1999-01-01"}, "/1999-01-01/meta-data", 404, ""},
		{[]string{"path", "api/token"}, "/latest/api/token", 405, ""},
		{[]string{}, "/latest", 200, "dynamic\nmeta-data\nuser-data"},
		{[]string{"path", "/status"}, "/status", 404, ""},
		{[]string{"path", "meta-data/mac", "client", "192.168.1.9"}, "/latest/meta-data/mac", 403, "client 192.168.1.9 is not allowed; add it to server.allow_clients: 192.168.1.9/32"},
	} {
		n := c.view(tt.query...)
		if n.Path != tt.path || n.Status != tt.status || tt.body != "" && n.Body != tt.body {
			t.Errorf("%q: %+v", tt.query, n)
		}
	}
	keys := c.view("path", "meta-data/public-keys")
	if keys.Body != "0=my key" || !slices.Equal(keys.Children, []string{"0/"}) {
		t.Errorf("keys: %+v", keys)
	}
	if tags := c.view("path", "meta-data/tags/instance"); !slices.Equal(tags.Children, []string{"Team", "plain"}) {
		t.Errorf("tags: %+v", tags)
	}
	if n := c.view("path", "meta-data/tags/instance/Team"); n.Body != "<script>alert(1)</script>" {
		t.Errorf("a tag: %+v", n)
	}
	if _, text := c.call(http.MethodGet, "/v1/tree?path=meta-data/tags/instance/Team", ""); strings.ContainsAny(text, "<>") {
		t.Errorf("the JSON could end a script: %s", text)
	}
	c.wantRefusal(http.MethodGet, "/v1/tree?client=x", "", 422, "client", `client: "x" is not an address; write e.g. 172.17.0.2`)
	c.wantRefusal(http.MethodGet, "/v1/tree?reveal=yes", "", 422, "reveal", `reveal: "yes" is neither true nor false`)
	c.wantRefusal(http.MethodGet, "/v1/tree?host=x", "", 422, "host", `"host": unknown parameter; allowed: path, version, client, reveal`)
	if n := ask[api.Requests](c, http.MethodGet, "/v1/requests?path=meta-data/**", ""); len(n.Requests) != 0 {
		t.Errorf("looking counts as requests: %+v", n)
	}
}

// Who looks has no session token, and needs none.
func TestTree_ShowsWhatNeedsAToken(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig+"ec2: {instance_id: i-00000000000000009, metadata_options: {http_tokens: required}}\n")
	if n := c.view("path", "meta-data/instance-id"); n.Status != 200 || n.Body != "i-00000000000000009" {
		t.Errorf("got %+v", n)
	}
	if got := c.raw("127.0.0.1", plainGet(aPath, "h", "")); got.status != 401 {
		t.Errorf("a client without a token gets %d", got.status)
	}
}

func TestTree_LargeBodiesAreCut(t *testing.T) {
	testutil.IsolateHome(t)
	large := strings.Repeat("\u00e9", 5000) + "\\xff"
	var values strings.Builder
	for i := range 9 {
		fmt.Fprintf(&values, "  meta-data/big/%d: \"%s\"\n", i, large)
	}
	c := controlledBy(t, mockConfig+"ec2: {user_data: 'a \u202e<i>'}\nmetadata:\n"+values.String())
	n := c.view("path", "meta-data/big/1", "reveal", "true")
	if n.Bytes < 10_000 || len(n.Body) > maxShown || !strings.HasPrefix(n.Body, "\u00e9\u00e9") {
		t.Errorf("%d bytes, %d shown", n.Bytes, len(n.Body))
	}
	if n := c.view("path", "user-data", "reveal", "true"); n.Body != "a \u202e<i>" {
		t.Errorf("got %q", n.Body)
	}
	if got := shown([]byte(strings.Repeat("\u00e9", maxShown))); len(got) != maxShown {
		t.Errorf("%d bytes", len(got))
	}
	if got := shown([]byte("a\xff\xfeb")); got != "a\uFFFDb" {
		t.Errorf("got %q", got)
	}
}
