package config

import (
	"cmp"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	// maxValues bounds how many values aliases can expand a file to. 10,000 clients have about 100,000.
	maxValues = 1_000_000
	// maxProblems bounds the time spent on suggestions for unknown keys.
	maxProblems = 1000
)

// loader decodes a configuration from YAML nodes: those of the file, with those of variables and flags merged in.
type loader struct {
	config    *Config
	root      *yaml.Node
	file      string                // source of all nodes outside overrides
	overrides map[*yaml.Node]origin // nodes of variables and flags
	// scope is what is being decoded. It starts with the file.
	scope *scope
	// entries of the file that are decoded after all else; nil if there are none
	roles, clients *yaml.Node
	paths          paths                    // of keys
	fields         map[reflect.Type][]field // results of fieldsOf
	initial        *Config                  // defaults
	// problems make the load fail, warnings do not.
	problems, warnings problems
	values             int    // decoded so far
	strict             bool   // the nodes are JSON, whose values have types
	goos               string // operating system, as package runtime names it
	sources            Sources
	roleScopes         map[string]*scope
	clientScopes       []*scope
	files              []string // that the configuration names
	fileUserData       []byte   // of the file's own instance
	authorization      Secret   // that clients of ecs must send
	placeProfile       placeProfile
}

// at returns the origin of a node.
func (l *loader) at(n *yaml.Node) origin {
	if o, ok := l.overrides[n]; ok {
		return o
	}
	return origin{name: l.file, line: n.Line}
}

// fail reports a value that alone is wrong.
func (l *loader) fail(at origin, path, format string, args ...any) {
	l.scope.setBroken(path)
	l.report(at, path, format, args...)
}

// report reports a problem with a key of the scope.
func (l *loader) report(at origin, path, format string, args ...any) {
	l.problems.add(at, l.scope.display(path), format, args...)
}

// fieldsOf is the function fieldsOf.
func (l *loader) fieldsOf(block reflect.Type) []field {
	fields := l.fields[block]
	if fields == nil {
		fields = fieldsOf(block)
		l.fields[block] = fields
	}
	return fields
}

// wanted is the kind of node for each kind of value. Durations are the only values of kind Int64.
var wanted = map[reflect.Kind]struct {
	node yaml.Kind
	name string
}{
	reflect.Struct: {yaml.MappingNode, "a block of keys"},
	reflect.Map:    {yaml.MappingNode, `a block of "key: value" lines`},
	reflect.Slice:  {yaml.SequenceNode, "a list"},
	reflect.Bool:   {yaml.ScalarNode, "true or false"},
	reflect.Int:    {yaml.ScalarNode, "a number"},
	reflect.Int64:  {yaml.ScalarNode, "a duration such as 15m"},
	reflect.String: {yaml.ScalarNode, "a text"},
}

// decode sets v to a node and checks it against the tag of its key.
func (l *loader) decode(n *yaml.Node, v reflect.Value, tag reflect.StructTag, path string) {
	switch v.Type() {
	case rolesType:
		l.roles = n
		return
	case clientsType:
		l.clients = n
		return
	case podTagsType:
		l.decodePodTags(n, v, path)
		return
	}
	if v.Kind() == reflect.Pointer { // nil is for a key that is not set
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	at, kind := l.at(n), v.Kind()
	if n = l.resolve(n, path); n == nil {
		return
	}
	if kind == reflect.Slice && n.Kind == yaml.ScalarNode && !l.strict && v.Type().Elem().Kind() == reflect.String && (tag.Get("scalar") != "" || at.line == 0) {
		n = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{n}} // a list of one
	}
	if n.Kind != wanted[kind].node {
		hint := ""
		switch {
		case kind == reflect.Struct:
			hint = "; allowed here: " + strings.Join(keys(v.Type()), ", ")
		case kind == reflect.Slice && n.Kind == yaml.ScalarNode && !l.strict:
			hint = "; write [" + quote(n.Value) + "]"
		}
		l.fail(at, path, "want %s, but this is %s%s", wanted[kind].name, kindName(n), hint)
		return
	}
	switch kind {
	case reflect.Struct:
		l.decodeBlock(n, v, path)
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.Struct {
			l.decodeBlocks(n, v, tag, path)
		} else {
			l.decodeMap(n, v, tag, path)
		}
		l.count(v.Len(), tag, path)
	case reflect.Slice:
		l.decodeList(n, v, tag, path)
		l.count(v.Len(), tag, path)
	default:
		path = l.shown(path)
		if wrong := cmp.Or(l.mistyped(n, kind, tag), setScalar(v, n.Value, tag)); wrong != "" {
			l.fail(at, path, "%s", wrong)
		} else if odd := check(tag.Get("odd"), n.Value); odd != "" {
			l.warnings.add(at, l.scope.display(path), "%s", odd)
		}
	}
}

// shown returns the path that a message about a value names. The line identifies the element of a list, and JSON has no lines.
func (l *loader) shown(path string) string {
	if i := strings.LastIndexByte(path, '['); !l.strict && strings.HasSuffix(path, "]") {
		return path[:i]
	}
	return path
}

// count reports a list or map that is longer than a tag such as "64 interfaces; at most" allows.
func (l *loader) count(n int, tag reflect.StructTag, path string) {
	limit := tag.Get("most")
	if limit == "" {
		return
	}
	number, what, _ := strings.Cut(limit, " ")
	if most, err := strconv.Atoi(number); err == nil && n > most {
		l.fail(l.scope.origin(path), path, "%d %s %d", n, what, most)
	}
}

// resolve returns the node that an alias stands for. It returns nil after it has reported a problem.
func (l *loader) resolve(n *yaml.Node, path string) *yaml.Node {
	at := l.at(n)
	n = target(n)
	l.values++
	switch {
	case l.values > maxValues+1: // reported before
	case l.values > maxValues:
		l.fail(at, path, "more than %d values; aliases repeat too much", maxValues)
	case n.Style&yaml.TaggedStyle != 0:
		l.fail(at, path, "remove the tag %s; the type of every key is fixed", oneLine(n.ShortTag()))
	default:
		return n
	}
	return nil
}

// entry is one "key: value" of a mapping.
type entry struct {
	key   string
	at    origin
	value *yaml.Node
}

// firstLines has the lines of the keys of a mapping. Most have few, for which a search is quicker than a map.
type firstLines struct {
	few  []keyLine
	many map[string]int
}

type keyLine struct {
	key  string
	line int
}

func (f *firstLines) of(key string) (line int, ok bool) {
	if f.many != nil {
		line, ok = f.many[key]
		return line, ok
	}
	for _, k := range f.few {
		if k.key == key {
			return k.line, true
		}
	}
	return 0, false
}

func (f *firstLines) add(key string, line int) {
	if f.many != nil {
		f.many[key] = line
		return
	}
	if f.few = append(f.few, keyLine{key, line}); len(f.few) <= mostFew {
		return
	}
	f.many = make(map[string]int, 2*mostFew)
	for _, k := range f.few {
		f.many[k.key] = k.line
	}
}

// hasEnough reports whether further problems need not be looked for. Of a body only the first one is told.
func (l *loader) hasEnough() bool {
	return len(l.problems) >= maxProblems || l.strict && len(l.problems) > 0
}

// entries iterates over a mapping. It reports and skips unusable and duplicate keys.
func (l *loader) entries(n *yaml.Node, path string) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		first := firstLines{}
		for i := 0; i+1 < len(n.Content) && !l.hasEnough(); i += 2 {
			at, key := l.at(n.Content[i]), target(n.Content[i])
			line, again := first.of(key.Value)
			switch {
			case isMerge(key):
				l.report(at, join(path, "<<"), "merge keys are not supported; write the keys out")
			case key.Kind != yaml.ScalarNode:
				l.report(at, path, "a key must be a word, but this is %s", kindName(key))
			case isEmpty(key):
				l.report(at, path, "a key must not be empty")
			case again && line > 0:
				l.report(at, join(path, key.Value), "set a second time; the first is in line %d", line)
			case again:
				l.report(at, join(path, key.Value), "set a second time")
			case n.Content[i+1].Kind == 0: // removed
			default:
				first.add(key.Value, at.line)
				if given, ok := l.overrides[n.Content[i+1]]; ok {
					at = given
				}
				if !yield(entry{key.Value, at, n.Content[i+1]}) {
					return
				}
			}
		}
	}
}

func (l *loader) decodeBlock(n *yaml.Node, v reflect.Value, path string) {
	fields := l.fieldsOf(v.Type())
	type found struct {
		field int
		entry
	}
	var all []found
	for e := range l.entries(n, path) {
		if i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key }); i >= 0 {
			all = append(all, found{i, e})
		} else {
			l.report(e.at, join(path, e.key), "unknown key; %s", unknownKey(v.Type(), l.scope.display(path), e.key))
		}
	}
	slices.SortFunc(all, func(a, b found) int { return a.field - b.field })
	for i := range all {
		e, f := &all[i], &fields[all[i].field]
		full := l.paths.join(path, f.key)
		if isEmpty(target(e.value)) {
			if l.scope.parent != nil && f.typ.Kind() == reflect.String && !isNull(target(e.value)) { // "" clears what the file has
				v.FieldByIndex(f.index).SetZero()
				l.scope.origins.set(full, e.at)
			}
			continue
		}
		if !isBlock(f.typ) {
			l.scope.origins.set(full, e.at)
		}
		l.decode(e.value, v.FieldByIndex(f.index), f.tag, full)
	}
}

func (l *loader) decodeList(n *yaml.Node, v reflect.Value, tag reflect.StructTag, path string) {
	v.SetZero()
	if len(n.Content) > 0 || tag.Get("empty") != "" {
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	}
	for i, e := range n.Content {
		full := element(path, i)
		l.scope.origins.set(full, l.at(e))
		if isEmpty(target(e)) {
			l.fail(l.at(e), path, "an element of the list is empty")
			continue
		}
		l.decode(e, v.Index(i), tag, full)
	}
}

// element returns the path of an element of a list.
func element(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// setScalar parses a text into v and returns what is wrong with it. Strings keep the text as written: 012 keeps its zero and
// yes is no boolean.
func setScalar(v reflect.Value, text string, tag reflect.StructTag) (wrong string) {
	switch v.Kind() {
	case reflect.Int64:
		d, wrong := parseDuration(text)
		if wrong != "" {
			return wrong
		}
		v.SetInt(int64(d))
		if zero := tag.Get("zero"); d == 0 && zero != "" {
			return zero
		}
		return outsideDuration(d, tag.Get("from"))
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(i) != text {
			return quote(text) + " is not a whole decimal number"
		}
		v.SetInt(int64(i))
		return outside(i, tag.Get("from"))
	case reflect.Bool:
		if text != "true" && text != "false" {
			return quote(text) + " is neither true nor false"
		}
		v.SetBool(text == "true")
	default:
		v.SetString(text)
		if words := tag.Get("oneof"); words != "" {
			return oneOf(words)(text)
		}
		return check(tag.Get("is"), text)
	}
	return ""
}

// parseDuration parses a duration, and returns what is wrong with it.
func parseDuration(text string) (d time.Duration, wrong string) {
	d, err := time.ParseDuration(text)
	switch {
	case strings.Trim(text, "0123456789") == "":
		return 0, fmt.Sprintf("%s has no unit; write e.g. %ss, 15m or 1h", quote(text), text)
	case err != nil:
		return 0, quote(text) + " is not a duration; write e.g. 1h, 15m or 90s"
	}
	return d, ""
}
