package config

import "strings"

// findings takes what the rules that compare keys of an event or a fault find. Key is the key within it, "" if none alone is at fault.
// The rules are the same for a file, flags and bodies of the control API.
type findings struct {
	wrong func(key, format string, args ...any)
	odd   func(key, format string, args ...any) // unusual, a warning
	goos  string                                // operating system, as package runtime names it
}

// choice is a key that excludes its siblings, and whether it is set.
type choice struct {
	key string
	set bool
}

type choices []choice

// names are the keys, for messages.
func (c choices) names() string {
	keys := make([]string, len(c))
	for i := range c {
		keys[i] = c[i].key
	}
	return strings.Join(keys, ", ")
}

// chosen are the keys that are set.
func (c choices) chosen() []string {
	var keys []string
	for _, choice := range c {
		if choice.set {
			keys = append(keys, choice.key)
		}
	}
	return keys
}

// exclusive reports all keys of a block that are set but the first one. The block "" is the event or fault itself.
func (r findings) exclusive(block string, all choices) {
	keys := all.chosen()
	for i := 1; i < len(keys); i++ {
		r.wrong(join(block, keys[i]), "%s is set too; keep one of them", join(block, keys[0]))
	}
}

// missing reports a key that others need.
func (r findings) missing(key string, set bool, why string) {
	if !set {
		r.wrong(key, "is missing; %s", why)
	}
}
