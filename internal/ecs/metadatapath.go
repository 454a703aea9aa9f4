package ecs

import (
	"net/url"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// metadataQuery is a request of task metadata.
type metadataQuery struct {
	version int  // 2, 3 or 4
	task    bool // the task, else one container
	tags    bool // with tags
	stats   bool
	// id is the container's endpoint id in versions 3 and 4; in version 2 the engine's id, and "" for the task of who asks.
	id string
}

// parseMetadata returns what a URL asks for. Runs of slashes count as one. It returns false for other paths, which are those that
// the agent does not know and those that are not imitated (container-credentials-reference section 4.1).
func parseMetadata(u *url.URL) (q metadataQuery, ok bool) {
	path := web.Clean(u.Path)
	if path != "/" && strings.HasSuffix(u.Path, "/") {
		path += "/"
	}
	if rest, ok := strings.CutPrefix(path, "/v2/"); ok {
		return parseV2(rest)
	}
	q.version = 4
	rest, ok := strings.CutPrefix(path, "/v4/")
	if !ok {
		q.version = 3
		if rest, ok = strings.CutPrefix(path, "/v3/"); !ok {
			return metadataQuery{}, false
		}
	}
	id, what, found := strings.Cut(rest, "/")
	q.id = id
	switch {
	case !found:
	case what == "task":
		q.task = true
	case what == "taskWithTags":
		q.task, q.tags = true, true
	case what == "stats":
		q.stats = true
	case what == "task/stats":
		q.task, q.stats = true, true
	default:
		return metadataQuery{}, false
	}
	return q, true
}

// parseV2 parses what follows /v2/. A slash at the end belongs to an id.
func parseV2(rest string) (q metadataQuery, ok bool) {
	q.version = 2
	name, id, _ := strings.Cut(rest, "/")
	q.id, q.task = id, id == ""
	switch {
	case name == "metadata":
	case name == "metadataWithTags" && q.task:
		q.tags = true
	case name == "stats":
		q.stats = true
	default:
		return metadataQuery{}, false
	}
	return q, true
}
