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
// the same configuration, except for secrets, which are redacted. After Checked it leaves out many entries.
func (l *Loaded) YAML() []byte { return l.yaml(nil) }

func (l *Loaded) yaml(each *leaves) []byte {
	var out bytes.Buffer
	p := printer{out: &out, origins: &l.scope.origins, display: l.scope.display, each: each}
	if len(l.Config.Roles)+len(l.Config.Clients) > 0 {
		p.derived = []string{rolePath, refreshBeforePath, accountPath}
	}
	v := reflect.ValueOf(l.Config).Elem()
	for _, f := range fieldsOf(v.Type()) {
		switch f.typ {
		case rolesType:
			l.printRoles(&out, each)
		case clientsType:
			l.printClients(&out, each)
		case eventsType, faultsType:
			l.printSimulation(&out, v.FieldByIndex(f.index), f.key, each)
		default:
			p.print(v.FieldByIndex(f.index), f.key, f.key, "")
		}
	}
	return out.Bytes()
}

// printer prints values as YAML.
type printer struct {
	out     *bytes.Buffer
	origins *origins
	own     bool // only values with an origin
	// derived are keys that are printed as comments unless a source has set them: entries derive values of their own, and would
	// inherit these from the printed file.
	derived []string
	display func(path string) string // the key in the file
	each    *leaves
}

// print prints the value at path after its key. The top level and the elements of a list have no key.
func (p *printer) print(v reflect.Value, key, path, indent string) {
	out := p.out
	if tags, ok := reflect.TypeAssert[PodTags](v); ok {
		v = tags.value()
	}
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		v = v.Elem()
	}
	if p.own && !p.origins.hasBelow(path) {
		return
	}
	entries := p.entries(v, path)
	if key != "" && (v.Kind() == reflect.Struct || len(entries) > 0 || isBlockList(v)) {
		fmt.Fprintf(out, "%s%s:\n", indent, key)
		indent += "  "
	}
	switch {
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			p.print(v.FieldByIndex(f.index), f.key, join(path, f.key), indent)
		}
	case len(entries) > 0:
		for _, k := range entries {
			value := v.MapIndex(reflect.ValueOf(k))
			if !value.IsValid() { // the client takes it away
				value = reflect.Zero(reflect.TypeFor[*string]())
			}
			p.print(value, plainOrQuoted(k), join(path, k), indent)
		}
	case isBlockList(v):
		for i := range v.Len() {
			start := out.Len()
			p.print(v.Index(i), "", fmt.Sprintf("%s[%d]", path, i), indent+"  ")
			out.Bytes()[start+len(indent)] = '-'
		}
	default:
		value := leafText(v)
		if key == "local_ipv4s" && v.IsNil() {
			value = "null" // [] is no address
		}
		if key == "user-data" && value != "null" {
			value = strconv.Quote(redacted) // as ec2.user_data is
		}
		value = p.each.text(path, value)
		at, set := p.origins.get(path)
		p.each.see(p.display(path), value, at)
		if !set && slices.Contains(p.derived, path) {
			indent += "# "
		}
		fmt.Fprintf(out, "%s%s: %s # %s\n", indent, key, value, at)
	}
}

// entries returns the keys of a map, sorted, with those that a client takes away; none for other values.
func (p *printer) entries(v reflect.Value, path string) []string {
	if v.Kind() != reflect.Map {
		return nil
	}
	var all []string
	for _, k := range v.MapKeys() {
		all = append(all, k.String())
	}
	if p.own {
		all = append(all, p.origins.below(path)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
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
