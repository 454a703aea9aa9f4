// Package imds implements the protocol of the EC2 Instance Metadata Service: session tokens, headers, error bodies and
// credential documents. A Target holds what it serves; package guard decides which clients it serves.
package imds

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/tree"
	"mock-ec2-metadata/internal/web"
)

// Header names of IMDSv2, in Go's canonical form (imds-reference section 3).
const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token" //nolint:gosec // a name, not a secret
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// Header values are created once. Responses share them: they must not be changed.
var (
	textPlain   = []string{"text/plain"}
	octetStream = []string{"application/octet-stream"}
	textHTML    = []string{"text/html"}
	noRanges    = []string{"none"}
	noLength    = []string{"0"}
	tokenSize   = []string{strconv.Itoa(tokenLength)}
)

// LastModified returns the value of the header Last-Modified for a time.
func LastModified(t time.Time) []string { return []string{t.UTC().Format(http.TimeFormat)} }

const tokenPath = "/latest/api/token" //nolint:gosec // a path, not a secret

// Target holds all that is needed to answer a request. It is immutable.
type Target struct {
	Tree *tree.Snapshot
	// Modified is the header Last-Modified of all answers but credentials, from LastModified.
	Modified []string
	Tokens   *Tokens
	// Credentials may be nil if the tree has no node of that kind.
	Credentials CredentialSource
	// Signatures may be nil if the tree has no node of that kind.
	Signatures SignatureSource
	// TokensRequired is the metadata option HttpTokens=required: no IMDSv1.
	TokensRequired bool
	// Disabled is the metadata option HttpEndpoint=disabled.
	Disabled bool
	// HopLimit is the metadata option HttpPutResponseHopLimit: the number of hops that the answer to a token request may take. 0
	// and NoHopLimit are no limit.
	HopLimit int
	// TokensSince is when tokens began to count: those issued before are invalid. The zero time is no limit.
	TokensSince time.Time
	// Faults spoil answers; nil for none. A Disabled target answers without them.
	Faults *fault.Set
	// Observe is called with the normalised path of each request that is authorised, by its token or as one for a token, before it is
	// answered. It reports that a target which the selector returns by now must answer. nil: not called.
	Observe func(path string) (late bool)
}

// Selector selects the target that answers a request, once per request.
type Selector interface {
	// Select returns the target and the request's path below the target's prefix. The path is normalised: it starts with a
	// slash, has no empty segment, and no slash at its end unless it is "/". A *web.Error decides the status, such as 503;
	// any other error becomes 500.
	Select(r *http.Request) (t *Target, path string, err error)
}

// CredentialSource returns the current credentials. Its error is a *CredentialError or the context's.
type CredentialSource interface {
	Credentials(ctx context.Context) (*Credentials, error)
}

// SignatureSource returns a signature of the identity document; name is pkcs7, rsa2048 or signature.
type SignatureSource interface {
	Signature(ctx context.Context, name string) ([]byte, error)
}

// Version returns the protocol version of a request, for the access log: v2 if it has a token or is a PUT, else v1.
func Version(r *http.Request) string {
	if len(r.Header[tokenHeader]) > 0 || r.Method == http.MethodPut {
		return "v2"
	}
	return "v1"
}

// NewHandler returns the handler of all paths of the service. It answers 508 to requests for which isOwn returns true: with
// those the daemon would take its own credentials from itself. isGuest returns true for clients in the network of a container or
// virtual machine of this machine: on EC2 that is one hop more.
func NewHandler(log *slog.Logger, selector Selector, isOwn, isGuest func(*http.Request) bool, hooks Hooks) http.HandlerFunc {
	s := &service{log: log, selector: selector, isOwn: isOwn, isGuest: isGuest, hooks: hooks}
	adapter := &web.Adapter{Log: log, Render: render}
	return adapter.Handle(s.answer)
}

type service struct {
	log      *slog.Logger
	selector Selector
	isOwn    func(*http.Request) bool
	isGuest  func(*http.Request) bool
	hooks    Hooks
	withheld atomic.Pointer[Target] // whose withheld tokens were logged last
}

// answer implements the decision table (imds-reference section 0), except rows 2 and 9, which package guard implements.
func (s *service) answer(w http.ResponseWriter, r *http.Request) error {
	if s.isOwn(r) {
		return &web.Error{Status: http.StatusLoopDetected}
	}
	t, path, err := s.selector.Select(r)
	if err != nil {
		return err
	}
	if err = s.answerBy(t, w, r, path); !errors.Is(err, errLate) {
		return err
	}
	delete(w.Header(), ttlHeader)
	if t, path, err = s.selector.Select(r); err != nil {
		return err
	}
	observed := *t
	observed.Observe = nil
	return s.answerBy(&observed, w, r, path)
}

// errLate says that a request is not for its target, but for a later one.
var errLate = errors.New("a later target answers")

// answerBy answers by a target.
func (s *service) answerBy(t *Target, w http.ResponseWriter, r *http.Request, path string) error {
	if s.hooks.Routes {
		t.noteRoute(r, path)
	}
	switch {
	case t.Disabled:
		return &web.Error{Status: http.StatusForbidden}
	case t.Faults != nil:
		return s.serveSpoiled(t, w, r, path)
	default:
		return s.serve(t, w, r, path)
	}
}

// serve gives the real answer.
func (s *service) serve(t *Target, w http.ResponseWriter, r *http.Request, path string) error {
	if path == tokenPath {
		return s.serveToken(t, w, r)
	}
	return s.told(t, r, t.serveMetadata(w, r, path))
}

// serveToken answers the path that issues session tokens: rows 3 to 6.
func (s *service) serveToken(t *Target, w http.ResponseWriter, r *http.Request) error {
	const allow = "OPTIONS, PUT"
	switch r.Method {
	case http.MethodPut:
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		web.WriteMade(w, http.StatusOK, textPlain, noLength, nil)
		return nil
	default:
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: allow}
	}
	if t.HopLimit > 0 && t.HopLimit < NoHopLimit {
		hops := t.HopLimit
		if s.isGuest(r) {
			hops--
		}
		if hops == 0 {
			s.withhold(t, r)
		}
		if err := limitHops(r, hops); err != nil {
			return err
		}
		w.Header().Set("Connection", "close") // the limit stays with the connection
	}
	ttl, ok := parseTTL(r.Header.Get(ttlHeader))
	if !ok {
		s.token(TokenBadTTL)
		return &web.Error{Status: http.StatusBadRequest}
	}
	if err := t.observe(tokenPath); err != nil {
		return err
	}
	s.token(Issued)
	w.Header()[ttlHeader] = t.Tokens.header(ttl)
	web.WriteMade(w, http.StatusOK, textPlain, tokenSize, t.Tokens.Issue(ttl))
	return nil
}

// parseTTL parses the TTL that a client requests, in seconds: decimal digits, 1 to MaxTokenTTL.
func parseTTL(s string) (int, bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	ttl, err := strconv.Atoi(s)
	return ttl, err == nil && ttl >= 1 && ttl <= MaxTokenTTL
}

// serveMetadata answers all other paths: rows 7, 8 and 10 to 12.
func (t *Target) serveMetadata(w http.ResponseWriter, r *http.Request, path string) error {
	if r.Method == http.MethodPut && isVersionedTokenPath(path) {
		return &web.Error{Status: http.StatusForbidden}
	}
	if err := t.checkToken(w, r); err != nil {
		return err
	}
	if err := t.observe(path); err != nil {
		return err
	}
	const allow = "OPTIONS, GET, HEAD"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		web.WriteMade(w, http.StatusOK, textPlain, noLength, nil)
		return nil
	default:
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: allow}
	}
	node := t.Tree.Lookup(path)
	if node == nil {
		return &web.Error{Status: http.StatusNotFound}
	}
	switch node.Kind {
	case tree.Credentials, tree.ExtendedCredentials:
		return serveCredentials(w, r, t.Credentials, node.Kind)
	case tree.Signature:
		signature, err := t.Signatures.Signature(r.Context(), string(node.Body))
		if err != nil {
			return err
		}
		writeData(w, http.StatusOK, textPlain, t.Modified, web.Length(signature), signature)
	case tree.UserData:
		writeData(w, http.StatusOK, octetStream, t.Modified, node.Length, node.Body)
	case tree.Value, tree.Listing:
		writeData(w, http.StatusOK, textPlain, t.Modified, node.Length, node.Body)
	}
	return nil
}

// checkToken allows a request with a valid token, or without a token where none is required. One valid token among several
// is enough: node-termination-handler adds its new token to the old one (imds-reference section 3.2).
func (t *Target) checkToken(w http.ResponseWriter, r *http.Request) error {
	sent := r.Header[tokenHeader]
	if len(sent) == 0 {
		if t.TokensRequired {
			return &web.Error{Status: http.StatusUnauthorized}
		}
		return nil
	}
	left := t.left(sent, t.TokensSince)
	if left == 0 {
		return &web.Error{Status: http.StatusUnauthorized}
	}
	w.Header()[ttlHeader] = t.Tokens.header(left)
	return nil
}

// left returns for how many more seconds one of several tokens is valid; 0 if none is.
func (t *Target) left(sent []string, since time.Time) int {
	left := 0
	for _, token := range sent {
		left = max(left, t.Tokens.Verify(token, since))
	}
	return left
}

// observe tells who wants to know of an authorised request. Its error is errLate, but not under faults, whose doses count a request
// once.
func (t *Target) observe(path string) error {
	if t.Observe != nil && t.Observe(path) && t.Faults == nil {
		return errLate
	}
	return nil
}

// isVersionedTokenPath reports whether path is the token path under a dated version, which the service denies.
func isVersionedTokenPath(path string) bool {
	version, rest, _ := strings.Cut(path[1:], "/")
	return rest == "api/token" && tree.ServesVersion(version)
}

func serveCredentials(w http.ResponseWriter, r *http.Request, source CredentialSource, kind tree.Kind) error {
	c, err := source.Credentials(r.Context())
	if err == nil {
		d := &c.document
		if kind == tree.ExtendedCredentials {
			d = &c.extended
		}
		writeData(w, http.StatusOK, textPlain, c.modified, d.length, d.body)
		return nil
	}
	var credentialErr *CredentialError
	if !errors.As(err, &credentialErr) {
		return &web.Error{Status: http.StatusServiceUnavailable, Err: err}
	}
	status := http.StatusOK
	if credentialErr.Temporary {
		status = http.StatusServiceUnavailable
	}
	body := credentialErr.document()
	writeData(w, status, textPlain, LastModified(credentialErr.LastUpdated), web.Length(body), body)
	return nil
}

// writeData writes a body with the headers of imds-reference section 3.4.
func writeData(w http.ResponseWriter, status int, contentType, modified, length []string, body []byte) {
	h := w.Header()
	h["Accept-Ranges"] = noRanges
	h["Last-Modified"] = modified
	web.WriteMade(w, status, contentType, length, body)
}
