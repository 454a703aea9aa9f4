package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// maxValues bounds what aliases can blow a file up to.
const maxValues = 100_000

// maxProblems is more than anybody reads. Beyond it, looking for what an unknown key may have meant is a waste.
const maxProblems = 1000

// layers is a configuration in the making: sources are laid over it one after the other.
type layers struct {
	config  *Config
	origins origins
	// broken are keys whose value could not be decoded; rules that compare them with others say nothing.
	broken map[string]bool
	// problems stop the configuration, warnings do not.
	problems, warnings problems
	values             int    // decoded so far, see maxValues
	empty              bool   // the file holds nothing
	goos               string // operating system, as package runtime calls it
}

func newLayers() *layers {
	return &layers{config: &Config{}, origins: origins{}, broken: map[string]bool{}}
}

// isSet is true for a key that a source has set.
func (l *layers) isSet(path string) bool {
	_, ok := l.origins[path]
	return ok
}

// origin is where the value at path comes from.
func (l *layers) origin(path string) origin { return l.origins.at(path) }

// forget makes a key as if no source had set it.
func (l *layers) forget(path string, v reflect.Value) {
	many := (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() > 0
	v.SetZero()
	delete(l.origins, path)
	delete(l.broken, path)
	if many {
		for p := range l.origins {
			if strings.HasPrefix(p, path+"[") || strings.HasPrefix(p, path+".") {
				delete(l.origins, p)
			}
		}
	}
}

// fail reports a value that cannot be decoded.
func (l *layers) fail(at origin, path, format string, args ...any) {
	l.broken[path] = true
	l.problems.add(at, path, format, args...)
}

// place gives the origin of a node: its line in a file, or always the same override.
type place func(n *yaml.Node) origin

// decode lays a node over the value at path.
func (l *layers) decode(n *yaml.Node, v reflect.Value, path string, at place) {
	if n = l.resolve(n, path, at); n == nil {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		l.decodeBlock(n, v, path, at)
	case reflect.Map:
		l.decodeMap(n, v, path, at)
	case reflect.Slice:
		l.decodeList(n, v, path, at)
	default:
		l.decodeScalar(n, v, path, at)
	}
}

// resolve follows an alias and refuses what no value may have. It gives nil after reporting.
func (l *layers) resolve(n *yaml.Node, path string, at place) *yaml.Node {
	where := at(n)
	if n.Kind == yaml.AliasNode {
		n = n.Alias // anchors stand on values, never on aliases: one step is enough
	}
	l.values++
	switch {
	case l.values == maxValues+1:
		l.fail(where, path, "more than %d values; aliases repeat too much", maxValues)
		return nil
	case l.values > maxValues:
		return nil
	case n.Style&yaml.TaggedStyle != 0:
		l.fail(where, path, "remove the tag %s; the type of every key is fixed", oneLine(n.ShortTag()))
		return nil
	}
	return n
}

// entries calls each for every key of a mapping, after refusing what is no usable key or stands there twice.
func (l *layers) entries(n *yaml.Node, path string, at place, each func(key string, keyNode, value *yaml.Node)) {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content) && len(l.problems) < maxProblems; i += 2 {
		keyNode, value := n.Content[i], n.Content[i+1]
		where := at(keyNode)
		text := keyNode
		if text.Kind == yaml.AliasNode {
			text = text.Alias
		}
		switch {
		case isMerge(text):
			l.problems.add(where, join(path, "<<"), "merge keys are not supported; write the keys out")
		case text.Kind != yaml.ScalarNode:
			l.problems.add(where, path, "a key must be a word, but this is %s", kindName(text))
		case isNull(text) || text.Value == "":
			l.problems.add(where, path, "a key must not be empty")
		case first[text.Value] != nil && where.file != "":
			l.problems.add(where, join(path, text.Value), "set a second time; the first is in line %d", first[text.Value].Line)
		case first[text.Value] != nil:
			l.problems.add(where, join(path, text.Value), "set a second time")
		default:
			first[text.Value] = keyNode
			each(text.Value, keyNode, value)
		}
	}
}

// isEmpty is a value that leaves the key at its default.
func isEmpty(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return isNull(n) || n.Kind == yaml.ScalarNode && n.Value == ""
}

func (l *layers) decodeBlock(n *yaml.Node, v reflect.Value, path string, at place) {
	if n.Kind != yaml.MappingNode {
		l.fail(at(n), path, "want a block of keys, but this is %s; allowed here: %s", kindName(n), strings.Join(keys(v.Type()), ", "))
		return
	}
	l.entries(n, path, at, func(key string, keyNode, value *yaml.Node) {
		full := join(path, key)
		f, ok := field(v, key)
		if !ok {
			l.problems.add(at(keyNode), full, "unknown key; %s", unknownKey(v.Type(), path, key))
			return
		}
		if isEmpty(value) {
			return
		}
		if f.Kind() != reflect.Struct {
			l.forget(full, f)
			l.origins[full] = at(keyNode)
		}
		l.decode(value, f, full, at)
	})
}

// decodeMap takes a map of texts. In metadata, where the map's values are pointers, null stands for nil.
func (l *layers) decodeMap(n *yaml.Node, v reflect.Value, path string, at place) {
	if n.Kind != yaml.MappingNode {
		l.fail(at(n), path, "want a block of \"key: value\" lines, but this is %s", kindName(n))
		return
	}
	l.entries(n, path, at, func(key string, keyNode, value *yaml.Node) {
		l.decodeEntry(value, v, path, key, at(keyNode), at)
	})
}

// decodeEntry lays one entry over a map.
func (l *layers) decodeEntry(n *yaml.Node, v reflect.Value, path, key string, where origin, at place) {
	full := join(path, key)
	n = l.resolve(n, full, at)
	if n == nil {
		return
	}
	removable := v.Type().Elem().Kind() == reflect.Pointer
	if isNull(n) && !removable {
		return
	}
	if n.Kind != yaml.ScalarNode {
		l.fail(where, full, "want a text, but this is %s", kindName(n))
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	value := n.Value // a copy, since a pointer into the node would keep all nodes
	entry := reflect.ValueOf(value)
	if removable {
		entry = reflect.ValueOf(&value)
		if isNull(n) {
			entry = reflect.Zero(v.Type().Elem())
		}
	}
	v.SetMapIndex(reflect.ValueOf(key), entry)
	l.origins[full] = where
}

// scalarLists are lists that may also be written as one word.
var scalarLists = map[string]bool{"server.allow_clients": true}

func (l *layers) decodeList(n *yaml.Node, v reflect.Value, path string, at place) {
	if n.Kind == yaml.ScalarNode && (scalarLists[path] || at(n).file == "") && v.Type().Elem().Kind() == reflect.String {
		v.Set(reflect.ValueOf([]string{n.Value}))
		return
	}
	if n.Kind != yaml.SequenceNode {
		example := ""
		if n.Kind == yaml.ScalarNode {
			example = fmt.Sprintf("; write [%s]", quote(n.Value))
		}
		l.fail(at(n), path, "want a list, but this is %s%s", kindName(n), example)
		return
	}
	if len(n.Content) == 0 {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, element := range n.Content {
		full := fmt.Sprintf("%s[%d]", path, i)
		l.origins[full] = at(element)
		if isEmpty(element) {
			l.fail(at(element), path, "an element of the list is empty")
			continue
		}
		l.decode(element, v.Index(i), full, at)
	}
}

var (
	decimal = once(`^(0|-?[1-9][0-9]*)$`)
	digits  = once(`^[0-9]+$`)
)

// decodeScalar takes a single value. Text stays as it is written, so that numbers keep their zeros and yes stays yes.
func (l *layers) decodeScalar(n *yaml.Node, v reflect.Value, path string, at place) {
	if n.Kind != yaml.ScalarNode {
		l.fail(at(n), path, "want %s, but this is %s", scalarName(v.Type()), kindName(n))
		return
	}
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(n.Value)
		switch {
		case digits().MatchString(n.Value):
			l.fail(at(n), path, "%s has no unit; write e.g. %ss, 15m or 1h", quote(n.Value), n.Value)
		case err != nil:
			l.fail(at(n), path, "%s is not a duration; write e.g. 1h, 15m or 90s", quote(n.Value))
		default:
			v.SetInt(int64(d))
		}
	case v.Kind() == reflect.String:
		v.SetString(n.Value)
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil || !decimal().MatchString(n.Value) {
			l.fail(at(n), path, "%s is not a whole decimal number", quote(n.Value))
			return
		}
		v.SetInt(int64(i))
	case v.Kind() == reflect.Bool:
		if n.Value != "true" && n.Value != "false" {
			l.fail(at(n), path, "%s is neither true nor false", quote(n.Value))
			return
		}
		v.SetBool(n.Value == "true")
	}
}

// scalarName names the type of a single value in a message.
func scalarName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 15m"
	case t.Kind() == reflect.Int:
		return "a number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "a text"
	}
}
