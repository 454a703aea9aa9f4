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

// YAML is the effective configuration: every key that has an effect, secrets redacted, each value followed by a comment
// that says where it comes from. Read again it gives the same configuration, but for the secrets.
func (l *Loaded) YAML() []byte {
	p := printer{loaded: l}
	p.block(reflect.ValueOf(l.Config).Elem(), "", "")
	return p.out.Bytes()
}

// printer writes one configuration.
type printer struct {
	loaded *Loaded
	out    bytes.Buffer
}

// block writes the keys of a struct.
func (p *printer) block(v reflect.Value, path, indent string) {
	for i, key := range keys(v.Type()) {
		full, f := join(path, key), v.Field(i)
		switch {
		case f.Kind() == reflect.Struct:
			fmt.Fprintf(&p.out, "%s%s:\n", indent, key)
			p.block(f, full, indent+"  ")
		case f.Kind() == reflect.Map && f.Len() > 0:
			p.entries(f, key, full, indent)
		case f.Kind() == reflect.Slice && f.Len() > 0 && f.Type().Elem().Kind() == reflect.Struct:
			p.blocks(f, key, full, indent)
		default:
			p.leaf(indent+key, leafText(f), full)
		}
	}
}

// leaf writes one line.
func (p *printer) leaf(key, value, path string) {
	o := p.loaded.origins[path]
	fmt.Fprintf(&p.out, "%s: %s # %s\n", key, value, o)
}

// entries writes a map. Each entry may come from somewhere else.
func (p *printer) entries(v reflect.Value, key, path, indent string) {
	fmt.Fprintf(&p.out, "%s%s:\n", indent, key)
	entries := map[string]string{}
	for it := v.MapRange(); it.Next(); {
		entries[it.Key().String()] = leafText(it.Value())
	}
	if text := entries["user-data"]; path == "metadata" && text != "" && text != "null" {
		entries["user-data"] = strconv.Quote(redacted) // as ec2.user_data is
	}
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		p.leaf(indent+"  "+plainOrQuoted(k), entries[k], join(path, k))
	}
}

// blocks writes a list of structs.
func (p *printer) blocks(v reflect.Value, key, path, indent string) {
	fmt.Fprintf(&p.out, "%s%s:\n", indent, key)
	for i := range v.Len() {
		start := p.out.Len()
		p.block(v.Index(i), fmt.Sprintf("%s[%d]", path, i), indent+"    ")
		if p.out.Len() > start {
			p.out.Bytes()[start+len(indent)+2] = '-'
		}
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
	case v.Type() == secretType:
		return strconv.Quote(Secret(v.String()).String())
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
