// Package web is the leaf that every HTTP surface of the daemon stands on: handlers that return errors, the one adapter
// that turns them into answers, path normalisation, the access log and recovery.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
)

// Error is an answer other than success. Only a surface's renderer writes it.
type Error struct {
	Status int    // HTTP status code
	Allow  string // for 405: the Allow header
	Err    error  // cause, logged at debug level, never sent
}

func (e *Error) Error() string {
	if e.Err == nil {
		return http.StatusText(e.Status)
	}
	return fmt.Sprintf("%s: %v", http.StatusText(e.Status), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Handler answers a request or returns why it cannot. It must not write anything when it returns an error.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Adapter makes http.Handlers out of Handlers; one per surface, since each renders errors in its own form.
type Adapter struct {
	Log    *slog.Logger
	Render func(w http.ResponseWriter, r *http.Request, e *Error)
}

// Handle runs h, and renders the error that it returns or the panic that it ends in. Errors other than *Error become 500.
func (a *Adapter) Handle(h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http's sentinel panics with this very value
				panic(p)
			}
			a.Log.Error("panic while answering", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			a.Render(w, r, &Error{Status: http.StatusInternalServerError})
		}()
		err := h(w, r)
		if err == nil {
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			a.Log.Error("cannot answer", "path", r.URL.Path, "error", err)
			e = &Error{Status: http.StatusInternalServerError, Err: err}
		}
		a.Render(w, r, e)
	}
}

// Write sends body whole, with its length, so that nothing is ever chunked. A client that has gone is nobody's error.
func Write(w http.ResponseWriter, status int, contentType string, body []byte) {
	WriteMade(w, status, []string{contentType}, Length(body), body)
}

// Length is the Content-Length of a body, ready to be put into a header.
func Length(body []byte) []string { return []string{strconv.Itoa(len(body))} }

// WriteMade is Write with header values that were made before. They are shared: nobody may change them.
func WriteMade(w http.ResponseWriter, status int, contentType, length []string, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = length
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
