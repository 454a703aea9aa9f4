package web

import (
	"log/slog"
	"net"
	"net/http"
	"time"
)

// AccessLog writes one line a request. It takes nothing from a request that can hold a secret: no header, no query, no body.
type AccessLog struct {
	Log *slog.Logger
	// Enabled says whether to log; asked once a request, so that a reload can switch it.
	Enabled func() bool
	// Version names the protocol version that a request speaks; "" leaves it out.
	Version func(*http.Request) string
	Now     func() time.Time
}

// Wrap logs what next answers.
func (a *AccessLog) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.Enabled() {
			next.ServeHTTP(w, r)
			return
		}
		start := a.Now()
		rec := &recorder{ResponseWriter: w, head: r.Method == http.MethodHead}
		// Logged also when the handler panics to abort the connection.
		defer func() { a.line(r, rec, a.Now().Sub(start)) }()
		next.ServeHTTP(rec, r)
	})
}

func (a *AccessLog) line(r *http.Request, rec *recorder, took time.Duration) {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	attrs := []slog.Attr{
		slog.String("client", client),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Int("status", rec.status),
		slog.Int64("bytes", rec.bytes),
		slog.Duration("duration", took),
	}
	if v := a.Version(r); v != "" {
		attrs = append(attrs, slog.String("imds", v))
	}
	a.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	head   bool
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
