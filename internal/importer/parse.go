package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// document is one input as JSON, also if it was YAML.
type document struct {
	name string
	json []byte
	// top has the values of an object by its keys. It is nil for a list.
	top map[string]json.RawMessage
}

// fail makes an error of the document.
func (d *document) fail(format string, args ...any) error {
	return fmt.Errorf("%s: %w", d.name, fmt.Errorf(format, args...))
}

// value decodes the document into maps, lists, texts, booleans and json.Number.
func (d *document) value() (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(d.json))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, d.fail("%w", err)
	}
	return v, nil
}

// maxFlow bounds the size of a text that begins as JSON does and is tried as YAML, in bytes.
const maxFlow = 256 << 10

// parse reads an input, JSON or YAML.
func parse(in Input) (*document, error) {
	d := &document{name: in.Name}
	text, err := utf8Text(in.Content)
	if err != nil {
		return nil, d.fail("%w", err)
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return nil, d.fail("empty; give the output of a command such as aws ec2 describe-instances")
	case bytes.IndexByte(text, 0) >= 0:
		return nil, d.fail("holds a zero byte; this is neither JSON nor YAML")
	case isCLITable(text):
		return nil, d.fail("the AWS CLI's table or text form, which leaves out names; write --output json")
	case text[0] == '{' || text[0] == '[':
		return d, d.parseJSON(text)
	case string(text) == "null":
		return nil, d.fail("null, which a --query gives that finds nothing; leave it out")
	}
	if d.json, err = jsonOfYAML(text); err != nil {
		return nil, d.fail("%w", err)
	}
	return d, d.split()
}

// parseJSON reads JSON, or YAML that begins as JSON does.
func (d *document) parseJSON(text []byte) error {
	d.json = text
	if json.Valid(text) {
		return d.split()
	}
	list, at, err := jsonStream(text)
	if err == nil {
		d.json = list
		return d.split()
	}
	if len(text) <= maxFlow { // it may be YAML's flow style
		if converted, yamlErr := jsonOfYAML(text); yamlErr == nil {
			d.json = converted
			return d.split()
		}
	}
	return d.syntax(at, err)
}

// jsonStream makes a list of JSON values that follow each other, as cat writes them of files, and jq of instances. The error is of the
// value at a place.
func jsonStream(text []byte) (list []byte, at int, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	list = []byte{'['}
	for {
		at = int(decoder.InputOffset())
		var value json.RawMessage
		switch err := decoder.Decode(&value); {
		case errors.Is(err, io.EOF):
			return append(list, ']'), at, nil
		case err != nil:
			return nil, at, json.Unmarshal(text[at:], &value) // its error has the place of what is wrong
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, value...)
	}
}

// split finds the keys of an object, whose values are parts of the document, not copies. The document is valid JSON.
func (d *document) split() error {
	if at := repeatedKey(d.json); at >= 0 {
		return d.fail("%s: is there twice; leave one out", jsonPath(d.json, int64(at)))
	}
	if d.json[0] != '{' {
		return nil
	}
	d.top = map[string]json.RawMessage{}
	return eachField(d.json, func(key string, value json.RawMessage) { d.top[key] = value })
}

// syntax explains why a text is no JSON. The error is of the value at a place.
func (d *document) syntax(start int, err error) error {
	if at, ok := errors.AsType[*json.SyntaxError](err); ok {
		line := 1 + bytes.Count(d.json[:min(start+int(at.Offset), len(d.json))], []byte("\n"))
		return d.fail("line %d: not valid JSON: %w; is the file complete?", line, at)
	}
	return d.fail("not valid JSON: %w", err)
}

// utf8Text returns a text in UTF-8, without a byte order mark. PowerShell's > writes UTF-16.
func utf8Text(content []byte) ([]byte, error) {
	little := bytes.HasPrefix(content, []byte{0xff, 0xfe})
	switch {
	case little || bytes.HasPrefix(content, []byte{0xfe, 0xff}):
		content = content[2:]
	case len(content) >= 2 && (content[0] == 0) != (content[1] == 0): // without a mark: JSON and YAML start with ASCII
		little = content[1] == 0
	default:
		content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
		if !utf8.Valid(content) {
			return nil, errors.New("not UTF-8 text; save it as UTF-8 or UTF-16")
		}
		return content, nil
	}
	if len(content)%2 != 0 {
		return nil, errors.New("UTF-16 text with half a character at its end; is the file complete?")
	}
	units := make([]uint16, len(content)/2)
	for i := range units {
		first, second := uint16(content[2*i]), uint16(content[2*i+1])
		if little {
			first, second = second, first
		}
		units[i] = first<<8 | second
	}
	return []byte(strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff")), nil
}

// isCLITable reports whether a text is what the AWS CLI writes with --output table or text.
func isCLITable(text []byte) bool {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	first = bytes.TrimRight(first, "\r")
	if len(first) > 4 && len(bytes.Trim(first, "-")) == 0 && bytes.HasPrefix(bytes.TrimSpace(rest), []byte("|")) {
		return true
	}
	word, _, tab := bytes.Cut(first, []byte("\t"))
	return tab && len(word) > 0 && bytes.Equal(word, bytes.ToUpper(word)) && !bytes.ContainsAny(word, `{}[]":`)
}

// kindOf returns the kind of all documents.
func kindOf(docs []*document, as string) (kind, error) {
	all := kinds()
	if as != "" {
		i := slices.IndexFunc(all, func(k kind) bool { return k.as == as })
		if i < 0 {
			return kind{}, fmt.Errorf("%q is no kind of input; write one of %s", as, strings.Join(Kinds(), ", "))
		}
		return all[i], nil
	}
	var found kind
	for _, d := range docs {
		i := slices.IndexFunc(all, d.is)
		switch {
		case i < 0:
			return kind{}, d.unknown()
		case found.as != "" && found.as != all[i].as:
			return kind{}, d.fail("this is %s, and %s is %s; import them one by one", all[i].source, docs[0].name, found.source)
		}
		found = all[i]
	}
	if found.as == "" {
		return kind{}, io.ErrUnexpectedEOF
	}
	return found, nil
}

// Kinds are the words of Options.As.
func Kinds() []string {
	var words []string
	for _, k := range kinds() {
		words = append(words, k.as)
	}
	return words
}

// is reports whether a document is of a kind.
func (d *document) is(k kind) bool {
	for key := range d.top {
		if k.has(key) {
			return true
		}
	}
	if k.single == nil {
		return false
	}
	if d.top != nil {
		return k.single(fieldsOf(d.json))
	}
	found, empty := k.in(d.json, maxLists)
	return found || empty && k.as == "ec2" // a --query that found nothing
}

// maxLists is how deep lists may be in lists: --query Reservations[].Instances gives two.
const maxLists = 8

// in reports whether an element of a list, or of a list in it, is of the kind, and whether the list has none at all. levels is how
// many lists may be in each other.
func (k kind) in(list []byte, levels int) (found, empty bool) {
	empty = true
	for e := range elements(list) {
		switch {
		case string(e) == "null":
			continue
		case e[0] == '[' && levels > 1:
			below, none := k.in(e, levels-1)
			found, empty = below, empty && none
		default:
			empty = false
			keys := fieldsOf(e)
			found = k.single(keys) || slices.ContainsFunc(slices.Collect(maps.Keys(keys)), k.has)
		}
		if found {
			break
		}
	}
	return found, empty
}

// unknown says which keys a document has.
func (d *document) unknown() error {
	if d.top == nil {
		return d.fail("a list of what is not an instance; give the whole output of aws ec2 describe-instances")
	}
	names := keysOf(d.top)
	if len(names) == 0 {
		return d.fail("an object without keys; give the output of aws ec2 describe-instances")
	}
	const most = 5
	more := ""
	if len(names) > most {
		names, more = names[:most], ", …"
	}
	return d.fail("not known by its keys %s%s; name its kind by --as %s", strings.Join(names, ", "), more, strings.Join(Kinds(), "|"))
}

// keysOf returns the keys of an object, sorted.
func keysOf(top map[string]json.RawMessage) []string {
	names := make([]string, 0, len(top))
	for key := range top {
		names = append(names, key)
	}
	slices.Sort(names)
	return names
}
