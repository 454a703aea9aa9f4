package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// override is one value of a variable or a flag.
type override struct {
	at    origin
	path  []string // nil for a malformed --set, whose text is in value
	value string
}

// overridesOf returns the overrides in the order in which they apply. Variables are sorted by name, so that a whole map comes
// before its entries.
func overridesOf(src Sources) []override {
	var all []override
	variables := map[string]string{} // the last value of a name wins
	for _, e := range src.Environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, variablePrefix) {
			variables[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		path := strings.Split(strings.TrimPrefix(name, variablePrefix), "__")
		all = append(all, override{origin{name: name}, path, variables[name]})
	}
	for _, arg := range src.Set {
		path, value, ok := strings.Cut(arg, "=")
		if !ok || path == "" {
			all = append(all, override{at: origin{name: "--set"}, value: path})
			continue
		}
		all = append(all, override{origin{name: "--set"}, strings.Split(path, "."), value})
	}
	for _, o := range src.Options {
		all = append(all, override{origin{name: o.Flag}, strings.Split(o.Path, "."), o.Value})
	}
	for i := range all {
		all[i].at.order = i + 1
	}
	return all
}

// apply merges an override into the nodes. Variables have keys of the schema in capitals, keys of maps unchanged.
func (l *loader) apply(o override) {
	if o.path == nil {
		l.problems.add(o.at, quote(o.value), "write it as key.path=value, e.g. ec2.instance_id=i-0123456789abcdef0")
		return
	}
	variable, separator := strings.HasPrefix(o.at.name, variablePrefix), "."
	if variable {
		separator = "__"
	}
	t, path, slot := configType, "", &l.root
	for i, key := range o.path {
		if t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct { // the name of a block
			t, path, slot = t.Elem(), join(path, key), l.slot(slot, key, o.at)
			continue
		}
		if t.Kind() == reflect.Map { // the rest is the key of an entry
			key = strings.Join(o.path[i:], separator)
			t, path, slot = t.Elem(), join(path, key), l.slot(slot, key, o.at)
			break
		}
		if variable {
			key = strings.ToLower(key)
		}
		if !isBlock(t) {
			l.problems.add(o.at, join(path, key), "unknown key; %s has no keys below it; set it as a whole", path)
			return
		}
		f, ok := fieldOf(t, key)
		if !ok {
			l.problems.add(o.at, join(path, key), "unknown key; %s", unknownKey(t, path, key))
			return
		}
		t, path, slot = f.typ, join(path, key), l.slot(slot, key, o.at)
	}
	switch {
	case isBlock(t):
		l.problems.add(o.at, path, "is a block; set one of its keys: %s", strings.Join(keys(t), ", "))
	case !utf8.ValidString(o.value) || !utf8.ValidString(path):
		l.problems.add(o.at, path, "not UTF-8 text")
	default:
		*slot = l.value(o, t, path)
		l.setOrigin(*slot, o.at)
	}
}

// slot returns a pointer to the value of a key in a mapping, and adds the key if it is missing. It replaces the mapping by a
// copy, because aliases may refer to the original.
func (l *loader) slot(mapping **yaml.Node, key string, at origin) **yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	if n := target(*mapping); !isEmpty(n) {
		*m = *n
		m.Content = slices.Clone(n.Content)
	}
	if m.Kind != yaml.MappingNode {
		discarded := &yaml.Node{} // decode reports the mapping
		return &discarded
	}
	*mapping = m
	for i := 0; i+1 < len(m.Content); i += 2 {
		if target(m.Content[i]).Value == key {
			return &m.Content[i+1]
		}
	}
	newKey := scalar(key)
	l.setOrigin(newKey, at)
	m.Content = append(m.Content, newKey, &yaml.Node{})
	return &m.Content[len(m.Content)-1]
}

// setOrigin records the origin of a node and of all nodes below it.
func (l *loader) setOrigin(n *yaml.Node, at origin) {
	l.overrides[n] = at
	for _, c := range n.Content {
		l.setOrigin(c, at)
	}
}

// value returns the node of an override's text: the text itself for single values, parsed YAML for lists and maps. An empty
// text, whose node has no kind, removes the value of other sources.
func (l *loader) value(o override, t reflect.Type, path string) *yaml.Node {
	text, kind := strings.TrimSpace(o.value), t.Kind()
	n := scalar(o.value)
	switch {
	case o.value == "":
		return &yaml.Node{}
	case kind == reflect.Pointer && (o.value == "null" || o.value == "~"):
		n.Style = 0 // plain, which makes it null
		return n
	case t == podTagsType && strings.HasPrefix(text, "{"): // a map, else a word
	case kind != reflect.Map && kind != reflect.Slice:
		return n
	case kind == reflect.Slice && t.Elem().Kind() == reflect.String && (!strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]")):
		return n // one element: an address such as [::1]:80 is no list
	}
	parsed, err := parse([]byte(text))
	switch {
	case err != nil:
		l.problems.add(o.at, path, "%v", err)
	case parsed != nil:
		return parsed
	}
	return &yaml.Node{}
}

// scalar returns the node of a literal text.
func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: text}
}
