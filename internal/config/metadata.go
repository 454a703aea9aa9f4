package config

import (
	"maps"
	"slices"
	"strings"
)

// validateMetadata checks the paths whose values are added, replaced or removed (nil).
func (l *loader) validateMetadata() {
	values := l.config.Metadata
	has := func(path string) bool { return values[path] != nil }
	for _, path := range slices.Sorted(maps.Keys(values)) {
		full, value := join("metadata", path), values[path]
		if wrong := metadataPath(path, value == nil); wrong != "" {
			l.wrong(full, "%s", wrong)
			continue
		}
		if value == nil {
			continue
		}
		if above := leafAbove(has, path); above != "" {
			l.wrong(full, "nothing can be below %s, which has a value; keep one of them", join("metadata", above))
		}
		if wrong := userData(*value); path == "user-data" && wrong != "" {
			l.wrong(full, "%s", wrong)
		}
	}
}

// metadataPath is the rule for the keys of metadata: paths below the version, without slashes at either end.
func metadataPath(path string, removed bool) string {
	segments := strings.Split(path, "/")
	if first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); version().MatchString(first) && metadataPath(rest, removed) == "" {
		return "does not start below the version; write " + rest
	}
	switch {
	case word(path) != "" || strings.ContainsAny(path, "%?#") || slices.ContainsFunc(segments, func(s string) bool { return s == "" || s == "." || s == ".." }):
		return "not a path below the version; write it like meta-data/ami-id"
	case holdsCredentials(segments, removed):
		return "the role's credentials are not for metadata to change; set credentials.iam_role, or leave that out for an instance without a role"
	case path == "user-data" || len(segments) > 1 && (segments[0] == "meta-data" || segments[0] == "dynamic"):
		return ""
	default:
		return "neither user-data nor a path below meta-data/ or dynamic/"
	}
}

// holdsCredentials reports whether a change of the path would hide or forge the credentials of the role.
func holdsCredentials(path []string, removed bool) bool {
	switch iam := []string{"meta-data", "iam"}; {
	case len(path) == 1:
		return path[0] == iam[0] && removed
	case !slices.Equal(path[:2], iam):
		return false
	default:
		return len(path) == 2 || path[2] == "security-credentials" || path[2] == "security-credentials-extended"
	}
}

// leafAbove returns the nearest path above another one that has a value and so is no directory, or "".
func leafAbove(hasValue func(path string) bool, path string) string {
	for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path, '/') {
		if path = path[:i]; hasValue(path) {
			return path
		}
	}
	return ""
}
