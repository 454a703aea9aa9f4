package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// printRoles prints the keys that the entries of roles set themselves; all others are those of credentials.
func (l *Loaded) printRoles(out *bytes.Buffer, each *leaves) {
	if len(l.Config.Roles) > 0 && l.roleScopes == nil {
		fmt.Fprintf(out, "# roles: %d entries\n", len(l.Config.Roles))
		return
	}
	if len(l.Config.Roles) == 0 {
		fmt.Fprintf(out, "roles: {} # %s\n", l.scope.origin("roles"))
		return
	}
	out.WriteString("roles:\n")
	for _, name := range slices.Sorted(maps.Keys(l.Config.Roles)) {
		s := l.roleScopes[name]
		role := l.Config.Roles[name]
		if own := l.ownKeys(reflect.ValueOf(role), s, "credentials", "    ", each); own != "" {
			fmt.Fprintf(out, "  %s:\n%s", plainOrQuoted(name), own)
		} else {
			fmt.Fprintf(out, "  %s: {} # %s\n", plainOrQuoted(name), s.at)
		}
	}
}

// printClients prints the keys that the entries of clients set themselves.
func (l *Loaded) printClients(out *bytes.Buffer, each *leaves) {
	if len(l.Config.Clients) > 0 && l.clientScopes == nil {
		fmt.Fprintf(out, "# clients: %d entries\n", len(l.Config.Clients))
		return
	}
	if len(l.Config.Clients) == 0 {
		fmt.Fprintf(out, "clients: [] # %s\n", l.scope.origin("clients"))
		return
	}
	out.WriteString("clients:\n")
	for i := range l.Config.Clients {
		c := &l.Config.Clients[i]
		keys := clientKeys{From: c.Networks(), Listen: c.Listen, Role: c.Role, Also: c.Also}
		if c.Instance != nil {
			keys.AWS, keys.EC2, keys.Metadata = c.Instance.AWS, c.Instance.EC2, c.Instance.Metadata
		}
		text := []byte(l.ownKeys(reflect.ValueOf(keys), l.clientScopes[i], "", "    ", each))
		text[2] = '-'
		out.Write(text)
	}
}

var (
	eventsType = reflect.TypeFor[[]Event]()
	faultsType = reflect.TypeFor[[]Fault]()
)

// printSimulation prints the keys that events or faults set: each has few of many.
func (l *Loaded) printSimulation(out *bytes.Buffer, list reflect.Value, key string, each *leaves) {
	p := printer{out: out, origins: &l.scope.origins, own: list.Len() > 0, display: l.scope.display, each: each}
	p.print(list, key, key, "")
}

// ownKeys prints the values of a block that a scope sets itself.
func (l *Loaded) ownKeys(v reflect.Value, s *scope, path, indent string, each *leaves) string {
	var out bytes.Buffer
	p := printer{out: &out, origins: &s.origins, own: true, display: s.display, each: each}
	for _, f := range fieldsOf(v.Type()) {
		p.print(v.FieldByIndex(f.index), f.key, join(path, f.key), indent)
	}
	return out.String()
}

// below returns the entries of a map at path whose origin is known.
func (o *origins) below(path string) []string {
	var all []string
	add := func(key string) {
		if entry, ok := strings.CutPrefix(key, path+"."); ok {
			all = append(all, entry)
		}
	}
	for _, k := range o.few {
		add(k.key)
	}
	for key := range o.many {
		add(key)
	}
	return all
}

// hasBelow reports whether the origin of a key, or of one below it, is known.
func (o *origins) hasBelow(path string) bool {
	is := func(key string) bool {
		return key == path || strings.HasPrefix(key, path+".") || strings.HasPrefix(key, path+"[")
	}
	for _, k := range o.few {
		if is(k.key) {
			return true
		}
	}
	for key := range o.many {
		if is(key) {
			return true
		}
	}
	return false
}
