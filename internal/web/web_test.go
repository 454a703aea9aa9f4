package web

import (
	"bytes"
	jsonpkg "encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandle_RendersErrorsAndPanics(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler Handler
		want    int
		logged  string
	}{
		{
			name: "answers", want: 200,
			handler: func(w http.ResponseWriter, _ *http.Request) error { Write(w, 200, "text/plain", nil); return nil },
		},
		{name: "web.Error", want: 404, handler: func(http.ResponseWriter, *http.Request) error { return &Error{Status: 404} }},
		{
			name: "other error", want: 500, logged: "disk on fire",
			handler: func(http.ResponseWriter, *http.Request) error { return errors.New("disk on fire") },
		},
		{name: "panic", want: 500, logged: "panic=oops", handler: func(http.ResponseWriter, *http.Request) error { panic("oops") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			a := &Adapter{
				Log:    slog.New(slog.NewTextHandler(&log, nil)),
				Render: func(w http.ResponseWriter, _ *http.Request, e *Error) { Write(w, e.Status, "text/plain", nil) },
			}
			rec := httptest.NewRecorder()
			a.Handle(tt.handler).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/x", nil))
			if got := rec.Result().StatusCode; got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
			if tt.logged == "" && log.Len() > 0 || !strings.Contains(log.String(), tt.logged) {
				t.Errorf("logged %q, want %q", log.String(), tt.logged)
			}
		})
	}
}

func TestLogs_ShowThePathThatLogPathReturns(t *testing.T) {
	secretless := func(*http.Request) string { return "/role/-" }
	for _, tt := range []struct {
		name    string
		logPath func(*http.Request) string
		want    string // the attribute
	}{
		{"as in the URL", nil, "path=/role/secret "},
		{"without the secret", secretless, "path=/role/- "},
	} {
		for _, handler := range []Handler{
			func(http.ResponseWriter, *http.Request) error { return errors.New("disk on fire") },
			func(http.ResponseWriter, *http.Request) error { panic("oops") },
		} {
			t.Run(tt.name, func(t *testing.T) {
				var log bytes.Buffer
				adapter := &Adapter{
					Log:     slog.New(slog.NewTextHandler(&log, nil)),
					Render:  func(w http.ResponseWriter, _ *http.Request, e *Error) { Write(w, e.Status, "text/plain", nil) },
					LogPath: tt.logPath,
				}
				access := &AccessLog{
					Out: &log, Enabled: func() bool { return true }, Version: func(*http.Request) string { return "" }, LogPath: tt.logPath,
				}
				access.Wrap(adapter.Handle(handler)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/role/secret", nil))
				if got := strings.Count(log.String(), tt.want); got != 2 {
					t.Errorf("%q is %d times in\n%s", tt.want, got, log.String())
				}
			})
		}
	}
}

func TestAccessLog_WritesALineWithoutSecrets(t *testing.T) { synctest.Test(t, testAccessLog) }

func testAccessLog(t *testing.T) {
	var log bytes.Buffer
	enabled := true
	a := &AccessLog{
		Out:     &log,
		Enabled: func() bool { return enabled },
		Version: func(r *http.Request) string { return r.Header.Get("V") },
	}
	h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Millisecond)
		Write(w, http.StatusTeapot, "text/plain", []byte("short"))
	}))
	do := func(method, target string, header http.Header) {
		time.Sleep(time.Millisecond)
		r := httptest.NewRequest(method, target, nil)
		r.RemoteAddr = "192.0.2.7:1234"
		r.Header = header
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	began := time.Now()
	do(http.MethodGet, "/a%0Ab?secret=1", http.Header{"V": {"v2"}, "Authorization": {"hidden"}})
	do(http.MethodHead, "/x", nil)
	a.JSON = true
	do(http.MethodGet, "/a%0Ab?secret=1", http.Header{"V": {"v2"}, "Authorization": {"hidden"}})
	enabled = false
	do(http.MethodGet, "/unlogged", nil)

	at := func(ms int) string {
		return began.Add(time.Duration(ms) * time.Millisecond).Format("2006-01-02T15:04:05.000Z07:00")
	}
	want := `time=` + at(2) + ` level=INFO msg=request client=192.0.2.7 method=GET path="/a\nb" status=418 bytes=5 duration=1ms imds=v2
time=` + at(4) + ` level=INFO msg=request client=192.0.2.7 method=HEAD path=/x status=418 bytes=0 duration=1ms
{"time":"` + at(6) + `","level":"INFO","msg":"request","client":"192.0.2.7","method":"GET","path":"/a\nb","status":418,"bytes":5,"duration":1000000,"route":"other","imds":"v2"}
`
	if log.String() != want {
		t.Errorf("logged\n%swant\n%s", log.String(), want)
	}
}

// TestEntry_IsFormattedLikeSlog compares the lines with those of slog's own handlers.
func TestEntry_IsFormattedLikeSlog(t *testing.T) {
	var shared stamps
	for i, e := range []entry{
		{client: "::1", method: "GET", path: "/", status: 200, bytes: 1, took: 999},
		{client: "fe80::1%eth0", method: "PUT", path: "/latest/api/token", status: 400, took: time.Microsecond, imds: "v2"},
		{client: "127.0.0.1", method: "GET", path: "/a b", status: 404, bytes: 339, took: 43_324, imds: "v1"},
		{client: "@", method: "GET", path: `/"quoted"`, took: 1_000_001},
		{method: "GET", path: "/a=b", took: 999_999_999},
		{client: "c", method: "GET", path: "/<&>", took: 61*time.Second + 1},
		{client: "c", method: "GET", path: "/\x00\x7f", took: 100 * time.Millisecond},
		{client: "c", method: "GET", path: "/\xff\u2028é", took: 0},
		{client: "c", method: "GET", path: "/", status: 503, imds: "v1", caller: Caller{Role: "web", Identity: "clients[3]"}, fault: "outage"},
		{client: "c", method: "GET", path: "/", fault: "f.1_x-Y", route: RouteUserData},
	} {
		// Two of each second, in two zones.
		e.at = time.Date(2026, 5, 5, 10, 0, i/2, (9*i+5)*1_234_567, time.FixedZone("", i/4*3600))
		var text, json bytes.Buffer
		for i, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&json, nil)} {
			r := slog.NewRecord(e.at, slog.LevelInfo, "request", 0)
			r.AddAttrs(slog.String("client", e.client), slog.String("method", e.method), slog.String("path", e.path),
				slog.Int("status", e.status), slog.Int64("bytes", e.bytes), slog.Duration("duration", e.took))
			if i == 1 { // in JSON alone
				r.AddAttrs(slog.String("route", e.route.String()))
			}
			if e.imds != "" {
				r.AddAttrs(slog.String("imds", e.imds))
			}
			for _, a := range []struct{ key, value string }{{"role", e.caller.Role}, {"identity", e.caller.Identity}, {"fault", e.fault}} {
				if a.value != "" {
					r.AddAttrs(slog.String(a.key, a.value))
				}
			}
			if err := h.Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if got := string(e.appendText(nil, &shared)); got != text.String() {
			t.Errorf("text\n%swant\n%s", got, text.String())
		}
		var got, want any
		if err := errors.Join(jsonpkg.Unmarshal(e.appendJSON(nil), &got), jsonpkg.Unmarshal(json.Bytes(), &want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("JSON %v\n%swant\n%s", err, e.appendJSON(nil), json.String())
		}
	}
}

func TestHandle_AbortClosesConnectionAndIsLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	adapter := &Adapter{Log: logger, Render: func(http.ResponseWriter, *http.Request, *Error) { t.Error("rendered an abort") }}
	access := &AccessLog{Out: &log, Enabled: func() bool { return true }, Version: func(*http.Request) string { return "" }}
	srv := httptest.NewServer(access.Wrap(adapter.Handle(func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) })))
	defer srv.Close()
	if resp, err := http.Get(srv.URL); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		t.Errorf("got %s, want a closed connection", resp.Status)
	}
	srv.Close()
	if !strings.Contains(log.String(), "msg=request") {
		t.Errorf("not logged: %q", log.String())
	}
}
