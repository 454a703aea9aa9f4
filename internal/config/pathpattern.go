package config

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PathPattern is a pattern for paths below the version, such as meta-data/iam/**. A segment "*" stands for any one segment. A last
// segment "**" stands for any number of them, also none: meta-data/iam/** fits meta-data/iam too. All else is literal.
type PathPattern struct{ text string }

// ParsePathPattern parses a pattern such as meta-data/iam/**. Its error says what is wrong without the key at fault.
func ParsePathPattern(s string) (PathPattern, error) {
	if wrong := pathPattern(s); wrong != "" {
		return PathPattern{}, errors.New(wrong)
	}
	return PathPattern{s}, nil
}

// Match reports whether a path below the version, as BelowVersion gives it, fits the pattern. The zero pattern fits all. It allocates
// nothing: rules are matched on each request.
func (p PathPattern) Match(path string) bool {
	if p.text == "" {
		return true
	}
	pattern, more := p.text, path != ""
	for {
		want, restOfPattern, further := strings.Cut(pattern, "/")
		if want == anyRest {
			return true
		}
		if !more {
			return false
		}
		var segment string
		segment, path, more = strings.Cut(path, "/")
		if want != anySegment && want != segment {
			return false
		}
		if !further {
			return !more
		}
		pattern = restOfPattern
	}
}

func (p PathPattern) String() string { return p.text }

// BelowVersion is the part of a normalised path behind its version: meta-data/mac of /latest/meta-data/mac, "" of / and /latest.
func BelowVersion(path string) string {
	_, below, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return below
}

// Segments of patterns.
const (
	anySegment = "*"
	anyRest    = "**"
)

// version matches the first segment of a path with a version.
var version = once(`^(latest|1\.0|[0-9]{4}-[0-9]{2}-[0-9]{2})$`)

// pathPattern is the rule for patterns.
func pathPattern(s string) string {
	segments := strings.Split(s, "/")
	last := len(segments) - 1
	switch {
	case s == "":
		return "no pattern; write e.g. meta-data/iam/**"
	case !utf8.ValidString(s):
		return quote(s) + " is not UTF-8 text"
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return quote(s) + " holds a control character"
	case strings.ContainsAny(s, "?#%"):
		return quote(s) + " holds one of ?#%; write the path alone, without a query and without escapes"
	case segments[0] == "" || version().MatchString(segments[0]):
		return quote(s) + " does not start below the version; write " + belowVersionHint(segments)
	case slices.ContainsFunc(segments, func(s string) bool { return s == "" || s == "." || s == ".." }):
		return quote(s) + " has a segment that no path has; write it like meta-data/iam/**, without a slash at the end"
	case slices.Contains(segments[:last], anyRest):
		return quote(s) + " has ** before its end; ** stands for the rest, so write * for one segment"
	case slices.ContainsFunc(segments, func(s string) bool { return s != anySegment && s != anyRest && strings.Contains(s, "*") }):
		return quote(s) + " has * in a part of a segment; write * for a whole segment"
	}
	return ""
}

// belowVersionHint returns the part of a pattern below its version, or an example if that is nothing usable.
func belowVersionHint(segments []string) string {
	segments = slices.DeleteFunc(slices.Clone(segments), func(s string) bool { return s == "" })
	if len(segments) > 0 && version().MatchString(segments[0]) {
		segments = segments[1:]
	}
	if below := strings.Join(segments, "/"); pathPattern(below) == "" {
		return below
	}
	return "it like meta-data/iam/**"
}
