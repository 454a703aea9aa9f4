package ecs

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/web"
)

// seeds are URLs of all surfaces of the package.
var seeds = []string{
	"/v2/credentials/" + id, "/v1/credentials?id=" + id, "//v2//credentials//x//", "/v2/credentials", "/v2/credentials/", "/v1/credentials/?id=x",
	"/v1/credentials?id=%", "/v1/credentials?id=a;id=b&id", "/", "//", "/v2%2fcredentials%2F%00", "/v2/credentials/a/v2/credentials/b",
	"/creds", "/creds/", "/role/web", "/role/web/", "/role/", "/role/a/b", "/role-arn/arn:aws:iam::123456789012:role/p/web/web/",
	"/v2/metadata", "/v2/metadata/", "/v2/metadata/x/y", "/v2/metadataWithTags/", "/v2/stats/x", "/v3/" + id, "/v4/" + id + "/task/stats",
	"/v4/x/taskWithTags", "/v4/", "/v4//task", "/v4/x/", "/v3/x/associations/y",
}

func FuzzParse(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		got, ok := parse(u)
		shown := LogPath(&http.Request{URL: u})
		path := web.Clean(u.Path)
		switch {
		case !ok:
			if got != (query{}) {
				t.Errorf("not ours, but %+v", got)
			}
		case got.version == &version2:
			// It starts where the path ends, and only runs of slashes are gone.
			if web.Clean(pathV2+got.value) != path || strings.Contains(got.value, "//") || strings.HasPrefix(got.value, "/") {
				t.Errorf("id %q", got.value)
			}
			if got.value != "" && got.value != "/" && shown != "/v2/credentials/…" {
				t.Errorf("logged as %q", shown)
			}
		case got.version == &version1:
			if path != pathV1 || strings.HasSuffix(u.Path, "/") || got.value != u.Query().Get("id") {
				t.Errorf("id %q", got.value)
			}
			if shown != u.Path {
				t.Errorf("logged as %q", shown)
			}
		default:
			before := map[wanted]string{wantOwn: pathOwn, wantName: pathOf, wantARN: pathARN}[got.wanted]
			if before+got.value != path || got.value == "" && got.wanted != wantOwn {
				t.Errorf("%q by path", got.value)
			}
		}
		if strings.Contains(strings.ToLower(shown), id) {
			t.Errorf("the log shows an id: %q", shown)
		}
	})
}

func FuzzParseMetadata(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		got, ok := parseMetadata(u)
		if _, also := parse(u); ok && also {
			t.Errorf("%+v, and credentials too", got)
		}
		switch {
		case !ok:
			if got.version != 0 && got.version != 2 {
				t.Errorf("not ours, but %+v", got)
			}
		case got.version == 2:
			if got.task != (got.id == "") {
				t.Errorf("%+v", got)
			}
		case strings.Contains(got.id, "/") || got.tags && (!got.task || got.stats):
			t.Errorf("%+v", got)
		}
	})
}

// FuzzHandlers wants an answer to any path: no panic, no redirect.
func FuzzHandlers(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	log := slog.New(slog.DiscardHandler)
	credentials := NewHandler(log, always{&Service{ByPath: true, Finder: &paths{}}})
	metadata := NewMetadataHandler(log, &asked{metadata: newMetadata(sample(), nil), by: Asker{Local: true}})
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		for _, h := range []http.HandlerFunc{credentials, metadata} {
			rec := httptest.NewRecorder()
			h(rec, &http.Request{Method: http.MethodGet, URL: u, RemoteAddr: "127.0.0.1:1"})
			// 500 is version 3's answer to an unknown id.
			code := rec.Code
			if code >= 300 && code < 400 || code == http.StatusInternalServerError && strings.Contains(rec.Body.String(), "nternal server error") {
				t.Errorf("status %d: %s", code, rec.Body)
			}
		}
	})
}
