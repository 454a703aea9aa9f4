// Package ecs implements the endpoint from which containers of ECS take credentials: /v2/credentials/<id> and the older
// /v1/credentials?id=<id>. The id of a role is a secret. Package guard decides which clients may ask.
package ecs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"mock-ec2-metadata/internal/web"
)

// Paths of the two versions (container-credentials-reference section 3.1).
const (
	pathV1 = "/v1/credentials"
	pathV2 = "/v2/credentials/" // before the id
)

// Selector finds the credentials that belong to an id, once per request.
type Selector interface {
	// Select returns the source of an id for the client of the request. It returns nil for an id that is unknown and for a role
	// that the client may not have: clients cannot tell them apart. A *web.Error decides the status. After any other error, such
	// as a client that cannot be identified, the client gets 503 and may retry. An error must not contain the id.
	Select(r *http.Request, id string) (CredentialSource, error)
}

// CredentialSource returns the current credentials. Its error is a *CredentialError or the context's.
type CredentialSource interface {
	Credentials(ctx context.Context) (*Credentials, error)
}

// NewHandler returns the handler of the paths of both versions. It reads the URL's path and not the normalised one, since a slash
// at its end belongs to the id.
func NewHandler(log *slog.Logger, s Selector) http.HandlerFunc {
	e := &endpoint{log: log, selector: s}
	adapter := &web.Adapter{Log: log, Render: render, LogPath: LogPath}
	return adapter.Handle(e.answer)
}

// LogPath returns the path of a request for logs, without an id that it may contain. Requests of other surfaces keep their path.
func LogPath(r *http.Request) string {
	if before, _, found := strings.Cut(web.Clean(r.URL.Path), pathV2); found {
		return before + pathV2 + "…"
	}
	return hideIDs(r.URL.Path)
}

// hideIDs replaces what has the form of an id in a path, which a client may have mistyped.
func hideIDs(path string) string {
	for i := strings.IndexByte(path, '-'); i >= 0; {
		if start := i - 8; start >= 0 && start+idLength <= len(path) && isID(path[start:start+idLength]) {
			path = path[:start] + "…" + path[start+idLength:]
			i = start
		}
		next := strings.IndexByte(path[i+1:], '-')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return path
}

type endpoint struct {
	log      *slog.Logger
	selector Selector

	mu     sync.Mutex // guards logged
	logged time.Time  // the last line of refused
}

// answer implements the decision table (container-credentials-reference section 0). Unlike the agent it checks the method, and
// denies proxies (section 10.3).
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) error {
	delete(w.Header(), "Server") // the agent sends none
	v, id, ok := parse(r.URL)
	switch {
	case isForwarded(r.Header):
		e.refused(r, "a proxy has forwarded the request", "have the client ask the daemon itself")
		writePage(w, http.StatusForbidden, "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)")
		return nil
	case !ok:
		return &web.Error{Status: http.StatusNotFound}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: "GET, HEAD"}
	case id == "":
		v.noID.write(w)
		return nil
	}
	source, err := e.selector.Select(r, id)
	switch {
	case err != nil:
		if decided, ok := errors.AsType[*web.Error](err); ok {
			return decided
		}
		e.refused(r, err.Error(), "")
		v.uninitialized.write(w)
	case source == nil:
		e.refused(r, "the id is unknown, or this client may not have its role",
			"ids change with the names of roles; the current one is in the output of: mock-ec2-metadata env --role NAME")
		v.invalidID.write(w)
	default:
		v.serve(w, r, source)
	}
	return nil
}

// serve answers a request for an id that the client may use: rows 4 to 6.
func (v *version) serve(w http.ResponseWriter, r *http.Request, source CredentialSource) {
	c, err := source.Credentials(r.Context())
	if err == nil {
		c.document.write(w)
		return
	}
	refused, ok := errors.AsType[*CredentialError](err)
	if !ok || refused.Temporary {
		v.uninitialized.write(w)
		return
	}
	denied := newError(http.StatusForbidden, refused.Code, refused.Message)
	denied.write(w)
}

// isForwarded reports whether a proxy has forwarded a request. No SDK sends these headers, not even empty ones.
func isForwarded(h http.Header) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "Via"} {
		if _, sent := h[name]; sent {
			return true
		}
	}
	return false
}

// parse returns the version that a URL asks for, and the id, "" without. Runs of slashes count as one. A slash at the end belongs
// to the id. It returns false for any other path.
func parse(u *url.URL) (v *version, id string, ok bool) {
	path := web.Clean(u.Path)
	if path != "/" && strings.HasSuffix(u.Path, "/") {
		path += "/"
	}
	if id, ok = strings.CutPrefix(path, pathV2); ok {
		return &version2, id, true
	}
	if path == pathV1 {
		return &version1, u.Query().Get("id"), true
	}
	return nil, "", false
}

// quiet is the minimum time between two lines of refused.
const quiet = time.Minute

// refused logs why a client gets nothing: few clients show that to their user. It is quiet for a while after each line, since
// clients retry.
func (e *endpoint) refused(r *http.Request, reason, hint string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.logged.IsZero() && time.Since(e.logged) < quiet {
		return
	}
	e.logged = time.Now()
	attrs := []any{"client", r.RemoteAddr, "reason", reason}
	if hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	e.log.Warn("container credentials refused", attrs...)
}
