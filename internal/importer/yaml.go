package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Limits of YAML: bytes of a file, what aliases can expand to, in values and bytes, and how deep values may be.
const (
	maxYAML       = 16 << 20
	maxYAMLValues = 2_000_000
	maxYAMLOutput = 64 << 20
	maxYAMLDepth  = 200
)

// jsonOfYAML converts YAML to JSON, several documents to a list. A scalar stays a text unless it is a number of JSON, a boolean or null.
func jsonOfYAML(text []byte) (out []byte, err error) {
	defer func() { // the parser has panicked on invalid input before
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("not valid YAML: the parser gave up: %v", r)
		}
	}()
	if len(text) > maxYAML {
		return nil, fmt.Errorf("more than %d MiB of YAML; for the AWS CLI write --output json", maxYAML>>20)
	}
	list := yaml.Node{Kind: yaml.SequenceNode}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var n yaml.Node
		if err := decoder.Decode(&n); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("neither JSON nor YAML: %s; for the AWS CLI write --output json", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if len(n.Content) > 0 && n.Content[0].Tag != "!!null" { // a document without anything, such as after a last ---
			list.Content = append(list.Content, n.Content[0])
		}
	}
	if len(list.Content) == 0 || slices.ContainsFunc(list.Content, func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode }) {
		return nil, errors.New("neither JSON nor YAML; for the AWS CLI write --output json")
	}
	document := &list
	if len(list.Content) == 1 {
		document = list.Content[0]
	}
	w := yamlWriter{}
	if err := w.write(document, 0); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

type yamlWriter struct {
	out    bytes.Buffer
	values int
}

func (w *yamlWriter) write(n *yaml.Node, depth int) error {
	switch w.values++; {
	case w.values > maxYAMLValues:
		return fmt.Errorf("line %d: more than %d values; aliases repeat too much, or convert the file to JSON", n.Line, maxYAMLValues)
	case w.out.Len() > maxYAMLOutput:
		return fmt.Errorf("line %d: more than %d MiB of values; aliases repeat too much, or convert the file to JSON", n.Line, maxYAMLOutput>>20)
	case depth > maxYAMLDepth:
		return fmt.Errorf("line %d: deeper than %d levels", n.Line, maxYAMLDepth)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return w.write(n.Alias, depth+1)
	case yaml.SequenceNode:
		w.out.WriteByte('[')
		for i, e := range n.Content {
			if i > 0 {
				w.out.WriteByte(',')
			}
			if err := w.write(e, depth+1); err != nil {
				return err
			}
		}
		w.out.WriteByte(']')
	case yaml.MappingNode:
		w.out.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind == yaml.AliasNode {
				key = key.Alias
			}
			switch {
			case key.Kind != yaml.ScalarNode:
				return fmt.Errorf("line %d: a key that is no text", n.Content[i].Line)
			case key.ShortTag() == "!!merge":
				return fmt.Errorf("line %d: the merge key << is not understood; write the keys out", key.Line)
			}
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.text(key.Value)
			w.out.WriteByte(':')
			if err := w.write(n.Content[i+1], depth+1); err != nil {
				return err
			}
		}
		w.out.WriteByte('}')
	default:
		w.scalar(n)
	}
	return nil
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func (w *yamlWriter) scalar(n *yaml.Node) {
	tag, word := n.ShortTag(), strings.ToLower(n.Value)
	switch {
	case tag == "!!null":
		w.out.WriteString("null")
	case tag == "!!bool" && (word == "true" || word == "false"): // a tag may stand at any text
		w.out.WriteString(word)
	case (tag == "!!int" || tag == "!!float") && jsonNumber.MatchString(n.Value):
		w.out.WriteString(n.Value)
	default:
		w.text(n.Value)
	}
}

func (w *yamlWriter) text(text string) {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text always marshals
	}
	w.out.Write(quoted)
}
