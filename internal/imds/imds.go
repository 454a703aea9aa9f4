// Package imds is the protocol of the EC2 Instance Metadata Service: routes, session tokens, headers, error bodies and
// credential documents. What it serves hangs on a Target; whom it serves is none of its business.
package imds

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/tree"
	"mock-ec2-metadata/internal/web"
)

// Header names of IMDSv2, in Go's canonical form (imds-reference section 3).
const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token" //nolint:gosec // a name, not a secret
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// Header values are made once. They are shared: nobody may change them.
var (
	textPlain   = []string{"text/plain"}
	octetStream = []string{"application/octet-stream"}
	textHTML    = []string{"text/html"}
	noRanges    = []string{"none"}
	noLength    = []string{"0"}
	tokenSize   = []string{strconv.Itoa(tokenLength)}
)

// LastModified is the header's value for a time.
func LastModified(t time.Time) []string { return []string{t.UTC().Format(http.TimeFormat)} }

const (
	tokenPath = "/latest/api/token" //nolint:gosec // a path, not a secret
)

// Target is all that answering one request needs. It never changes once it is made.
type Target struct {
	Tree *tree.Snapshot
	// Modified is the Last-Modified of everything but credentials, as LastModified makes it.
	Modified []string
	Tokens   *Tokens
	// Credentials may be nil when the tree holds no node of that kind.
	Credentials CredentialSource
	// Signatures may be nil likewise.
	Signatures SignatureSource
	// TokensRequired is the metadata option HttpTokens=required: no IMDSv1.
	TokensRequired bool
	// Disabled is the metadata option HttpEndpoint=disabled.
	Disabled bool
	// HopLimit is the metadata option HttpPutResponseHopLimit: the IP TTL of the answer to a token request; 0 or
	// NoHopLimit leaves it alone.
	HopLimit int
}

// Chooser gives the target that answers a request.
type Chooser interface {
	Target(r *http.Request) *Target
}

// CredentialSource gives the credentials to hand out now. Its error is a *CredentialError, or the context's.
type CredentialSource interface {
	Credentials(ctx context.Context) (*Credentials, error)
}

// SignatureSource gives a signature of the identity document: pkcs7, rsa2048 or signature.
type SignatureSource interface {
	Signature(ctx context.Context, name string) ([]byte, error)
}

// Version names the protocol version that a request speaks, for the access log: v1 or v2.
func Version(r *http.Request) string {
	if len(r.Header[tokenHeader]) > 0 || (r.Method == http.MethodPut && web.Clean(r.URL.Path) == tokenPath) {
		return "v2"
	}
	return "v1"
}

// Mount adds the service's routes to r, which must use web.CleanPath. Requests for which isOwn holds are the daemon's: it
// is about to take its credentials from itself, and is told so by 508.
func Mount(r chi.Router, log *slog.Logger, chooser Chooser, isOwn func(*http.Request) bool) {
	s := &service{chooser: chooser, isOwn: isOwn}
	adapter := &web.Adapter{Log: log, Render: render}
	r.HandleFunc(tokenPath, adapter.Handle(s.token))
	// What is no fixed route is the tree's: to chi not a wildcard, whose match it would store with each request.
	r.NotFound(adapter.Handle(s.metadata))
}

type service struct {
	chooser Chooser
	isOwn   func(*http.Request) bool
}

// token answers the one path that hands out session tokens: rows 1 and 3 to 6 of the decision table (imds-reference section 0).
// Package guard has row 2.
func (s *service) token(w http.ResponseWriter, r *http.Request) error {
	t := s.chooser.Target(r)
	if s.isOwn(r) {
		return &web.Error{Status: http.StatusLoopDetected}
	}
	if t.Disabled {
		return &web.Error{Status: http.StatusForbidden}
	}
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
		if err := limitHops(r, t.HopLimit); err != nil {
			return err
		}
		w.Header().Set("Connection", "close") // the limit stays with the connection
	}
	ttl, ok := parseTTL(r.Header.Get(ttlHeader))
	if !ok {
		return &web.Error{Status: http.StatusBadRequest}
	}
	w.Header()[ttlHeader] = t.Tokens.header(ttl)
	web.WriteMade(w, http.StatusOK, textPlain, tokenSize, t.Tokens.Issue(ttl))
	return nil
}

// parseTTL reads the seconds that a client asks for: decimal digits, 1 to MaxTokenTTL.
func parseTTL(s string) (int, bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	ttl, err := strconv.Atoi(s)
	return ttl, err == nil && ttl >= 1 && ttl <= MaxTokenTTL
}

// metadata answers everything else: rows 1, 7, 8 and 10 to 12.
func (s *service) metadata(w http.ResponseWriter, r *http.Request) error {
	t := s.chooser.Target(r)
	path := web.Clean(r.URL.Path)
	if s.isOwn(r) {
		return &web.Error{Status: http.StatusLoopDetected}
	}
	if t.Disabled || (r.Method == http.MethodPut && versionedTokenPath(path)) {
		return &web.Error{Status: http.StatusForbidden}
	}
	if err := checkToken(w, r, t); err != nil {
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

// checkToken lets a request pass that carries a live token, or none where none is needed. Several headers count as one
// live token if any is: node-termination-handler adds its new token to the old one (imds-reference section 3.2).
func checkToken(w http.ResponseWriter, r *http.Request, t *Target) error {
	sent := r.Header[tokenHeader]
	if len(sent) == 0 {
		if t.TokensRequired {
			return &web.Error{Status: http.StatusUnauthorized}
		}
		return nil
	}
	left := 0
	for _, token := range sent {
		left = max(left, t.Tokens.Verify(token))
	}
	if left == 0 {
		return &web.Error{Status: http.StatusUnauthorized}
	}
	w.Header()[ttlHeader] = t.Tokens.header(left)
	return nil
}

// versionedTokenPath says whether path is the token path under a dated version, which is refused on purpose.
func versionedTokenPath(path string) bool {
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
	var refused *CredentialError
	if !errors.As(err, &refused) {
		return &web.Error{Status: http.StatusServiceUnavailable, Err: err}
	}
	status := http.StatusOK
	if refused.Temporary {
		status = http.StatusServiceUnavailable
	}
	body := refused.document()
	writeData(w, status, textPlain, LastModified(refused.LastUpdated), web.Length(body), body)
	return nil
}

// writeData sends a body with the headers of imds-reference section 3.4.
func writeData(w http.ResponseWriter, status int, contentType, modified, length []string, body []byte) {
	h := w.Header()
	h["Accept-Ranges"] = noRanges
	h["Last-Modified"] = modified
	web.WriteMade(w, status, contentType, length, body)
}
