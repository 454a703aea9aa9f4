package ecs

import (
	"fmt"
	"net/http"

	"mock-ec2-metadata/internal/web"
)

// Header values are created once. Responses share them: they must not be changed.
var (
	applicationJSON = []string{"application/json"}
	textPlain       = []string{"text/plain; charset=utf-8"}
	noSniff         = []string{"nosniff"}
	oneSecond       = []string{"1"} // of Retry-After: 503 means asking again
)

// version holds the errors of one version of the path: their texts name it (container-credentials-reference section 3.3).
type version struct{ noID, invalidID, uninitialized answer }

var (
	version1 = newVersion(1)
	version2 = newVersion(2)
	// byPath has no ids.
	byPath   = version{uninitialized: newError(http.StatusServiceUnavailable, "CredentialsUninitialized", "Credentials uninitialized")}
	internal = newError(http.StatusInternalServerError, "InternalServerError", "Internal server error")
)

func newVersion(n int) version {
	explain := func(status int, code, text string) answer {
		return newError(status, code, fmt.Sprintf("CredentialsV%dRequest: %s", n, text))
	}
	return version{
		noID:          explain(http.StatusBadRequest, "NoIdInRequest", "No Credential ID in the request"),
		invalidID:     explain(http.StatusBadRequest, "InvalidIdInRequest", "Credentials not found"),
		uninitialized: explain(http.StatusServiceUnavailable, "CredentialsUninitialized", "Credentials uninitialized for ID"),
	}
}

func newError(status int, code, message string) answer {
	return newAnswer(status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Status  int    `json:"HTTPErrorCode"`
	}{code, message, status})
}

// render writes an error that has no text of its own.
func render(w http.ResponseWriter, r *http.Request, e *web.Error) {
	switch e.Status {
	case http.StatusNotFound:
		writePage(w, e.Status, "404 page not found")
	case http.StatusInternalServerError:
		internal.write(w)
	case http.StatusServiceUnavailable:
		q, ok := parse(r.URL)
		if !ok {
			q.version = &version2
		}
		q.version.uninitialized.write(w)
	default:
		if e.Allow != "" {
			w.Header().Set("Allow", e.Allow)
		}
		writePage(w, e.Status, http.StatusText(e.Status))
	}
}

// writePage writes a line of text, as the agent does for paths that it does not know.
func writePage(w http.ResponseWriter, status int, line string) {
	body := []byte(line + "\n")
	w.Header()["X-Content-Type-Options"] = noSniff
	web.WriteMade(w, status, textPlain, web.Length(body), body)
}
