package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// YAML returns the effective configuration: every key, each value followed by a comment that names its origin. Loading it gives
// the same configuration, except for secrets, which are redacted.
func (l *Loaded) YAML() []byte {
	var out bytes.Buffer
	l.print(&out, reflect.ValueOf(l.Config).Elem(), "", "", "")
	return out.Bytes()
}

// print prints the value at path after its key. The top level and the elements of a list have no key.
func (l *Loaded) print(out *bytes.Buffer, v reflect.Value, key, path, indent string) {
	if kind := v.Kind(); key != "" && (kind == reflect.Struct || kind == reflect.Map && v.Len() > 0 || isBlockList(v)) {
		fmt.Fprintf(out, "%s%s:\n", indent, key)
		indent += "  "
	}
	switch {
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			l.print(out, v.FieldByIndex(f.index), f.key, join(path, f.key), indent)
		}
	case v.Kind() == reflect.Map && v.Len() > 0:
		entries := v.MapKeys()
		slices.SortFunc(entries, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range entries {
			l.print(out, v.MapIndex(k), plainOrQuoted(k.String()), join(path, k.String()), indent)
		}
	case isBlockList(v):
		for i := range v.Len() {
			start := out.Len()
			l.print(out, v.Index(i), "", fmt.Sprintf("%s[%d]", path, i), indent+"  ")
			out.Bytes()[start+len(indent)] = '-'
		}
	default:
		value := leafText(v)
		if key == "local_ipv4s" && v.IsNil() {
			value = "null" // [] is no address
		}
		if path == "metadata.user-data" && value != "null" {
			value = strconv.Quote(redacted) // as ec2.user_data is
		}
		fmt.Fprintf(out, "%s%s: %s # %s\n", indent, key, value, l.origins[path])
	}
}

func isBlockList(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Len() > 0 && v.Index(0).Kind() == reflect.Struct
}

// leafText formats a value as one line of YAML.
func leafText(v reflect.Value) string {
	switch v = reflect.Indirect(v); {
	case !v.IsValid():
		return "null"
	case v.Kind() == reflect.Map:
		return "{}"
	case v.Kind() == reflect.Slice:
		elements := make([]string, v.Len())
		for i := range elements {
			elements[i] = leafText(v.Index(i))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	case v.Type() == reflect.TypeFor[Secret]():
		return strconv.Quote(fmt.Sprint(v.Interface()))
	case v.Kind() == reflect.Int64:
		return shortDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.String:
		return plainOrQuoted(v.String())
	default:
		return fmt.Sprint(v.Interface())
	}
}

// plain matches text that needs no quotes, unless it looks like another type than text.
var plain = once(`^[A-Za-z0-9/](?:[A-Za-z0-9_./:@+-]*[A-Za-z0-9_./@+-])?$`)

// oldBools are words that YAML 1.1 programs read as booleans.
var oldBools = []string{"y", "n", "yes", "no", "on", "off"}

// plainOrQuoted formats a text so that every YAML program reads it as that text.
func plainOrQuoted(s string) string {
	n := yaml.Node{Kind: yaml.ScalarNode, Value: s}
	if plain().MatchString(s) && n.ShortTag() == "!!str" && !slices.Contains(oldBools, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}
