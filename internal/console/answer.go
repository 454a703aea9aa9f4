package console

import (
	"encoding/json"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/web"
)

// writeTimeout bounds how long a client may take to read an answer.
const writeTimeout = 30 * time.Second

// contentSecurityPolicy allows the page its own files and calls, and no text to become code.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; " +
	"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// secure adds the headers of every answer. No answer sets a cookie: cookies of one port are sent to all ports.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// refuse answers in the form of the control API.
func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, &api.Refusal{Text: text})
}

// answer sends a document of package api, which always marshals.
func answer(w http.ResponseWriter, status int, document any) {
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err)
	}
	limitWriting(w)
	web.Write(w, status, "application/json", append(body, '\n'))
}

// limitWriting is the server's WriteTimeout, but from the answer on: a request may wait for minutes before.
func limitWriting(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // fails in tests without a connection
}
