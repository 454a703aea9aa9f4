// Package web holds what every HTTP surface of the daemon uses: handlers that return errors, the adapter that turns errors and
// panics into answers, path normalisation, and the access log. It imports no other package of the daemon.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
)

// Error is an answer other than success. The surface's Render writes it.
type Error struct {
	Status int    // HTTP status code
	Allow  string // for 405: the Allow header
	Err    error  // the cause; never sent
	// Text is a sentence for the client, where the form of the answer has room for one; "" for none. It holds no secret.
	Text string
	// RetryAfter is the header of that name, in seconds; "" for none.
	RetryAfter string
	// Close ends the connection after the answer.
	Close bool
}

func (e *Error) Error() string {
	if e.Err == nil {
		return http.StatusText(e.Status)
	}
	return fmt.Sprintf("%s: %v", http.StatusText(e.Status), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Handler answers a request or returns an error. It must not have written anything when it returns an error.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Adapter makes http.Handlers of Handlers. Each surface has one, because each renders errors in its own form.
type Adapter struct {
	Log    *slog.Logger
	Render func(w http.ResponseWriter, r *http.Request, e *Error)
	// LogPath returns the path of a request for the log. nil: as in the URL; set it where a path can contain a secret.
	LogPath func(*http.Request) string
}

// Handle runs h and renders its error or panic. Panics and errors other than *Error become 500.
func (a *Adapter) Handle(h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares this value, too
				panic(p)
			}
			a.Log.Error("panic while answering", "path", logPath(a.LogPath, r), "panic", p, "stack", string(debug.Stack()))
			a.Render(w, r, &Error{Status: http.StatusInternalServerError})
		}()
		err := h(w, r)
		if err == nil {
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			a.Log.Error("cannot answer", "path", logPath(a.LogPath, r), "error", err)
			e = &Error{Status: http.StatusInternalServerError, Err: err}
		}
		if e.Close {
			w.Header()["Connection"] = []string{"close"}
		}
		a.Render(w, r, e)
	}
}

// logPath returns the path of a request for a log line. without may be nil; it leaves secrets out.
func logPath(without func(*http.Request) string, r *http.Request) string {
	if without == nil {
		return r.URL.Path
	}
	return without(r)
}

// Write sends body in one piece with its length, so that nothing is ever chunked. It ignores that a client has gone.
func Write(w http.ResponseWriter, status int, contentType string, body []byte) {
	WriteMade(w, status, []string{contentType}, Length(body), body)
}

// Length returns the Content-Length of a body as a header's value.
func Length(body []byte) []string { return []string{strconv.Itoa(len(body))} }

// WriteMade is Write with header values that exist already. They are shared and must not be changed.
func WriteMade(w http.ResponseWriter, status int, contentType, length []string, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = length
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// IsForwarded reports whether a proxy has forwarded a request. No SDK sends these headers for credentials, not even empty ones
// (container-credentials-reference section 10.3).
func IsForwarded(h http.Header) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "Via"} {
		if _, sent := h[name]; sent {
			return true
		}
	}
	return false
}
