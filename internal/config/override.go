package config

import (
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// override is one value from the environment or from --set.
type override struct {
	at    origin
	path  []string
	value string
}

// environment finds the overrides among the variables, sorted by name: a whole map comes before its entries.
func environment(environ []string) []override {
	last := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, variablePrefix) {
			last[name] = value
		}
	}
	var found []override
	for name, value := range last {
		path := strings.Split(strings.TrimPrefix(name, variablePrefix), "__")
		found = append(found, override{origin{variable: name}, path, value})
	}
	slices.SortFunc(found, func(a, b override) int { return strings.Compare(a.at.variable, b.at.variable) })
	return found
}

// flags takes the arguments of --set apart.
func (l *layers) flags(set []string) []override {
	var found []override
	for _, arg := range set {
		path, value, ok := strings.Cut(arg, "=")
		if !ok || path == "" {
			l.problems.add(origin{flag: "--set"}, quote(path), "write it as key.path=value, e.g. ec2.instance_id=i-0123456789abcdef0")
			continue
		}
		found = append(found, override{origin{flag: "--set"}, strings.Split(path, "."), value})
	}
	return found
}

// override lays the values of the environment and of --set over what the file says.
func (l *layers) override(src Sources) {
	all := append(environment(src.Environ), l.flags(src.Set)...)
	for _, o := range src.Options {
		all = append(all, override{origin{flag: o.Flag}, strings.Split(o.Path, "."), o.Value})
	}
	for i, o := range all {
		o.at.order = i + 1
		l.apply(o)
	}
}

// apply lays one value over the configuration. Names of blocks and keys in variables are in capitals, those of a map's
// entries as they are.
func (l *layers) apply(o override) {
	separator := "."
	if o.at.variable != "" {
		separator = "__"
	}
	v, path := reflect.ValueOf(l.config).Elem(), ""
	for i, key := range o.path {
		if v.Kind() == reflect.Map {
			l.applyEntry(o, v, path, strings.Join(o.path[i:], separator))
			return
		}
		if o.at.variable != "" {
			key = strings.ToLower(key)
		}
		full := join(path, key)
		if v.Kind() != reflect.Struct {
			l.unknown(o, full, path+" has no keys below it; set it as a whole")
			return
		}
		next, ok := field(v, key)
		if !ok {
			l.unknown(o, full, unknownKey(v.Type(), path, key))
			return
		}
		v, path = next, full
	}
	if v.Kind() == reflect.Struct {
		l.problems.add(o.at, path, "is a block; set one of its keys: %s", strings.Join(keys(v.Type()), ", "))
		return
	}
	l.forget(path, v)
	if n := l.value(o, v, path); n != nil {
		l.origins[path] = o.at
		l.decode(n, v, path, func(*yaml.Node) origin { return o.at })
	}
}

// applyEntry sets, or with an empty value takes back, one entry of a map.
func (l *layers) applyEntry(o override, v reflect.Value, path, key string) {
	full := join(path, key)
	switch {
	case key == "":
		l.problems.add(o.at, full, "a key must not be empty")
	case !utf8.ValidString(key) || !utf8.ValidString(o.value):
		l.problems.add(o.at, full, "not UTF-8 text")
	case o.value == "":
		if !v.IsNil() {
			v.SetMapIndex(reflect.ValueOf(key), reflect.Value{})
		}
		delete(l.origins, full)
	default:
		n := scalar(o.value)
		if removable := v.Type().Elem().Kind() == reflect.Pointer; removable && (o.value == "null" || o.value == "~") {
			n.Style = 0 // plain, so that it is no text
		}
		l.decodeEntry(n, v, path, key, o.at, func(*yaml.Node) origin { return o.at })
	}
}

// value makes a node of an override's text: the text itself for single values, YAML for lists and maps. It gives nil
// for an empty text, which leaves the key at its default, and after reporting.
func (l *layers) value(o override, v reflect.Value, path string) *yaml.Node {
	if !utf8.ValidString(o.value) {
		l.problems.add(o.at, path, "not UTF-8 text")
		return nil
	}
	text := strings.TrimSpace(o.value)
	isList := v.Kind() == reflect.Slice
	switch {
	case o.value == "":
		return nil
	case v.Kind() != reflect.Map && !isList:
		return scalar(o.value)
	case isList && v.Type().Elem().Kind() == reflect.String && (!strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]")):
		return scalar(o.value) // a list of one; an address such as [::1]:80 is no list
	case len(text) > maxFileSize:
		l.problems.add(o.at, path, "larger than 16 MiB")
		return nil
	}
	n, second, bad := parse([]byte(text))
	switch {
	case bad != nil:
		l.problems.add(o.at, path, "%v", bad)
	case second > 0:
		l.problems.add(o.at, path, "holds a second YAML document")
	case n != nil && !isNull(n):
		return n
	}
	return nil
}

// scalar is a single text, taken as it is.
func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: text}
}

// unknown reports a key that does not exist. A variable's name is not the key's, so that is given too.
func (l *layers) unknown(o override, path, text string) {
	if o.at.variable != "" {
		l.problems.add(o.at, "", "unknown key %s; %s", oneLine(path), text)
		return
	}
	l.problems.add(o.at, path, "unknown key; %s", text)
}
