package config

import (
	"cmp"
	"reflect"

	"gopkg.in/yaml.v3"
)

// decodeMap decodes a map of texts. Null becomes nil in a map of pointers; in other maps the entry is left out.
func (l *loader) decodeMap(n *yaml.Node, v reflect.Value, tag reflect.StructTag, path string) {
	pointers := v.Type().Elem().Kind() == reflect.Pointer
	if l.scope.parent != nil {
		l.inherit(v)
	}
	for e := range l.entries(n, path) {
		full := join(path, e.key)
		n := l.resolve(e.value, full)
		switch {
		case n == nil:
			continue
		case isNull(n) && tag.Get("null") != "":
			l.fail(e.at, full, "%s", tag.Get("null"))
			continue
		case isNull(n) && !pointers && l.scope.parent == nil:
			continue
		case isNull(n) && !pointers: // takes away what a client inherits
			if !v.IsNil() {
				v.SetMapIndex(reflect.ValueOf(e.key), reflect.Value{})
			}
			l.scope.origins.set(full, e.at)
			continue
		case n.Kind != yaml.ScalarNode:
			l.fail(e.at, full, "want a text, but this is %s", kindName(n))
			continue
		}
		if wrong := l.mistyped(n, reflect.String, ""); wrong != "" {
			l.fail(e.at, full, "%s", wrong)
			continue
		}
		text := n.Value // a pointer into the node would keep it in memory
		value := reflect.ValueOf(&text)
		if isNull(n) {
			value = reflect.Zero(v.Type().Elem())
		} else if !pointers {
			value = value.Elem()
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(e.key), value)
		l.scope.origins.set(full, e.at)
		if wrong := cmp.Or(check(tag.Get("is"), text), check(tag.Get("key"), e.key)); wrong != "" {
			l.fail(e.at, full, "%s", wrong)
		}
	}
}

// decodeBlocks decodes a map of blocks.
func (l *loader) decodeBlocks(n *yaml.Node, v reflect.Value, tag reflect.StructTag, path string) {
	v.SetZero()
	for e := range l.entries(n, path) {
		full := join(path, e.key)
		l.scope.origins.set(full, e.at)
		if wrong := check(tag.Get("key"), e.key); wrong != "" {
			l.fail(e.at, full, "%s", wrong)
		}
		block := reflect.New(v.Type().Elem()).Elem()
		if !isEmpty(target(e.value)) {
			l.decode(e.value, block, "", full)
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(e.key), block)
	}
}

// inherit prepares a map of the file for the keys of an entry: a client adds its own to a copy, a role replaces the map.
func (l *loader) inherit(v reflect.Value) {
	if l.scope.block != "" || v.IsNil() {
		v.SetZero()
		return
	}
	own := reflect.MakeMapWithSize(v.Type(), v.Len())
	for of := v.MapRange(); of.Next(); {
		own.SetMapIndex(of.Key(), of.Value())
	}
	v.Set(own)
}
