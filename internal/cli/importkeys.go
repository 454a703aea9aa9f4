package cli

import (
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/config"
)

// schema finds the fields of the configuration by their keys.
type schema map[reflect.Type]map[string]int

// fields returns the places of the fields of a block by key. Embedded structs have none of their own.
func (s schema) fields(block reflect.Type) map[string]int {
	all, ok := s[block]
	if !ok {
		all = map[string]int{}
		for i := range block.NumField() {
			if key := block.Field(i).Tag.Get("yaml"); key != "" {
				all[key] = i
			}
		}
		s[block] = all
	}
	return all
}

// at returns the value at a path, below maps the map itself. ok is false for what is no key of an instance. Lists of blocks grow.
func (s schema) at(in *config.Instance, path []string) (v reflect.Value, ok bool) {
	v = reflect.ValueOf(in).Elem()
	for _, part := range path {
		switch v.Kind() {
		case reflect.Struct:
			i, known := s.fields(v.Type())[part]
			if !known {
				return v, false
			}
			v = v.Field(i)
		case reflect.Slice:
			n, err := strconv.Atoi(strings.Trim(part, "[]"))
			if err != nil {
				return v, false
			}
			for v.Len() <= n {
				v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			}
			v = v.Index(n)
		case reflect.Map:
			return v, true
		default:
			return v, false
		}
	}
	return v, true
}

// set sets the value at a path to that of a node. It leaves out what is no key of an instance, or has a value of another kind: the whole
// configuration is loaded in the end.
func (s schema) set(in *config.Instance, path []string, n *yaml.Node) {
	v, ok := s.at(in, path)
	if !ok {
		return
	}
	switch v.Kind() {
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		value := reflect.ValueOf(n.Value)
		if v.Type().Elem().Kind() == reflect.Pointer {
			value = reflect.Zero(v.Type().Elem())
			if n.Tag != "!!null" {
				value = reflect.ValueOf(&n.Value)
			}
		}
		v.SetMapIndex(reflect.ValueOf(path[len(path)-1]), value)
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Int:
		if number, err := strconv.Atoi(n.Value); err == nil {
			v.SetInt(int64(number))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.String {
			_ = n.Decode(v.Addr().Interface())
			return
		}
		texts := make([]string, len(n.Content))
		for i, e := range n.Content {
			texts[i] = e.Value
		}
		v.Set(reflect.ValueOf(texts))
	default:
		_ = n.Decode(v.Addr().Interface())
	}
}
