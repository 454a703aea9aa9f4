// Package podidentity implements the endpoint from which pods take credentials, as from the EKS Pod Identity Agent:
// /v1/credentials, with the token of the pod's service account as the header Authorization. It verifies tokens by keys of the
// cluster, or asks another Verifier. It also signs tokens for pods that no cluster runs. Package guard decides which clients may ask.
package podidentity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"mock-ec2-metadata/internal/web"
)

// credentialsPath is the only path (container-credentials-reference section 5.3).
const credentialsPath = "/v1/credentials"

// maxWait bounds a request whose token is not remembered: verification and credentials together (section 0).
const maxWait = 900 * time.Millisecond

// maxSelections bounds how often a request starts again after ErrStale.
const maxSelections = 5

// Selector finds the service that answers a request, once per request unless that is stale.
type Selector interface {
	// Select returns the service of the configuration in force. A *web.Error decides the status. After any other error the client
	// gets 503 and may retry. An error must not contain the token.
	Select(r *http.Request) (*Service, error)
}

// Service is what one configuration answers from. It is immutable. All fields are required.
type Service struct {
	Verifier     Verifier
	Associations Associations
	Cluster      string // its name, for messages
	Now          func() time.Time
}

// ErrStale says that the configuration was reloaded since the Service was selected, as while a token was verified. The handler
// starts again.
var ErrStale = errors.New("the configuration has changed")

// Associations say which credentials belong to a pod.
type Associations interface {
	// Find returns the source of the pod that sent r; nil if its namespace and service account have no association. Names are
	// compared exactly. A *web.Error decides the status. After any other error but ErrStale the client gets 503 and may retry.
	Find(r *http.Request, pod *Claims) (CredentialSource, error)
}

// CredentialSource returns the current credentials. Its error is a *CredentialError or the context's.
type CredentialSource interface {
	Credentials(ctx context.Context) (*Credentials, error)
}

// NewHandler returns the handler of the endpoint. It reads the URL's path and not the normalised one: with a slash at its end the
// path is unknown. It does not check Host, which the guard does.
func NewHandler(log *slog.Logger, s Selector) http.HandlerFunc {
	e := &endpoint{log: &refusalLog{log: log}, selector: s}
	adapter := &web.Adapter{Log: log, Render: render}
	return adapter.Handle(e.answer)
}

type endpoint struct {
	log      *refusalLog
	selector Selector
}

// answer implements the decision table (container-credentials-reference section 0), rows 2 to 8. Unlike the agent it checks the
// method, and denies proxies (section 10.3).
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) error {
	delete(w.Header(), "Server") // the agent sends none
	token := r.Header.Get("Authorization")
	switch {
	case web.IsForwarded(r.Header):
		e.log.refused(r, proxied, "a proxy has forwarded the request", "have the pod ask the daemon itself")
		writeText(w, http.StatusForbidden, "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)")
		return nil
	case !isCredentialsPath(r.URL):
		return &web.Error{Status: http.StatusNotFound}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: "GET, HEAD"}
	case token == "":
		e.log.refused(r, noToken, "the header Authorization is absent or empty",
			"set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the file of the pod's token; some SDKs leave the header out if they cannot use that file")
		writeText(w, http.StatusBadRequest, "Service account token cannot be empty")
		return nil
	}
	began := time.Now()
	for try := range maxSelections {
		service, err := e.selector.Select(r)
		if err != nil {
			return e.away(w, r, err, "the client cannot be identified now; try again")
		}
		if err = e.serve(w, r, service, token, began.Add(maxWait), try > 0); !errors.Is(err, ErrStale) {
			return err
		}
	}
	return e.away(w, r, ErrStale, "the configuration is changing; try again")
}

// recall returns what a valid token says; nil if it is not remembered.
func (s *Service) recall(token string) *Claims {
	if m, ok := s.Verifier.(*Memory); ok {
		return m.recall(token)
	}
	return nil
}

// verify verifies a token that a client has sent.
func (s *Service) verify(ctx context.Context, client netip.Addr, token string) (*Claims, error) {
	if m, ok := s.Verifier.(*Memory); ok {
		return m.verifyFor(ctx, client, token)
	}
	return s.Verifier.Verify(ctx, token)
}

// serve answers a request with a token: rows 3 to 8. again says that it has waited for another service before. It has written
// nothing if it returns ErrStale.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request, s *Service, token string, deadline time.Time, again bool) error {
	ctx, pod := r.Context(), s.recall(token)
	if pod == nil || again {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	if pod == nil {
		if text, reason, hint := malformed(token, s.Now()); text != "" {
			k := unusable
			if hasBearer(token) {
				k = prefixed
			}
			e.log.refused(r, k, reason, hint)
			writeText(w, http.StatusBadRequest, text)
			return nil
		}
		var err error
		if pod, err = s.verify(ctx, web.Remote(r), token); err != nil {
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				e.log.refused(r, invalid, refusal.Message, "")
				invalidToken(refusal).write(w)
				return nil
			}
			return e.away(w, r, err, "the token cannot be verified now; try again")
		}
	}
	source, err := s.Associations.Find(r, pod)
	switch {
	case errors.Is(err, ErrStale):
		return ErrStale
	case err != nil:
		return e.away(w, r, err, "the role cannot be served now; try again")
	case source == nil:
		e.log.refused(r, unassociated, "the service account has no association", "add it to pod_identity.associations",
			"namespace", pod.Namespace, "service_account", pod.ServiceAccount)
		notAssociated(s.Cluster, pod).write(w)
		return nil
	}
	c, err := source.Credentials(ctx)
	if err == nil {
		c.write(w)
		return nil
	}
	if refused, ok := errors.AsType[*CredentialError](err); ok && !refused.Temporary {
		e.log.refused(r, denied, refused.Error(), "", "namespace", pod.Namespace, "service_account", pod.ServiceAccount)
		deniedBySTS(refused).write(w)
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) { // for the log
		err = fmt.Errorf("there are no credentials after %s", maxWait)
	}
	return e.away(w, r, err, "the credentials are not available yet; try again")
}

// away answers 503 (row 7), unless err holds the answer.
func (e *endpoint) away(w http.ResponseWriter, r *http.Request, err error, message string) error {
	if decided, ok := errors.AsType[*web.Error](err); ok {
		return decided
	}
	if r.Context().Err() == nil { // else the client is gone
		e.log.refused(r, unavailable, err.Error(), "")
	}
	unavailableFor(message).write(w)
	return nil
}

// isCredentialsPath reports whether a URL has the endpoint's path. Runs of slashes count as one, but none may be at the end.
func isCredentialsPath(u *url.URL) bool {
	return !strings.HasSuffix(u.Path, "/") && web.Clean(u.Path) == credentialsPath
}
