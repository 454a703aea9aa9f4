package app

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/testutil"
)

// fuzzed is the control API of a daemon that has been started, but serves no client.
func fuzzed(f *testing.F) http.Handler {
	f.Helper()
	testutil.IsolateHome(f)
	path := testutil.Write(f, "c.yaml", mockConfig+"roles: {web: {iam_role: '"+webARN+"'}}\nclients: [{from: 10.1.1.1, role: web}]\n"+
		"metadata: {meta-data/x/y: SECRET}\nec2: {user_data: SECRET}\nserver: {allow_clients: [10.1.1.0/24], allow_origins: ['http://localhost:3000']}\n")
	a, err := New(f.Context(), options(load(f, path)))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(a.Close)
	return control.Handler(a, slog.New(slog.DiscardHandler))
}

// asked asks a handler, whose answers are all JSON.
func asked(t *testing.T, h http.Handler, target string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/v1/status", nil)
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = u
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	body := rec.Body.String()
	if !json.Valid(rec.Body.Bytes()) || rec.Code != http.StatusOK && rec.Code != http.StatusUnprocessableEntity || len(body) > 1<<20 {
		t.Fatalf("%s: %d %.2000s", target, rec.Code, body)
	}
	return rec.Code, body
}

func FuzzExplain_AnswersAnyQuestion(f *testing.F) {
	h := fuzzed(f)
	f.Add("10.1.1.1", "h", "http://localhost:3000", "/latest/meta-data/", "v1", "")
	f.Add("::ffff:10.1.1.1", "[::1]:1", "null", "//latest//api/token/", "v2", "127.0.0.1:0")
	f.Add("fe80::1%eth0", "a.b.:99999999", "\x00", "/%2e%2e/%zz?a=%", "v3", "x")
	f.Fuzz(func(t *testing.T, client, host, origin, path, imds, listener string) {
		q := url.Values{"client": {client}, "host": {host}, "origin": {origin}, "path": {path}, "imds": {imds}, "listener": {listener}}
		status, body := asked(t, h, "/v1/explain?"+q.Encode())
		if status != http.StatusOK {
			var r api.Refusal
			if err := json.Unmarshal([]byte(body), &r); err != nil || q[r.Field] == nil || len(r.Text) > 1000 {
				t.Fatalf("%s", body)
			}
			return
		}
		var v api.Verdict
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if wrong := slices.IndexFunc(v.Rules, func(r api.Rule) bool { return !r.OK }); v.Allowed != (wrong < 0) || wrong >= 0 && wrong != len(v.Rules)-1 || v.Status >= 400 == v.Allowed && v.Status != 0 {
			t.Errorf("%s", body)
		}
	})
}

func FuzzTree_ShowsAnyPathWithoutSecrets(f *testing.F) {
	h := fuzzed(f)
	f.Add("meta-data/x/y", "", "10.1.1.1")
	f.Add("//user-data//", "2021-07-15", "")
	f.Add("/1.0/meta-data/../user-data", "latest/user-data", "::1")
	f.Fuzz(func(t *testing.T, path, version, client string) {
		q := url.Values{"path": {path}, "version": {version}, "client": {client}}
		status, body := asked(t, h, "/v1/tree?"+q.Encode())
		if strings.Contains(body, "SECRET") && !strings.Contains(path+version+client, "SECRET") {
			t.Errorf("a secret: %s", body)
		}
		var n api.TreeNode
		if err := json.Unmarshal([]byte(body), &n); err != nil || status == http.StatusOK && !strings.HasPrefix(n.Path, "/") {
			t.Errorf("%s", body)
		}
	})
}

func FuzzStream_RefusesWhatIsNoPosition(f *testing.F) {
	h := fuzzed(f)
	for _, text := range []string{"0", "-1", "1e3", "9223372036854775808", "", " 1", "+1", "0x1"} {
		f.Add(text, "requests,x")
	}
	f.Fuzz(func(t *testing.T, after, topics string) {
		if status, body := asked(t, h, "/v1/stream?"+url.Values{"after": {after}, "topics": {topics + ",x"}}.Encode()); status != 422 || len(body) > 1000 {
			t.Errorf("%d %s", status, body)
		}
	})
}
