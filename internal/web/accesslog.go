package web

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// AccessLog writes one line a request, in the format of slog's handlers. It takes nothing from a request that can hold a
// secret: no header, no query, no body.
type AccessLog struct {
	// Out gets each line by one Write.
	Out io.Writer
	// JSON is the format of slog.JSONHandler, else that of slog.TextHandler.
	JSON bool
	// Enabled says whether to log; asked once a request, so that a reload can switch it.
	Enabled func() bool
	// Version names the protocol version that a request speaks; "" leaves it out.
	Version func(*http.Request) string

	recorders sync.Pool // of *recorder
	stamps    stamps
}

// Wrap logs what next answers.
func (a *AccessLog) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.Enabled() {
			next.ServeHTTP(w, r)
			return
		}
		rec, ok := a.recorders.Get().(*recorder)
		if !ok {
			rec = new(recorder)
		}
		*rec = recorder{ResponseWriter: w, head: r.Method == http.MethodHead, line: rec.line}
		start := time.Now()
		defer a.end(rec, r, start) // also when the handler panics to abort the connection
		next.ServeHTTP(rec, r)
	})
}

// end writes the line. Its room and the recorder are used again.
func (a *AccessLog) end(rec *recorder, r *http.Request, start time.Time) {
	took := time.Since(start)
	e := entry{
		at: start.Add(took), client: host(r.RemoteAddr), method: r.Method, path: r.URL.Path,
		status: rec.status, bytes: rec.bytes, took: took, imds: a.Version(r),
	}
	if a.JSON {
		rec.line = e.appendJSON(rec.line[:0])
	} else {
		rec.line = e.appendText(rec.line[:0], &a.stamps)
	}
	_, _ = a.Out.Write(rec.line)
	rec.ResponseWriter = nil
	a.recorders.Put(rec)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	head   bool
	line   []byte // room for the line
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
	if !r.head { // net/http swallows what is written to HEAD
		r.bytes += int64(n)
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
