package config

import (
	"reflect"
	"slices"
	"strings"
)

// notYet is a key whose behaviour comes later. Until then, setting it to anything but its default is an error: a daemon
// that quietly ignores it would be worse.
type notYet struct {
	key string
	// evenDefault refuses the default's value too, where writing it down promises something.
	evenDefault bool
}

const unsupportedText = "not supported yet; leave it out"

// unsupported shrinks by a line with each feature. Nothing else has to change but conf/sample-config.yaml and
// docs/configuration.md.
var unsupported = []notYet{
	{key: "server.allow_clients", evenDefault: true}, // "auto" promises a filter
	{key: "server.allow_hosts"},
	{key: "server.user"},
}

// refuseUnsupported reports the keys of the table that a source has set.
func (l *layers) refuseUnsupported() {
	standard := defaults(l.config)
	for _, u := range unsupported {
		at, ok := l.firstOrigin(u.key)
		if !ok {
			continue
		}
		if !u.evenDefault && !l.broken[u.key] && same(find(l.config, u.key), find(standard, u.key)) {
			continue
		}
		l.problems.add(at, u.key, unsupportedText)
	}
}

// firstOrigin is where a key was set, or, for a map of which only entries were set, the first of those.
func (l *layers) firstOrigin(path string) (origin, bool) {
	if at, ok := l.origins[path]; ok {
		return at, true
	}
	v := find(l.config, path)
	if v.Kind() != reflect.Map || v.Len() == 0 {
		return origin{}, false
	}
	entries := v.MapKeys()
	slices.SortFunc(entries, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return l.origins[join(path, entries[0].String())], true
}

// same compares two values of a key. No list and an empty one are the same.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice, reflect.Map:
		return a.Len() == 0 && b.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface())
	default:
		return a.Equal(b)
	}
}

// isUnsupported is true for keys that have no effect at all yet, so that the effective configuration leaves them out.
func isUnsupported(path string) bool {
	return slices.ContainsFunc(unsupported, func(u notYet) bool { return u.key == path })
}
