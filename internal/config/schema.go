package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The schema is the yaml tags of Config. This file answers questions about it; nothing else lists keys a second time.

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
)

// keys are the keys of a block, in the order of the struct's fields.
func keys(block reflect.Type) []string {
	names := make([]string, block.NumField())
	for i := range names {
		names[i] = block.Field(i).Tag.Get("yaml")
	}
	return names
}

// field is the value of a block's key; ok is false when there is no such key.
func field(block reflect.Value, key string) (v reflect.Value, ok bool) {
	i := slices.Index(keys(block.Type()), key)
	if i < 0 || key == "" {
		return reflect.Value{}, false
	}
	return block.Field(i), true
}

// find is the value at a dotted key such as "ec2.metadata_options.http_tokens", or the zero Value. Entries of maps and
// lists have no value of their own here.
func find(c *Config, path string) reflect.Value {
	v := reflect.ValueOf(c).Elem()
	for key := range strings.SplitSeq(path, ".") {
		if v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		next, ok := field(v, key)
		if !ok {
			return reflect.Value{}
		}
		v = next
	}
	return v
}

// join is the dotted key of what stands under path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// schemaKeys are the dotted keys of everything that can be set; those of the elements of a list have "[]" in them.
func schemaKeys() []string {
	var all []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		switch {
		case t.Kind() == reflect.Struct:
			for i, key := range keys(t) {
				walk(t.Field(i).Type, join(path, key))
			}
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
			walk(t.Elem(), path+"[]")
		default:
			all = append(all, path)
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return all
}

// otherNames are keys that people expect, from other tools or from the texts of AWS, and what they are called here.
var otherNames = map[string]string{
	"private_ip":   "local_ipv4",
	"private_ipv4": "local_ipv4",
	"public_ip":    "public_ipv4",
	"ami_id":       "image_id",
	"profile":      "source_profile",
	"role":         "iam_role",
	"role_arn":     "iam_role",
	"account":      "account_id",
	"az":           "availability_zone",
}

// unknownKey says that a block has no such key, which one could be meant and which there are.
func unknownKey(block reflect.Type, path, key string) string {
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

// meantKey is the key that was probably meant: a known other name, a near miss in the same block, or the same key in
// another block, which is then given in full. Empty when nothing is near.
func meantKey(block reflect.Type, path, key string) string {
	allowed := keys(block)
	lower := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	if other := otherNames[lower]; slices.Contains(allowed, other) {
		return other
	}
	best, least := "", len(lower)/3+1
	for _, k := range allowed {
		if d := distance(lower, k); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return best
	}
	for _, full := range schemaKeys() {
		if strings.HasSuffix(full, "."+lower) && !strings.Contains(full, "[]") && full != join(path, key) {
			return full
		}
	}
	return ""
}

// distance is the number of letters to insert, delete or replace to make b of a (Levenshtein). Keys are short: a long
// word is not worth the time, and far from all of them.
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
