package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxDepth is how deep JSON can be nested. Events have lists in blocks in blocks.
const maxDepth = 16

// Tags of the nodes of JSON values.
const (
	textTag   = "!!str"
	numberTag = "!!int" // of all numbers
	boolTag   = "!!bool"
)

// parseJSON returns the YAML nodes of one JSON object, so that bodies and files have one decoder, or what is wrong with it.
func parseJSON(body []byte) (root *yaml.Node, wrong string) {
	if !utf8.Valid(body) {
		return nil, "not UTF-8 text"
	}
	if err := json.Unmarshal(body, &json.RawMessage{}); err != nil {
		return nil, fmt.Sprintf("not valid JSON: %v; send one object such as {\"spot\": \"terminate\"}", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	n, err := jsonNode(d, 0)
	switch {
	case err != nil:
		return nil, err.Error()
	case n.Kind != yaml.MappingNode:
		return nil, "want a JSON object, but this is " + jsonName(n)
	}
	return n, ""
}

var errTooDeep = fmt.Errorf("nested deeper than %d levels; no key needs that", maxDepth)

// jsonNode reads the next value.
func jsonNode(d *json.Decoder, depth int) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch value := token.(type) {
	case json.Delim:
		return jsonNodes(d, value, depth)
	case string:
		n := scalar(value)
		n.Tag = textTag
		return n, nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: numberTag, Value: value.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: boolTag, Value: fmt.Sprint(value)}, nil
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}, nil
	}
}

// jsonNodes reads the rest of an object or an array.
func jsonNodes(d *json.Decoder, open json.Delim, depth int) (*yaml.Node, error) {
	if depth++; depth > maxDepth {
		return nil, errTooDeep
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if open == '{' {
		n.Kind = yaml.MappingNode
	}
	for d.More() {
		child, err := jsonNode(d, depth) // of an object: keys and values in turn
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	_, err := d.Token() // the end
	return n, err
}

// jsonName names a JSON value in messages.
func jsonName(n *yaml.Node) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		return kindName(n)
	case n.Tag == textTag:
		return "a text"
	case n.Tag == numberTag:
		return "a number"
	case n.Tag == boolTag:
		return "a boolean"
	default:
		return "null"
	}
}

// mistyped says what is wrong with the type of a JSON value. YAML has none: what a text means depends on its key.
func (l *loader) mistyped(n *yaml.Node, kind reflect.Kind, tag reflect.StructTag) string {
	if !l.strict {
		return ""
	}
	want := textTag
	switch bare := tag.Get("bare"); {
	case bare != "" && n.Value == bare && n.Tag != textTag:
		return ""
	case bare == "true" && n.Value == bare:
		return "want true without quotes, or a duration such as 15m"
	case kind == reflect.Int:
		want = numberTag
	case kind == reflect.Bool:
		want = boolTag
	}
	if n.Tag != want {
		return "want " + wanted[kind].name + ", but this is " + jsonName(n)
	}
	return ""
}
