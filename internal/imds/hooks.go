package imds

import (
	"errors"
	"net/http"
	"strings"

	"mock-ec2-metadata/internal/tree"
	"mock-ec2-metadata/internal/web"
)

// Hooks say who wants to know what of requests. The zero value is for none.
type Hooks struct {
	// Routes notes what each request asks for, see web.SetRoute.
	Routes bool
	// Token is called for each session token that is issued, with Issued, and for each request that is refused for its token or the lack
	// of one, with the reason.
	Token func(TokenEvent)
}

// TokenEvent is what has happened to a session token.
type TokenEvent uint8

// Issued is a token given; the others say why a request was refused.
const (
	Issued         TokenEvent = iota
	TokenMissing              // though one is required
	TokenMalformed            // no token by its form
	TokenExpired              // or forgotten by an event
	TokenForeign              // of another instance or daemon, or made up
	TokenBadTTL               // a request for one without a valid lifetime
	// TokenEvents is how many there are.
	TokenEvents
)

// String is the reason's name in metrics.
func (e TokenEvent) String() string {
	return [TokenEvents]string{
		Issued: "issued", TokenMissing: "missing", TokenMalformed: "malformed", TokenExpired: "expired", TokenForeign: "foreign", TokenBadTTL: "bad_ttl",
	}[e]
}

// token tells the hook of a token.
func (s *service) token(e TokenEvent) {
	if s.hooks.Token != nil {
		s.hooks.Token(e)
	}
}

// told tells the hook of tokens of an answer's error.
func (s *service) told(t *Target, r *http.Request, err error) error {
	if s.hooks.Token == nil || err == nil {
		return err
	}
	if e, ok := errors.AsType[*web.Error](err); ok && e.Status == http.StatusUnauthorized {
		s.hooks.Token(t.rejection(r))
	}
	return err
}

// rejection is why the first token of a request does not count.
func (t *Target) rejection(r *http.Request) TokenEvent {
	sent := r.Header[tokenHeader]
	if len(sent) == 0 {
		return TokenMissing
	}
	var b [tokenBytes + 2]byte
	if len(sent[0]) != tokenLength {
		return TokenMalformed
	}
	if n, err := tokenText.Decode(b[:], []byte(sent[0])); err != nil || n != tokenBytes || !strings.HasPrefix(string(b[:]), tokenStart) {
		return TokenMalformed
	}
	if _, _, ok := t.Tokens.authenticate(sent[0]); !ok {
		return TokenForeign
	}
	return TokenExpired
}

// routeOf is what a path asks for, with its node in the tree, if it has one.
func routeOf(path string, node *tree.Node) web.Route {
	if node != nil {
		switch node.Kind {
		case tree.Credentials, tree.ExtendedCredentials:
			return web.RouteCredentials
		case tree.Listing:
			return web.RouteListing
		case tree.UserData:
			return web.RouteUserData
		case tree.Value, tree.Signature: // by its path
		}
	}
	version, below, _ := strings.Cut(path[1:], "/")
	switch first, _, _ := strings.Cut(below, "/"); {
	case node == nil && !tree.ServesVersion(version):
		return web.RouteOther
	case below == "api/token":
		return web.RouteToken
	case below == "meta-data/iam/security-credentials":
		return web.RouteListing
	case strings.HasPrefix(below, "meta-data/iam/security-credentials/"), below == "meta-data/identity-credentials/ec2/security-credentials/ec2-instance":
		return web.RouteCredentials
	case first == "meta-data":
		return web.RouteMetaData
	case first == "dynamic":
		return web.RouteDynamic
	case first == "user-data":
		return web.RouteUserData
	default:
		return web.RouteOther
	}
}

// noteRoute notes what a request asks for.
func (t *Target) noteRoute(r *http.Request, path string) {
	web.SetRoute(r, routeOf(path, t.Tree.Lookup(path)))
}
