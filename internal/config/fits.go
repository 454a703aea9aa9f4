package config

import (
	"reflect"
	"strconv"
	"strings"
)

// Fits reports whether a text is a valid value of a dotted key, such as ec2.image_id or ec2.key_pairs.[0].name, by the rules for that
// value alone. Of a list or a map it is one element. It is false for keys that do not exist, for blocks, and for a number or a word out
// of range.
func Fits(key, text string) bool {
	f, ok := fieldAt(key)
	if !ok {
		return false
	}
	t := f.typ
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		words := f.tag.Get("oneof")
		return check(f.tag.Get("is"), text) == "" && (words == "" || oneOf(words)(text) == "")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		return err == nil && (f.tag.Get("from") == "" || outside(n, f.tag.Get("from")) == "")
	default:
		return false
	}
}

// FitsKey reports whether a name can be a key of a map such as ec2.block_devices. Of ec2.tags these are the keys that instance metadata
// can hold, and of metadata the paths that can have a value.
func FitsKey(key, name string) bool {
	switch key {
	case "ec2.tags":
		return isMetadataTag(name)
	case "metadata":
		return metadataPath(name, false) == ""
	}
	f, ok := fieldAt(key)
	return ok && f.typ.Kind() == reflect.Map && check(f.tag.Get("key"), name) == ""
}

// fieldAt returns the field of a dotted key, through lists and maps.
func fieldAt(key string) (f field, ok bool) {
	t := configType
	for part := range strings.SplitSeq(key, ".") {
		for t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if strings.HasPrefix(part, "[") {
			continue // an element of a list of blocks
		}
		if t.Kind() != reflect.Struct {
			return f, false
		}
		if f, ok = fieldOf(t, part); !ok {
			return f, false
		}
		t = f.typ
	}
	return f, true
}
