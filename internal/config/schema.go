package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// The schema is the yaml tags of Config. No key is listed a second time.

var (
	configType = reflect.TypeFor[Config]()
	faultType  = reflect.TypeFor[Fault]()
)

// field is one key of a block.
type field struct {
	key   string
	index []int // of the struct's field
	typ   reflect.Type
	tag   reflect.StructTag
}

// fieldsOf returns the fields of a block, in order. Fields of embedded structs are the block's own.
func fieldsOf(block reflect.Type) []field {
	if block == clientType {
		block = clientKeysType
	}
	var fields []field
	for _, f := range reflect.VisibleFields(block) {
		if !f.Anonymous {
			fields = append(fields, field{f.Tag.Get("yaml"), f.Index, f.Type, f.Tag})
		}
	}
	return fields
}

// isBlock reports whether a type is a block of keys. PodTags is a value: a word or a map.
func isBlock(t reflect.Type) bool { return t.Kind() == reflect.Struct && t != podTagsType }

// fieldOf returns the field of a key.
func fieldOf(block reflect.Type, key string) (f field, ok bool) {
	for _, f := range fieldsOf(block) {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

// keys returns the keys of a block.
func keys(block reflect.Type) []string {
	var names []string
	for _, f := range fieldsOf(block) {
		names = append(names, f.key)
	}
	return names
}

// join returns the dotted key of a key below path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// schemaKeys returns all dotted keys. Those below the elements of a list, or the entries of a map, contain
// "[]". The blocks that an entry of clients has in
// common with the file are left out.
func schemaKeys() []string {
	var all []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		switch {
		case path == "events[].interface": // has the keys of ec2.network_interfaces[]
			all = append(all, path)
		case t.Kind() == reflect.Pointer:
			walk(t.Elem(), path)
		case path == "clients[].aws" || path == "clients[].ec2" || path == "clients[].metadata":
		case isBlock(t):
			for _, f := range fieldsOf(t) {
				walk(f.typ, join(path, f.key))
			}
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
			walk(t.Elem(), path+"[]")
		case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct && t != rolesType:
			walk(t.Elem(), path+"[]")
		default:
			all = append(all, path)
		}
	}
	walk(configType, "")
	return all
}

// otherNames maps names of other tools and of AWS's documentation to keys.
var otherNames = map[string]string{
	"private_ip":   "local_ipv4",
	"private_ipv4": "local_ipv4",
	"public_ip":    "public_ipv4",
	"ami_id":       "image_id",
	"profile":      "source_profile",
	"role":         "iam_role",
	"role_arn":     "iam_role",
	"arn":          "iam_role",
	"account":      "account_id",
	"az":           "availability_zone",
}

// unknownKey returns the key that was probably meant, if any, and the allowed keys.
func unknownKey(block reflect.Type, path, key string) string {
	switch {
	case block != clientKeysType:
	case key == "events":
		return "events are at the top of the file; write " + path + " into clients of those that are for this entry alone"
	case key == "faults":
		return "faults are at the top of the file; write the addresses of this entry into their match.clients"
	}
	where := "at the top"
	if path != "" {
		where = "in " + path
	}
	hint := ""
	if meant := meantKey(block, path, key); meant != "" {
		hint = fmt.Sprintf("did you mean %s? ", meant)
	}
	return fmt.Sprintf("%sallowed %s: %s", hint, where, strings.Join(keys(block), ", "))
}

// meantKey returns the key that was probably meant: by another name, a similar key of the block, or the full key in another
// block. It returns "" if nothing is similar.
func meantKey(block reflect.Type, path, key string) string {
	allowed := keys(block)
	lower := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	if other := otherNames[lower]; slices.Contains(allowed, other) {
		return other
	}
	if inner := keyOfMatchOrDose(lower); block == faultType && inner != "" {
		return inner
	}
	near := slices.MinFunc(allowed, func(a, b string) int { return distance(lower, a) - distance(lower, b) })
	if distance(lower, near) <= len(lower)/3 {
		return near
	}
	for _, full := range schemaKeys() {
		if strings.HasSuffix(full, "."+lower) && !strings.Contains(full, "[]") && full != join(path, key) {
			return full
		}
	}
	return ""
}

// keyOfMatchOrDose returns match.paths for path, the word of the command line.
func keyOfMatchOrDose(key string) string {
	for _, f := range fieldsOf(faultType) {
		if !isBlock(f.typ) {
			continue
		}
		for _, inner := range keys(f.typ) {
			if inner == key || inner == key+"s" {
				return join(f.key, inner)
			}
		}
	}
	return ""
}

// distance returns the Levenshtein distance. For long words, which are far from all keys, it returns their length to save
// time.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
