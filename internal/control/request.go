package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/web"
)

const (
	maxBody    = 64 << 10 // bytes of a request's body
	maxID      = 64       // bytes
	maxTimeout = 10 * time.Minute
	// maxDiscarded is how many bytes of a larger body are read all the same.
	maxDiscarded = 16 << 20
)

// isJSON tells whether a request says that its body is JSON.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

func errNotJSON() *web.Error {
	return refuse(http.StatusUnsupportedMediaType, "", "send Content-Type: application/json")
}

// readBody reads a body that must be there. It says nothing about its syntax.
func readBody(r *http.Request) ([]byte, error) {
	if !isJSON(r) {
		return nil, errNotJSON()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "", "the body is incomplete: "+err.Error())
	case len(body) > maxBody:
		// A client that still writes when the connection is closed may not see the answer.
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxDiscarded))
		return nil, refuse(http.StatusRequestEntityTooLarge, "", "the body has more than 64 KiB")
	default:
		return body, nil
	}
}

// decode reads one JSON document without unknown fields.
func decode(r *http.Request, into any) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusUnprocessableEntity, "", "the body has more than one JSON document")
	}
	return nil
}

// malformed says what is wrong with a document, in words of JSON. That of encoding/json names Go's types.
func malformed(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return refuse(http.StatusUnprocessableEntity, "", err.Error())
	case wrong.Field == "":
		return refuse(http.StatusUnprocessableEntity, "", "the body is a "+wrong.Value+"; send a JSON object")
	default:
		return refuse(http.StatusUnprocessableEntity, wrong.Field, wrong.Field+": is a "+wrong.Value+"; send another type, such as text in quotes")
	}
}

// pathID is the id in the path of a request; "" if its route has none. Escapes are resolved once, before the id is checked.
func pathID(r *http.Request) (string, error) {
	id := chi.URLParam(r, "id")
	if !slices.Contains(chi.RouteContext(r.Context()).URLParams.Keys, "id") {
		return "", nil
	}
	if r.URL.RawPath != "" { // then chi has matched the escaped path
		resolved, err := url.PathUnescape(id)
		if err != nil {
			return "", checkID(id)
		}
		id = resolved
	}
	return id, checkID(id)
}

// checkID refuses what is no id of an event or a fault.
func checkID(id string) error {
	if len(id) <= maxID && id != "" && id != "." && id != ".." && strings.Trim(id, idBytes) == "" {
		return nil
	}
	return refuse(http.StatusUnprocessableEntity, "id", "id: "+quote(id)+" is not an id; write 1 to 64 letters, digits, dots, hyphens and underscores")
}

const idBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// quote quotes what a client has sent, a beginning of it if it is long.
func quote(s string) string {
	if len(s) > maxID {
		return strconv.Quote(s[:maxID]) + "..."
	}
	return strconv.Quote(s)
}

// idAndBody reads the id that the path or the body has, and the body. If both have one, it must be the same.
func idAndBody(r *http.Request) (id string, body []byte, err error) {
	if id, err = pathID(r); err != nil {
		return "", nil, err
	}
	if body, err = readBody(r); err != nil {
		return "", nil, err
	}
	own, ok := bodyID(body)
	switch {
	case !ok:
		return id, body, nil
	case id == "":
		return own, body, checkID(own)
	case own != id:
		return "", nil, refuse(http.StatusUnprocessableEntity, "id", "id: "+quote(own)+" is not the id in the path, "+quote(id)+"; leave it out")
	default:
		return id, body, nil
	}
}

// bodyID is the text of the first key "id" of a JSON object; false if it has none. Package config judges all else about the body.
func bodyID(body []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "", false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return "", false
		}
		if key != "id" {
			continue
		}
		var id *string
		if err := json.Unmarshal(value, &id); err != nil || id == nil {
			return "", false
		}
		return *id, true
	}
	return "", false
}

// checkQuery refuses parameters that a call does not have, and those that are given twice.
func checkQuery(r *http.Request, known []string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, "", "the query is malformed: "+err.Error())
	}
	for name, values := range query {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return refuse(http.StatusUnprocessableEntity, name, quote(name)+": unknown parameter; this call has none")
		case !slices.Contains(known, name):
			return refuse(http.StatusUnprocessableEntity, name, quote(name)+": unknown parameter; allowed: "+strings.Join(known, ", "))
		case len(values) > 1:
			return refuse(http.StatusUnprocessableEntity, name, name+": given more than once")
		}
	}
	return nil
}

// timeoutOf is the parameter of that name, or what it is without one.
func timeoutOf(query url.Values, without time.Duration) (time.Duration, error) {
	if !query.Has("timeout") {
		return without, nil
	}
	text := query.Get("timeout")
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxTimeout {
		return 0, refuse(http.StatusUnprocessableEntity, "timeout", fmt.Sprintf("timeout: %s is not a duration from 0s to 10m; write e.g. 30s", quote(text)))
	}
	return d, nil
}

// afterOf is the parameter after, a number from 0; -1 without one.
func afterOf(query url.Values) (int64, error) {
	if !query.Has("after") {
		return -1, nil
	}
	text := query.Get("after")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, refuse(http.StatusUnprocessableEntity, "after", "after: "+quote(text)+" is not a number from 0 on")
	}
	return n, nil
}
