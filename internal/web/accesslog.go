package web

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// AccessLog writes one line for each request, in the format of slog's handlers. A line has nothing that can be secret: no
// header, no query, no body.
type AccessLog struct {
	// Out gets each line in one Write.
	Out io.Writer
	// JSON selects the format of slog.JSONHandler instead of slog.TextHandler's.
	JSON bool
	// Enabled reports whether to log. It is called for each request, so that a reload takes effect.
	Enabled func() bool
	// Version returns the protocol version of a request; "" leaves it out.
	Version func(*http.Request) string
	// LogPath returns the path of a request for its line. nil: as in the URL; set it where a path can contain a secret.
	LogPath func(*http.Request) string
	// Quiet reports whether a request is not worth a line if its answer is below 400. nil: each is.
	Quiet func(*http.Request) bool
	// Record gets each request that has a version, also while Enabled is false. nil: none. It must not retain the pointer.
	Record func(*Record)
	// Count gets each request that is worth a line, also while Enabled is false; status is 0 if no answer was sent. nil: none.
	Count func(route Route, status int, version string)

	recorders sync.Pool // of *recorder
	stamps    stamps
}

// Wrap logs the answers of next.
func (a *AccessLog) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := a.Enabled()
		if a.Record == nil && a.Count == nil && !lines {
			next.ServeHTTP(w, r)
			return
		}
		rec, ok := a.recorders.Get().(*recorder)
		if !ok {
			rec = new(recorder)
		}
		rec.ResponseWriter, rec.head = w, r.Method == http.MethodHead
		rec.status, rec.bytes = 0, 0
		start := time.Now()
		defer a.end(rec, r, start, lines) // logs a request whose handler aborts the connection, too
		next.ServeHTTP(rec, r)
	})
}

// end records the request, writes its line if there is to be one, and returns the recorder to the pool.
func (a *AccessLog) end(rec *recorder, r *http.Request, start time.Time, lines bool) {
	took := time.Since(start)
	defer func() {
		rec.ResponseWriter = nil
		a.recorders.Put(rec)
	}()
	e := entry{
		at: start.Add(took), client: host(r.RemoteAddr), method: r.Method, path: logPath(a.LogPath, r),
		status: rec.status, bytes: rec.bytes, took: took, imds: a.Version(r), caller: callerOf(r), fault: faultOf(r), route: routeOf(r),
	}
	quiet := (lines || a.Count != nil) && a.Quiet != nil && rec.status != 0 && rec.status < http.StatusBadRequest && a.Quiet(r)
	if a.Count != nil && !quiet {
		a.Count(e.route, e.status, e.imds)
	}
	if a.Record != nil && e.imds != "" {
		rec.record = e.record(r)
		a.Record(&rec.record)
	}
	if !lines || quiet {
		return
	}
	if a.JSON {
		rec.line = e.appendJSON(rec.line[:0])
	} else {
		rec.line = e.appendText(rec.line[:0], &a.stamps)
	}
	_, _ = a.Out.Write(rec.line)
}

// recorder records status and size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	head   bool
	line   []byte // buffer for the line
	record Record // room for what Record gets
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	if !r.head { // net/http does not send what is written for HEAD
		r.bytes += int64(n)
	}
	return n, err
}

// Unwrap gives http.ResponseController access to the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
