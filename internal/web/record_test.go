package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// recording is an access log that keeps what it records. Its requests have the version v1, those below /status have none.
func recording(out io.Writer, enabled bool) (a *AccessLog, records *[]Record) {
	records = new([]Record)
	return &AccessLog{
		Out:     out,
		Enabled: func() bool { return enabled },
		Version: func(r *http.Request) string {
			if strings.HasPrefix(r.URL.Path, "/status") {
				return ""
			}
			return "v1"
		},
		Record: func(r *Record) { *records = append(*records, *r) },
	}, records
}

func TestRecord_HasEachRequestWithAVersion(t *testing.T) {
	for _, enabled := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			a, records := recording(&log, enabled)
			a.Quiet = func(*http.Request) bool { return true }
			h := CleanPath(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Millisecond)
				switch r.URL.Path {
				case "/fault":
					SetCaller(r, Caller{Role: "web", Identity: "clients[3]"})
					SetFault(r, "outage")
					Write(w, http.StatusServiceUnavailable, "text/plain", nil)
				case "/abort":
					panic(http.ErrAbortHandler)
				default:
					Write(w, http.StatusOK, "text/plain", []byte("short"))
				}
			})))
			ctx := WithConn(context.Background(), nil) // one connection
			began := time.Now()
			do := func(method, target string) {
				defer func() { _ = recover() }()
				r := httptest.NewRequestWithContext(ctx, method, target, nil)
				r.RemoteAddr = "[fe80::1%eth0]:1234"
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			do(http.MethodGet, "/fault?secret=1")
			do(http.MethodHead, "/a%2Fb%0A/%20?secret=1")
			do(http.MethodGet, "/status")
			do(http.MethodPut, "/abort")
			of := func(ms int, r Record) Record {
				r.At, r.Client, r.IMDS, r.Took = began.Add(time.Duration(ms)*time.Millisecond), "fe80::1%eth0", "v1", time.Millisecond
				return r
			}
			want := []Record{
				of(1, Record{Method: "GET", Path: "/fault", Status: 503, Role: "web", Identity: "clients[3]", Fault: "outage"}),
				of(2, Record{Method: "HEAD", Path: "/a%2Fb%0A/%20", Status: 200}),
				of(4, Record{Method: "PUT", Path: "/abort"}),
			}
			if diff := cmp.Diff(want, *records); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			lines := 0
			if enabled {
				lines = 2 // the others are quiet
			}
			if got := strings.Count(log.String(), "msg=request"); got != lines {
				t.Errorf("%d lines, want %d:\n%s", got, lines, log.String())
			}
		})
	}
}

func TestSetFault_IsInTheLineOfItsRequestAlone(t *testing.T) {
	for _, json := range []bool{false, true} {
		var log bytes.Buffer
		a, _ := recording(&log, true)
		a.JSON = json
		h := CleanPath(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/first" {
				SetFault(r, "f-1")
			}
			Write(w, http.StatusOK, "text/plain", nil)
		})))
		ctx := WithConn(context.Background(), nil)
		for _, path := range []string{"/first", "/second"} {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		}
		first, second, _ := strings.Cut(log.String(), "\n")
		want := " fault=f-1"
		if json {
			want = `,"fault":"f-1"}`
		}
		if !strings.HasSuffix(first, want) || strings.Contains(second, "fault") {
			t.Errorf("logged\n%s", log.String())
		}
	}
}

// TestRecord_LeavesOutWhatLogPathDoes has a path with a secret.
func TestRecord_LeavesOutWhatLogPathDoes(t *testing.T) {
	a, records := recording(io.Discard, false)
	a.LogPath = func(r *http.Request) string { return strings.ReplaceAll(r.URL.Path, "secret", "…") }
	h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { Write(w, http.StatusOK, "text/plain", nil) }))
	for target, want := range map[string]string{"/x/secret": "/x/%E2%80%A6", "/x/s%65cret%20": "/x/%E2%80%A6%20", "/x/%79": "/x/%79"} {
		*records = nil
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		if got := (*records)[0].Path; got != want {
			t.Errorf("%s: recorded %s, want %s", target, got, want)
		}
	}
}

// TestRecord_HoldsNoLongMethod sends one that net/http accepts.
func TestRecord_HoldsNoLongMethod(t *testing.T) {
	a, records := recording(io.Discard, false)
	h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { Write(w, http.StatusOK, "text/plain", nil) }))
	line := strings.Repeat("M", 1<<14) + "/path"
	r := httptest.NewRequest(http.MethodGet, "/path", nil)
	r.Method, r.URL = line[:1<<14], &url.URL{Path: line[1<<14:]}
	h.ServeHTTP(httptest.NewRecorder(), r)
	got := (*records)[0]
	if got.Method != line[:maxMethod] || got.Path != "/path" || unsafe.StringData(got.Path) == unsafe.StringData(r.URL.Path) {
		t.Errorf("recorded %d bytes of the method, and %s", len(got.Method), got.Path)
	}
}

// bare is an http.ResponseWriter that allocates nothing.
type bare struct{ header http.Header }

func (w bare) Header() http.Header         { return w.header }
func (w bare) WriteHeader(int)             {}
func (w bare) Write(p []byte) (int, error) { return len(p), nil }

// recorded is a request to an access log with or without Record, and with or without lines.
func recorded(record, lines bool) func() {
	a, _ := recording(io.Discard, lines)
	sink := new(Record)
	a.Record = func(r *Record) { *sink = *r }
	if !record {
		a.Record = nil
	}
	body, kind, length := []byte("short"), []string{"text/plain"}, []string{"5"}
	h := CleanPath(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		SetFault(r, "f")
		WriteMade(w, http.StatusOK, kind, length, body)
	})))
	w := bare{http.Header{}}
	r := httptest.NewRequestWithContext(WithConn(context.Background(), nil), http.MethodGet, "/latest/meta-data/mac", nil)
	return func() { h.ServeHTTP(w, r) }
}

func TestRecord_AllocatesNothing(t *testing.T) {
	for _, lines := range []bool{true, false} {
		without, with := testing.AllocsPerRun(100, recorded(false, lines)), testing.AllocsPerRun(100, recorded(true, lines))
		if with > without {
			t.Errorf("lines %v: %v allocations with Record, %v without", lines, with, without)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	for _, bb := range []struct {
		name          string
		record, lines bool
	}{{"off", false, false}, {"record", true, false}, {"lines", false, true}, {"both", true, true}} {
		b.Run(bb.name, func(b *testing.B) {
			do := recorded(bb.record, bb.lines)
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}
