package app

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/tree"
	"mock-ec2-metadata/internal/web"
)

// maxShown is how many bytes of a body are shown.
const maxShown = 64 << 10

// Tree returns what a client gets at a path, with secrets masked. As a client's request does, it has the daemon get credentials that
// no client has asked for yet; it counts for no event and no fault. Its error is an *api.Refusal.
func (a *App) Tree(ctx context.Context, look api.Look) (*api.TreeNode, error) {
	n := &api.TreeNode{Path: lookedAt(look)}
	r, err := a.madeUp(ctx, api.Question{Client: look.Client})
	if err != nil {
		return nil, err
	}
	s := a.State()
	if a.guard.ClassBy(s.Rules, web.Remote(r)) == guard.Refused {
		if _, denied := a.guard.Judge(r); denied != nil {
			n.Status, n.Body = denied.Status, denied.Text
		}
		return n, nil
	}
	c, err := a.lookUp(s, r)
	if err != nil {
		n.Status, n.Body = http.StatusServiceUnavailable, err.Error()
		return n, nil //nolint:nilerr // it is what the client would be told
	}
	made, selection := s.peekMetadata(c, web.Remote(r))
	if made == nil {
		n.Status = http.StatusInternalServerError
		return n, nil
	}
	target := *made.target
	target.Observe, target.TokensRequired = nil, false
	if target.Faults != nil {
		n.Body = "an event says that the instance is off: there is no answer"
		return n, nil
	}
	answered := a.answerOf(r, &target, n.Path)
	n.Status, n.ContentType, n.Bytes = answered.status, answered.header.Get("Content-Type"), answered.body.Len()
	found := target.Tree.Lookup(n.Path)
	if found == nil || n.Status == http.StatusForbidden {
		n.Body = shown(answered.body.Bytes())
		return n, nil
	}
	below := config.BelowVersion(n.Path)
	in, _ := s.Config.InstanceOf(c.identity.entry, c.identity.grant.credentials)
	own := in.Metadata[below]
	n.Origin = s.originOf(below, c, selection, own)
	event := s.eventAt(below, selection)
	isText := found.Kind == tree.UserData || own != nil || event != nil && event.Spec.Set != nil // written by a user, who may keep a secret there
	switch {
	case found.Kind == tree.Credentials || found.Kind == tree.ExtendedCredentials:
		body, masked := imds.Masked(answered.body.Bytes())
		n.Body, n.Masked = shown(body), masked
	case found.Kind == tree.Listing:
		n.Body, n.Children = shown(answered.body.Bytes()), childrenOf(target.Tree, n.Path, found.Body)
	case isText && isCredentials(below):
		n.Body, n.Masked = "[redacted]", true // in whatever form its secrets are
	case isText && !look.Reveal:
		n.Folded = true
	default:
		n.Body = shown(answered.body.Bytes())
	}
	return n, nil
}

// isCredentials tells whether a path below the version is one of credentials.
func isCredentials(below string) bool {
	return strings.HasPrefix(below, "meta-data/iam/security-credentials/") ||
		strings.HasPrefix(below, "meta-data/identity-credentials/ec2/security-credentials/")
}

// lookedAt is the normalised path to look at. A path with a slash at its beginning has its version.
func lookedAt(look api.Look) string {
	if look.Version == "" && strings.HasPrefix(look.Path, "/") {
		return web.Clean(look.Path)
	}
	version := look.Version
	if version == "" {
		version = "latest"
	}
	return web.Clean("/" + version + "/" + look.Path)
}

// answerOf returns what the metadata service answers to a GET of a path by a target.
func (a *App) answerOf(r *http.Request, t *imds.Target, path string) *memoryWriter {
	w := &memoryWriter{header: http.Header{}, status: http.StatusOK}
	never := func(*http.Request) bool { return false }
	imds.NewHandler(a.log, oneTarget{t, path}, never, never, imds.Hooks{})(w, r)
	return w
}

// oneTarget selects one target and path for whatever request.
type oneTarget struct {
	target *imds.Target
	path   string
}

// Select never fails.
func (o oneTarget) Select(*http.Request) (*imds.Target, string, error) { return o.target, o.path, nil }

// memoryWriter keeps an answer.
type memoryWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *memoryWriter) Header() http.Header         { return w.header }
func (w *memoryWriter) WriteHeader(status int)      { w.status = status }
func (w *memoryWriter) Write(p []byte) (int, error) { return w.body.Write(p) }

// shown is the beginning of a body as text.
func shown(body []byte) string {
	return strings.ToValidUTF8(string(body[:min(len(body), maxShown)]), "\uFFFD")
}

// childrenOf are the names in a listing, as paths have them: key pairs without their names, directories with a slash.
func childrenOf(t *tree.Snapshot, path string, listing []byte) []string {
	children := []string{}
	for line := range strings.Lines(string(listing)) {
		name, isDirectory := strings.CutSuffix(strings.TrimSuffix(line, "\n"), "/")
		child := t.Lookup(strings.TrimSuffix(path, "/") + "/" + name)
		if number, _, ok := strings.Cut(name, "="); ok && child == nil {
			name = number
			child = t.Lookup(path + "/" + name)
		}
		if isDirectory || child != nil && child.Kind == tree.Listing {
			name += "/"
		}
		children = append(children, name)
	}
	return children
}
