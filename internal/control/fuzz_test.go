package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// FuzzHandler sends any request to a daemon that can do all that it is asked. No answer is 500, and none changes something but as told.
func FuzzHandler(f *testing.F) {
	paths := []string{
		"/v1/status", "/v1/reload", "/v1/mfa", "/v1/events", "/v1/events/a", "/v1/events/a/wait?timeout=0s", "/v1/faults", "/v1/faults/a", "/v1/requests?after=1",
		"/v1/state?after=1&timeout=0s", "/v1/events/%2e%2e", "/v1/events/a%2Fwait", "/v1//events", "*", "", "//x/v1/events/a", "/v1/events/%", "/v1/state?%zz",
	}
	for _, method := range []string{"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "FOO", ""} {
		for _, path := range paths {
			f.Add(method, path, jsonType, `{"id": "a"}`)
			f.Add(method, path, "", "")
		}
	}
	f.Add("PUT", "/v1/events/a", jsonType, `{"id": null, "id": [1, {"id": "b"}]`)
	f.Add("PUT", "/v1/events/a", jsonType, strings.Repeat("[", 20_000))
	f.Add("POST", "/v1/faults", "application/json; charset=\xff", "\x00")
	f.Fuzz(func(t *testing.T, method, target, contentType, body string) {
		raw, query, _ := strings.Cut(target, "?")
		path, err := url.PathUnescape(raw)
		if err != nil || strings.Contains(query, "timeout") && !strings.Contains(query, "timeout=0s") {
			return // net/http refuses it; it would wait
		}
		u := &url.URL{Path: path, RawPath: raw, RawQuery: query}
		if u.EscapedPath() != raw || (&url.URL{Path: path}).EscapedPath() == raw {
			u.RawPath = "" // as url.Parse has it
		}
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Content-Type", contentType)
		d, log := &fakeDaemon{}, new(testutil.Buffer)
		rec := httptest.NewRecorder()
		if path == "/v1/state" || strings.HasSuffix(path, "/wait") {
			ctx, cancel := context.WithCancel(r.Context())
			cancel() // a default timeout would pass
			r = r.WithContext(ctx)
		}
		Handler(d, slog.New(slog.NewTextHandler(log, nil))).ServeHTTP(rec, r)
		if rec.Code >= 500 || log.String() != "" {
			t.Errorf("%s %q %q: %d %s\n%s", method, target, body, rec.Code, rec.Body, log)
		}
		if rec.Code != http.StatusNoContent && !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		for _, e := range d.Events() {
			if checkID(e.ID) != nil || rec.Code != http.StatusCreated || !slices.Contains([]string{"PUT", "POST"}, method) || !strings.Contains(path, "/events") {
				t.Errorf("%s %q has made %q: %d", method, target, e.ID, rec.Code)
			}
			if own, ok := bodyID([]byte(body)); ok && own != e.ID {
				t.Errorf("%s %q: %q has the id %q", method, target, body, e.ID)
			}
		}
	})
}
