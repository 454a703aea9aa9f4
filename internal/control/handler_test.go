package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
)

// ask sends a request to the handler of a daemon.
func ask(d Daemon, method, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	Handler(d, slog.New(slog.DiscardHandler)).ServeHTTP(rec, r)
	return rec
}

const jsonType = "application/json"

func TestHandler_AnswersInJSON(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, body string
		into, want               any
	}{
		{
			name: "status", method: http.MethodGet, path: "/v1/status",
			into: new(api.Overview), want: overviewWithoutIDs(),
		},
		{
			name: "reload", method: http.MethodPost, path: "/v1/reload",
			into: new(api.Config), want: &api.Config{File: "c.yaml", Warnings: []string{"odd"}},
		},
		{
			name: "mfa", method: http.MethodPost, path: "/v1/mfa", body: `{"code": "123456"}`,
			into: new(api.MFAResult), want: &api.MFAResult{Result: "credentials by 123456"},
		},
		{
			name: "mfa of a role", method: http.MethodPost, path: "/v1/mfa", body: `{"code": "123456", "role": "web"}`,
			into: new(api.MFAResult), want: &api.MFAResult{Result: "credentials by 123456 web"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := ask(&fakeDaemon{}, tt.method, tt.path, jsonType, tt.body)
			if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != jsonType || !strings.HasSuffix(rec.Body.String(), "}\n") {
				t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
			}
			if strings.Contains(rec.Body.String(), "secret-id") {
				t.Errorf("it tells the id of a role: %s", rec.Body)
			}
			if err := json.Unmarshal(rec.Body.Bytes(), tt.into); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.into); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHandler_RefusesWrongRequests(t *testing.T) {
	const code = `{"code": "123456"}`
	for _, tt := range []struct {
		name        string
		method      string // POST if empty
		path        string // /v1/mfa if empty
		contentType string
		body        string
		status      int
		want        string
	}{
		{name: "no content type", body: code, status: 415, want: "send Content-Type: application/json"},
		{name: "a form", contentType: "application/x-www-form-urlencoded", body: code, status: 415, want: "send Content-Type: application/json"},
		{name: "malformed content type", contentType: "application/json; =", body: code, status: 415, want: "send Content-Type: application/json"},
		{name: "no body", contentType: jsonType, status: 422, want: "EOF"},
		{name: "no JSON", contentType: jsonType, body: "123456 or so", status: 422, want: "the body is a number; send a JSON object"},
		{name: "wrong type", contentType: jsonType, body: `{"code": 123456}`, status: 422, want: "code: is a number; send another type, such as text in quotes"},
		{name: "unknown field", contentType: jsonType, body: `{"code": "123456", "device": "x"}`, status: 422, want: `json: unknown field "device"`},
		{name: "two documents", contentType: jsonType, body: code + code, status: 422, want: "the body has more than one JSON document"},
		{name: "text after it", contentType: jsonType, body: code + "x", status: 422, want: "the body has more than one JSON document"},
		{name: "too large", contentType: jsonType, body: `{"code": "` + strings.Repeat("1", 64<<10) + `"}`, status: 413, want: "the body has more than 64 KiB"},
		{name: "too large after it", contentType: jsonType, body: code + strings.Repeat(" ", 64<<10) + "x", status: 413, want: "the body has more than 64 KiB"},
		{name: "unknown path", method: http.MethodGet, path: "/v1/secrets", status: 404, want: "Not Found"},
		{name: "path of the metadata service", method: http.MethodGet, path: "/latest/meta-data/", status: 404, want: "Not Found"},
		{name: "GET of a reload", method: http.MethodGet, path: "/v1/reload", status: 405, want: "Method Not Allowed"},
		{name: "POST of a status", path: "/v1/status", status: 405, want: "Method Not Allowed"},
		{name: "PUT of a code", method: http.MethodPut, contentType: jsonType, body: code, status: 405, want: "Method Not Allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			if tt.path == "" {
				tt.path = "/v1/mfa"
			}
			d := &fakeDaemon{answer: func(context.Context, string) (string, error) {
				t.Error("the daemon was asked")
				return "", nil
			}}
			rec := ask(d, tt.method, tt.path, tt.contentType, tt.body)
			var got api.Error
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != tt.status || got.Error != tt.want || rec.Header().Get("Content-Type") != jsonType {
				t.Errorf("got  %d %q, %v\nwant %d %q", rec.Code, got.Error, err, tt.status, tt.want)
			}
			if len(d.reloads) > 0 {
				t.Error("the daemon has reloaded")
			}
		})
	}
}

func TestHandler_PassesOnWhatTheDaemonSays(t *testing.T) {
	for _, tt := range []struct {
		name       string
		daemon     *fakeDaemon
		path, body string
		status     int
		want       string
	}{
		{
			name: "wrong configuration", daemon: &fakeDaemon{reloadErr: errors.New("c.yaml:1: a: wrong\nc.yaml:2: b: wrong")},
			path: "/v1/reload", status: 422, want: "c.yaml:1: a: wrong\nc.yaml:2: b: wrong",
		},
		{
			name:   "refused code",
			daemon: &fakeDaemon{answer: func(context.Context, string) (string, error) { return "", errRefused }},
			path:   "/v1/mfa", body: `{"code": "000000"}`, status: 409, want: errRefused.Error(),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := ask(tt.daemon, http.MethodPost, tt.path, jsonType, tt.body)
			var got api.Error
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != tt.status || got.Error != tt.want {
				t.Errorf("got  %d %q, %v\nwant %d %q", rec.Code, got.Error, err, tt.status, tt.want)
			}
		})
	}
}

func TestHandler_ReloadSaysWhoAsked(t *testing.T) {
	d := &fakeDaemon{}
	ask(d, http.MethodPost, "/v1/reload", jsonType, "")
	if diff := cmp.Diff([]string{"the reload command"}, d.reloads); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHandler_CodeIsUsedWhenTheCommandHasGone gives the request up before the daemon has called STS.
func TestHandler_CodeIsUsedWhenTheCommandHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := &fakeDaemon{answer: func(ctx context.Context, _ string) (string, error) {
		cancel()
		return "credentials", ctx.Err()
	}}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/mfa", strings.NewReader(`{"code": "123456"}`))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	rec := httptest.NewRecorder()
	Handler(d, slog.New(slog.DiscardHandler)).ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestHandler_PanicShowsNothing has a daemon with a bug.
func TestHandler_PanicShowsNothing(t *testing.T) {
	d := &fakeDaemon{answer: func(context.Context, string) (string, error) { panic("secret") }}
	rec := ask(d, http.MethodPost, "/v1/mfa", jsonType, `{"code": "123456"}`)
	if rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
