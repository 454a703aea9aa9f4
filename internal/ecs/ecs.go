// Package ecs implements what containers of ECS ask at 169.254.170.2: credentials at /v2/credentials/<id> and the older
// /v1/credentials?id=<id>, credentials by path as ecs-local has them, and task metadata of the versions 2 to 4. The id of a role is
// a secret. Package guard decides which clients may ask.
package ecs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// Selector selects what a request is judged by.
type Selector interface {
	// Select returns the Service of now. A *web.Error decides the status. After any other error the client gets 503.
	Select(r *http.Request) (*Service, error)
}

// Service is all that requests of credentials are answered from. It is made once per state, and never changes.
type Service struct {
	Authorization *Authorization // that clients must send; nil: none
	// ByPath says whether clients may ask without an id: for their own role, or for one by its name or ARN.
	ByPath  bool
	Limiter *Limiter // nil: no limit
	Finder  Finder
}

// ErrStale says that the configuration was reloaded since the Service was selected, as after waiting for a container engine. The
// handler starts again.
var ErrStale = errors.New("the configuration has changed")

// Finder finds credentials. It returns nil for those that there are not and for those that the client may not have: clients cannot
// tell them apart. It calls no service. A *web.Error decides the status. After any other error but ErrStale, such as a client that
// cannot be identified, the client gets 503 and may retry. No error contains an id.
type Finder interface {
	// ByID finds the credentials of an id.
	ByID(r *http.Request, id string) (CredentialSource, error)
	// Own finds those of the client's own role.
	Own(r *http.Request) (CredentialSource, error)
	// ByName finds those of a role by its name, ByARN by its ARN.
	ByName(r *http.Request, name string) (CredentialSource, error)
	ByARN(r *http.Request, arn string) (CredentialSource, error)
}

// CredentialSource returns the current credentials. Its error is a *CredentialError or the context's.
type CredentialSource interface {
	Credentials(ctx context.Context) (*Credentials, error)
}

// NewHandler returns the handler of all paths of credentials. It reads the URL's path and not the normalised one, since a slash
// at its end belongs to the id.
func NewHandler(log *slog.Logger, s Selector) http.HandlerFunc {
	e := &endpoint{refusals: &warner{log: log, message: "container credentials refused"}, selector: s}
	adapter := &web.Adapter{Log: log, Render: render, LogPath: LogPath}
	return adapter.Handle(e.answer)
}

type endpoint struct {
	refusals *warner
	selector Selector
}

// answer implements the decision table (container-credentials-reference section 0). Unlike the agent it checks the method, and
// denies proxies (section 10.3).
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) error {
	delete(w.Header(), "Server") // the agent sends none
	if web.IsForwarded(r.Header) {
		e.refuse(r, proxied, "a proxy has forwarded the request", "have the client ask the daemon itself")
		writePage(w, http.StatusForbidden, "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)")
		return nil
	}
	q, ok := parse(r.URL)
	if !ok {
		return &web.Error{Status: http.StatusNotFound}
	}
	for first := true; ; first = false {
		service, err := e.selector.Select(r)
		if err == nil {
			if first && !service.Limiter.allow(r) {
				writeTooMany(w)
				return nil
			}
			err = e.serve(w, r, q, service)
		}
		switch {
		case err == nil || isDecided(err):
			return err
		case errors.Is(err, ErrStale):
		default:
			e.refuse(r, unidentified, err.Error(), "")
			q.version.uninitialized.write(w)
			return nil
		}
	}
}

// serve answers a request by a Service. It has written nothing if it returns an error.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request, q query, s *Service) error {
	switch {
	case q.wanted != wantID && !s.ByPath:
		return &web.Error{Status: http.StatusNotFound}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: "GET, HEAD"}
	case q.wanted == wantID && q.value == "":
		q.version.noID.write(w)
		return nil
	}
	if d := s.Authorization.check(r.Header); d != nil {
		e.refuse(r, d.reason, d.reason, d.hint)
		d.answer.write(w)
		return nil
	}
	source, err := s.find(r, q)
	if err != nil {
		return err
	}
	switch {
	case source != nil:
		q.version.serve(w, r, source)
	case q.wanted == wantID:
		e.refuse(r, ofID, "the id is unknown, or this client may not have its role",
			"ids change with the names of roles and containers; this machine finds the current ones in /status")
		q.version.invalidID.write(w)
	default:
		e.refuse(r, ofRole, "there is no such role, or this client may not have it", "it must be one of roles; name it in the client's entry of clients (role, or also), or have a client without an entry send ecs.authorization")
		return &web.Error{Status: http.StatusNotFound}
	}
	return nil
}

// find finds the credentials that a request wants.
func (s *Service) find(r *http.Request, q query) (CredentialSource, error) {
	switch q.wanted {
	case wantOwn:
		return s.Finder.Own(r)
	case wantName:
		return s.Finder.ByName(r, q.value)
	case wantARN:
		source, err := s.Finder.ByARN(r, q.value)
		if shorter, ok := withoutName(q.value); ok && source == nil && err == nil {
			return s.Finder.ByARN(r, shorter)
		}
		return source, err
	default:
		return s.Finder.ByID(r, q.value)
	}
}

// withoutName returns an ARN without the role's name, which some clients append to it once more.
func withoutName(arn string) (shorter string, ok bool) {
	i := strings.LastIndexByte(arn, '/')
	if i < 0 || !strings.HasSuffix(arn[:i], arn[i:]) {
		return "", false
	}
	return arn[:i], true
}

// serve answers a request for credentials that the client may use: rows 4 to 6.
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

// isDecided reports whether an error decides the status itself.
func isDecided(err error) bool {
	_, ok := errors.AsType[*web.Error](err)
	return ok
}

// Kinds of refusals in the log, beside the reasons of a denial.
const (
	proxied      = "proxy"
	unidentified = "client"
	ofID         = "id"
	ofRole       = "role"
)

// refuse logs why a client gets nothing: few clients show that to their user.
func (e *endpoint) refuse(r *http.Request, kind, reason, hint string) {
	attrs := []any{"client", r.RemoteAddr, "reason", reason}
	if hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	e.refusals.warn(kind, attrs...)
}
