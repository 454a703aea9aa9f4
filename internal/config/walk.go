package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// text is one text of the configuration, wherever it stands.
type text struct {
	path string // for messages and origins: "server.listen[1]", "ec2.tags.Name"
	rule string // for the tables of rules: "server.listen[]", "ec2.tags.*"
	// entry is the key, for the entry of a map.
	entry string
	value string
}

// texts calls each for every non-empty text that a source has set, in the order of the schema; entries of maps also when
// empty. Defaults are right by construction. Entries that remove something (nil in metadata) have no text.
func (l *layers) texts(each func(t text)) {
	l.walk(reflect.ValueOf(l.config).Elem(), "", "", each)
}

func (l *layers) walk(v reflect.Value, path, rule string, each func(t text)) {
	switch v.Kind() {
	case reflect.Struct:
		for i, key := range keys(v.Type()) {
			l.walk(v.Field(i), join(path, key), join(rule, key), each)
		}
	case reflect.Slice:
		if !l.isSet(path) {
			return
		}
		for i := range v.Len() {
			l.walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), rule+"[]", each)
		}
	case reflect.Map:
		entries := make(map[string]string, v.Len())
		for it := v.MapRange(); it.Next(); {
			value := reflect.Indirect(it.Value())
			if value.IsValid() {
				entries[it.Key().String()] = value.String()
			}
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			each(text{join(path, key), join(rule, "*"), key, entries[key]})
		}
	case reflect.String:
		if v.Len() > 0 && l.origin(path) != (origin{}) {
			each(text{path: path, rule: rule, value: v.String()})
		}
	}
}
