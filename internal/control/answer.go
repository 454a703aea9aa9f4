package control

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/web"
)

// writeTimeout bounds how long a client may take to read an answer.
const writeTimeout = 30 * time.Second

// refuse returns an error whose text the client gets. field is the key or parameter at fault; "" for none.
func refuse(status int, field, text string) *web.Error {
	return &web.Error{Status: status, Err: &api.Refusal{Status: status, Text: text, Field: field}}
}

// asAnswer makes an answer of an error of the Simulator. What is no refusal becomes 500, and is logged.
func asAnswer(err error) error {
	r, ok := errors.AsType[*api.Refusal](err)
	if !ok || r.Status < http.StatusBadRequest || r.Status > 599 {
		return err
	}
	return &web.Error{Status: r.Status, Err: r}
}

// render writes an error as {"error": "...", "field": "..."}.
func render(w http.ResponseWriter, _ *http.Request, e *web.Error) {
	body := &api.Refusal{Text: http.StatusText(e.Status)}
	if r, ok := errors.AsType[*api.Refusal](e.Err); ok && r.Status == e.Status {
		body = r
	}
	if e.Allow != "" {
		w.Header().Set("Allow", e.Allow)
	}
	if e.RetryAfter != "" {
		w.Header().Set("Retry-After", e.RetryAfter)
	}
	_ = answer(w, e.Status, body)
}

// answer sends a document of package api, which always marshals. It returns nil.
func answer(w http.ResponseWriter, status int, document any) error {
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err)
	}
	limitWriting(w)
	web.Write(w, status, "application/json", append(body, '\n'))
	return nil
}

// nothing answers 204.
func nothing(w http.ResponseWriter) error {
	limitWriting(w)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// limitWriting is the server's WriteTimeout, but from the answer on: a request may wait for minutes before.
func limitWriting(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // fails in tests without a connection
}
