package config

import (
	"slices"
	"strings"
)

// Origin says where the value of a key of the file comes from: conf/config.yaml:31, a variable or a flag. It returns "" unless one of
// them has set the key.
func (l *Loaded) Origin(key string) string {
	at, ok := l.scope.origins.get(key)
	if !ok {
		return ""
	}
	return at.String()
}

// Value is one key of an effective configuration. Value is YAML in one line, redacted.
type Value struct{ Key, Value, Origin string }

// EntryOrigin is Origin for a key that an entry of clients sets itself; "" where the places of many entries are not kept.
func (l *Loaded) EntryOrigin(entry int, key string) string {
	if entry < 0 || l.clientScopes == nil {
		return ""
	}
	at, ok := l.clientScopes[entry].origins.get(key)
	if !ok {
		return ""
	}
	return at.String()
}

// RoleOrigin is the place of an entry of roles; "" without it, or where the places of many entries are not kept.
func (l *Loaded) RoleOrigin(name string) string {
	s := l.roleScopes[name]
	if s == nil {
		return ""
	}
	return s.at.String()
}

// leaves is what Effective does with single values beside printing them: it hides those of metadata. nil does nothing.
type leaves struct {
	seen func(key, value, origin string)
}

// folded takes the place of a value of metadata: what users put there may be secret.
const folded = `"[folded]"`

// text returns what to print for a value.
func (v *leaves) text(path, value string) string {
	if v != nil && strings.HasPrefix(path, "metadata.") && value != "null" {
		return folded
	}
	return value
}

func (v *leaves) see(key, value string, at origin) {
	if v != nil {
		v.seen(key, value, at.String())
	}
}

// Effective is YAML without the values of metadata, and the single values in it, each by its key.
func (l *Loaded) Effective() (text []byte, values []Value) {
	text = l.yaml(&leaves{seen: func(key, value, origin string) { values = append(values, Value{key, value, origin}) }})
	return text, slices.Clip(values)
}
