package web

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAdapter(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler Handler
		want    int
		logged  string
	}{
		{"answers", func(w http.ResponseWriter, _ *http.Request) error { Write(w, 200, "text/plain", nil); return nil }, 200, ""},
		{"web.Error", func(http.ResponseWriter, *http.Request) error { return &Error{Status: 404} }, 404, ""},
		{"other error", func(http.ResponseWriter, *http.Request) error { return errors.New("disk on fire") }, 500, "disk on fire"},
		{"panic", func(http.ResponseWriter, *http.Request) error { panic("oops") }, 500, "panic=oops"},
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

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	clock := time.Unix(0, 0)
	enabled := true
	a := &AccessLog{
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			if attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		}})),
		Enabled: func() bool { return enabled },
		Version: func(r *http.Request) string { return r.Header.Get("V") },
		Now:     func() time.Time { clock = clock.Add(time.Millisecond); return clock },
	}
	h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		Write(w, http.StatusTeapot, "text/plain", []byte("short"))
	}))
	do := func(method, target string, header http.Header) {
		r := httptest.NewRequest(method, target, nil)
		r.RemoteAddr = "192.0.2.7:1234"
		r.Header = header
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	do(http.MethodGet, "/a%0Ab?secret=1", http.Header{"V": {"v2"}, "Authorization": {"hidden"}})
	do(http.MethodHead, "/x", nil)
	enabled = false
	do(http.MethodGet, "/unlogged", nil)

	want := `level=INFO msg=request client=192.0.2.7 method=GET path="/a\nb" status=418 bytes=5 duration=1ms imds=v2
level=INFO msg=request client=192.0.2.7 method=HEAD path=/x status=418 bytes=0 duration=1ms
`
	if log.String() != want {
		t.Errorf("logged\n%swant\n%s", log.String(), want)
	}
}

// TestAbort checks that a handler can still abort a connection, and that the request is logged.
func TestAbort(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	adapter := &Adapter{Log: logger, Render: func(http.ResponseWriter, *http.Request, *Error) { t.Error("rendered an abort") }}
	access := &AccessLog{Log: logger, Enabled: func() bool { return true }, Version: func(*http.Request) string { return "" }, Now: time.Now}
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
