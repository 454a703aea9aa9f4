package ecs

import (
	"net/http"
	"net/url"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// Paths of the two versions (container-credentials-reference section 3.1), and those of ecs-local (section 8).
const (
	pathV1  = "/v1/credentials"
	pathV2  = "/v2/credentials/" // before the id
	pathOwn = "/creds"
	pathARN = "/role-arn/" // before the ARN
	pathOf  = "/role/"     // before the name
)

// wanted says how a request names the credentials that it wants.
type wanted int

const (
	wantID wanted = iota
	wantOwn
	wantName
	wantARN
)

// query is a request of credentials.
type query struct {
	version *version
	wanted  wanted
	value   string // the id, "" without; the role's name or ARN
}

// parse returns what a URL asks for. Runs of slashes count as one. A slash at the end belongs to an id, and to nothing else. It
// returns false for any other path.
func parse(u *url.URL) (q query, ok bool) {
	path := web.Clean(u.Path)
	slash := path != "/" && strings.HasSuffix(u.Path, "/")
	if slash && strings.HasPrefix(path+"/", pathV2) {
		return query{&version2, wantID, (path + "/")[len(pathV2):]}, true
	}
	if id, ok := strings.CutPrefix(path, pathV2); ok {
		return query{&version2, wantID, id}, true
	}
	if path == pathV1 && !slash {
		return query{&version1, wantID, u.Query().Get("id")}, true
	}
	if path == pathOwn {
		return query{&byPath, wantOwn, ""}, true
	}
	if name, ok := strings.CutPrefix(path, pathOf); ok && !strings.Contains(name, "/") {
		return query{&byPath, wantName, name}, true
	}
	if arn, ok := strings.CutPrefix(path, pathARN); ok && strings.HasPrefix(arn, "arn:") {
		return query{&byPath, wantARN, arn}, true
	}
	return query{}, false
}

// HasID reports whether a request of /v1/credentials has a parameter id, though it may be empty. Without one it is of EKS Pod
// Identity where the two share a port (container-credentials-reference section 0).
func HasID(r *http.Request) bool { return r.URL.RawQuery != "" && r.URL.Query().Has("id") }

// LogPath returns the path of a request for logs, without an id that it may contain. Requests of other surfaces keep their path.
func LogPath(r *http.Request) string {
	const hidden = pathV2 + "…"
	switch before, _, found := strings.Cut(web.Clean(r.URL.Path), pathV2); {
	case found && before == "":
		return hidden
	case found:
		return hideIDs(before) + hidden
	}
	return hideIDs(r.URL.Path)
}

// hideIDs replaces what has the form of an id in a path, which a client may have mistyped. Endpoint ids of task metadata are no
// secrets, but a client may send the other id in their place.
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
