package metrics

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestServer_HasThreePages also asks the paths of profiles, which only builds with the tag pprof have.
func TestServer_HasThreePages(t *testing.T) {
	d := start(t)
	for _, tt := range []struct {
		method, path string
		status       int
		body         string // exact; "" for any
	}{
		{"GET", "/metrics", 200, ""},
		{"HEAD", "/metrics", 200, ""},
		{"GET", "//metrics/", 200, ""},
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"HEAD", "/readyz", 200, ""},
		{"GET", "/", 404, "there are /metrics, /healthz and /readyz\n"},
		{"GET", "/metric", 404, "there are /metrics, /healthz and /readyz\n"},
		{"GET", "/metrics/x", 404, "there are /metrics, /healthz and /readyz\n"},
		{"GET", "/status", 404, "there are /metrics, /healthz and /readyz\n"},
		{"GET", "/latest/meta-data/", 404, "there are /metrics, /healthz and /readyz\n"},
		{"POST", "/none", 404, "there are /metrics, /healthz and /readyz\n"},
		{"POST", "/metrics", 405, "only GET and HEAD are allowed\n"},
		{"PUT", "/healthz", 405, "only GET and HEAD are allowed\n"},
		{"DELETE", "/readyz", 405, "only GET and HEAD are allowed\n"},
		{"OPTIONS", "/metrics", 405, "only GET and HEAD are allowed\n"},
		{"PROPFIND", "/metrics", 405, "only GET and HEAD are allowed\n"},
	} {
		got := ask(t, tt.method, d.base+tt.path)
		if got.status != tt.status || tt.body != "" && got.body != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, got.status, got.body, tt.status, tt.body)
		}
		if allow := got.header.Get("Allow"); (allow == "GET, HEAD") != (got.status == 405) {
			t.Errorf("%s %s: Allow: %s", tt.method, tt.path, allow)
		}
		if tt.method == "HEAD" && got.body != "" {
			t.Errorf("HEAD %s has a body", tt.path)
		}
	}
}

// TestServer_IsNotAtTheMetadataService asks for its pages where credentials are.
func TestServer_IsNotAtTheMetadataService(t *testing.T) {
	d := start(t)
	unknown := ask(t, "GET", d.url+"none")
	for _, path := range []string{"metrics", "healthz", "readyz", "debug/pprof/"} {
		if got := ask(t, "GET", d.url+path); got.status != 404 || got.body != unknown.body {
			t.Errorf("/%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestServer_HasTheGuardsRules(t *testing.T) {
	d := start(t, "server.allow_origins=[http://localhost:3000]", "server.allow_hosts=[daemon.example]")
	before := value(t, d.scrape(t), `mock_ec2_metadata_refused_total{rule="hosts"}`)
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/none"} {
		for _, header := range []string{"Host: rebind.example", "Origin: http://rebind.example", "Sec-Fetch-Site: cross-site", "Referer: http://rebind.example/"} {
			if got := ask(t, "GET", d.base+path, header); got.status != 403 || strings.Contains(got.body, "# ") {
				t.Errorf("%s with %s: %d %s", path, header, got.status, got.body)
			}
		}
		r := httptest.NewRequest("GET", path, nil)
		r.Host, r.RemoteAddr = "127.0.0.1:5080", "192.0.2.7:40000"
		rec := httptest.NewRecorder()
		d.metrics.http.Handler.ServeHTTP(rec, r)
		if rec.Code != 403 || !strings.Contains(rec.Body.String(), "server.allow_clients") {
			t.Errorf("%s of a foreign client: %d %s", path, rec.Code, rec.Body)
		}
	}
	for _, header := range []string{"Host: daemon.example", "Host: localhost", "Origin: http://localhost:3000", "Sec-Fetch-Site: none"} {
		if got := ask(t, "GET", d.base+"/metrics", header); got.status != 200 {
			t.Errorf("%s: %d %s", header, got.status, got.body)
		}
	}
	if after := value(t, d.scrape(t), `mock_ec2_metadata_refused_total{rule="hosts"}`); after != before+4 {
		t.Errorf("%v refusals by the Host, want %v", after, before+4)
	}
}

const (
	plainType = "text/plain; version=0.0.4; charset=utf-8"
	openType  = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// TestServer_TypesAreThoseOfPrometheus asks as servers do: 2.42, 3 and 3 with native histograms. The library adds how it spells names
// that are not plain, as far as the server has asked for that; ours all are. Servers look at the type alone, before the first semicolon.
func TestServer_TypesAreThoseOfPrometheus(t *testing.T) {
	d := start(t)
	for _, tt := range []struct{ name, accept, want string }{
		{"nothing", "", plainType + "; escaping=underscores"},
		{"curl", "*/*", plainType + "; escaping=underscores"},
		{"a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", plainType + "; escaping=underscores"},
		{"plain", "text/plain", plainType + "; escaping=underscores"},
		{"Prometheus 2", "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", openType + "; escaping=underscores"},
		{
			"Prometheus 3",
			"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
			openType + "; escaping=allow-utf-8",
		},
		{"native histograms", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + openType + ";q=0.6", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores"},
		{"something else", "image/png", plainType + "; escaping=underscores"},
	} {
		got := ask(t, "GET", d.base+"/metrics", "Accept: "+tt.accept)
		kind := got.header.Get("Content-Type")
		if tt.want != "" && kind != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, kind, tt.want)
		}
		if open := strings.HasPrefix(kind, openType); open != strings.HasSuffix(got.body, "# EOF\n") {
			t.Errorf("%s: %s ends with %q", tt.name, kind, got.body[max(0, len(got.body)-40):])
		}
		if got.header.Get("X-Content-Type-Options") != "" && got.status == 200 {
			t.Errorf("%s: the library's answer has changed", tt.name)
		}
	}
}

// TestServer_LinterIsSilent asks what promtool check metrics looks at.
func TestServer_LinterIsSilent(t *testing.T) {
	d := start(t)
	problems, err := promlint.New(strings.NewReader(d.scrape(t))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// sampleLine is one of the two text formats: name, labels and value, without a time or an exemplar.
var sampleLine = regexp.MustCompile(`^([a-z0-9_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})? ([-+.0-9eInfNa]+)$`)

// TestServer_OpenMetricsHasTheFormat checks the rules of OpenMetrics 1.0 that differ from the plain format.
func TestServer_OpenMetricsHasTheFormat(t *testing.T) {
	d := start(t)
	body := ask(t, "GET", d.base+"/metrics", "Accept: "+openType).body
	text, ended := strings.CutSuffix(body, "# EOF\n")
	if !ended || strings.Contains(text, "# EOF") {
		t.Fatal("it does not end with one # EOF")
	}
	kinds, family, done := map[string]string{}, "", map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if fields := strings.Fields(line); fields[0] == "#" {
			if fields[2] != family {
				if done[fields[2]] {
					t.Errorf("%s comes twice", fields[2])
				}
				family, done[fields[2]] = fields[2], true
			}
			if fields[1] == "TYPE" {
				kinds[family] = fields[3]
			}
			continue
		}
		match := sampleLine.FindStringSubmatch(line)
		if match == nil {
			t.Errorf("not a sample: %s", line)
			continue
		}
		suffixes := map[string][]string{"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_count", "_sum"}}[kinds[family]]
		if !slices.ContainsFunc(suffixes, func(suffix string) bool { return match[1] == family+suffix }) {
			t.Errorf("%s in the family %s, a %s", match[1], family, kinds[family])
		}
	}
	if kinds["mock_ec2_metadata_requests"] != "counter" || kinds["process_cpu_seconds"] != "counter" || kinds["mock_ec2_metadata_connections"] == "" {
		t.Errorf("the families are %v", kinds)
	}
	if strings.Contains(body, "_created") {
		t.Error("it has times of creation")
	}
}

func TestServer_CompressesOnRequest(t *testing.T) {
	d := start(t)
	got := ask(t, "GET", d.base+"/metrics", "Accept-Encoding: gzip")
	if got.header.Get("Content-Encoding") != "gzip" || !slices.Contains(got.header["Vary"], "Accept-Encoding") {
		t.Fatalf("the headers are %v", got.header)
	}
	r, err := gzip.NewReader(bytes.NewReader([]byte(got.body)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !bytes.Contains(text, []byte("mock_ec2_metadata_build_info{")) || len(text) < 4*len(got.body) {
		t.Errorf("%d bytes of %d: %v", len(got.body), len(text), err)
	}
	if plain := ask(t, "GET", d.base+"/metrics", "Accept-Encoding: identity"); plain.header.Get("Content-Encoding") != "" {
		t.Errorf("uninvited: %v", plain.header)
	}
}

// value is that of a series in the plain format.
func value(t testing.TB, scrape, series string) float64 {
	t.Helper()
	v, ok := values(t, scrape)[series]
	if !ok {
		t.Fatalf("there is no %s", series)
	}
	return v
}
