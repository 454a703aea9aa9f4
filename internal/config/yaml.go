package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// YAML is the effective configuration: every key, secrets redacted, each value followed by a comment that names its origin.
// Read again it gives the same configuration, but for the secrets.
func (l *Loaded) YAML() []byte {
	var out bytes.Buffer
	l.printBlock(&out, reflect.ValueOf(l.Config).Elem(), "", "")
	return out.Bytes()
}

func (l *Loaded) printBlock(out *bytes.Buffer, v reflect.Value, path, indent string) {
	for _, f := range fieldsOf(v.Type()) {
		full, v := join(path, f.key), v.FieldByIndex(f.index)
		switch kind := v.Kind(); {
		case kind == reflect.Struct:
			fmt.Fprintf(out, "%s%s:\n", indent, f.key)
			l.printBlock(out, v, full, indent+"  ")
		case kind == reflect.Map && v.Len() > 0:
			fmt.Fprintf(out, "%s%s:\n", indent, f.key)
			l.printEntries(out, v, full, indent+"  ")
		case kind == reflect.Slice && v.Len() > 0 && v.Index(0).Kind() == reflect.Struct:
			fmt.Fprintf(out, "%s%s:\n", indent, f.key)
			for i := range v.Len() {
				start := out.Len()
				l.printBlock(out, v.Index(i), fmt.Sprintf("%s[%d]", full, i), indent+"    ")
				out.Bytes()[start+len(indent)+2] = '-'
			}
		default:
			fmt.Fprintf(out, "%s%s: %s # %s\n", indent, f.key, leafText(v), l.origins[full])
		}
	}
}

// printEntries prints a map. Each entry may come from somewhere else.
func (l *Loaded) printEntries(out *bytes.Buffer, v reflect.Value, path, indent string) {
	entries := map[string]reflect.Value{}
	for it := v.MapRange(); it.Next(); {
		entries[it.Key().String()] = it.Value()
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		full, value := join(path, key), entries[key]
		if full == "metadata.user-data" && !value.IsNil() {
			value = reflect.ValueOf(Secret(value.Elem().String())) // as ec2.user_data is
		}
		fmt.Fprintf(out, "%s%s: %s # %s\n", indent, plainOrQuoted(key), leafText(value), l.origins[full])
	}
}

// leafText is a value as YAML that fits on a line.
func leafText(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return "null"
	case v.Kind() == reflect.Pointer:
		return leafText(v.Elem())
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
	case v.Type() == durationType:
		return shortDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.String:
		return plainOrQuoted(v.String())
	default:
		return fmt.Sprint(v.Interface())
	}
}

// plain is text that means the same without quotes wherever it stands, unless it looks like something else than text.
var plain = once(`^[A-Za-z0-9/](?:[A-Za-z0-9_./:@+-]*[A-Za-z0-9_./@+-])?$`)

// oldBools are words that some programs still read as true and false.
var oldBools = []string{"y", "n", "yes", "no", "on", "off"}

// plainOrQuoted writes a text so that every YAML program reads it as that text.
func plainOrQuoted(s string) string {
	n := yaml.Node{Kind: yaml.ScalarNode, Value: s}
	if plain().MatchString(s) && n.ShortTag() == "!!str" && !slices.Contains(oldBools, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}
