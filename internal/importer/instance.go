package importer

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// note adds a note about the instance.
func (in *Instance) note(kind Kind, name, format string, args ...any) {
	in.Notes = append(in.Notes, Note{Subject: in.ID, Kind: kind, Name: name, Why: fmt.Sprintf(format, args...)})
}

// set sets a key to a text, and does nothing for "". A text that looks like a secret is lost. path is dotted, such as
// ec2.network_interfaces.[0].mac; setAt takes keys with dots in them.
func (in *Instance) set(path, text string) {
	if text != "" {
		in.setAt(text, strings.Split(path, ".")...)
	}
}

// setAt sets a key, whose path is given in parts, to a text that may be empty.
func (in *Instance) setAt(text string, path ...string) {
	in.setNode(textNode(text), path...)
}

// setInt sets a key to a number.
func (in *Instance) setInt(path string, n int) {
	in.setNode(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprint(n)}, strings.Split(path, ".")...)
}

// setList sets a key to a list of texts, and does nothing for an empty one.
func (in *Instance) setList(path string, texts []string) {
	if len(texts) > 0 {
		in.setNode(listNode(texts), strings.Split(path, ".")...)
	}
}

// setNode sets a key to a node, in place of what it has. One that looks like a secret is lost.
func (in *Instance) setNode(n *yaml.Node, path ...string) {
	if !mayHoldSecrets(path) && holdsSecret(n) || slices.ContainsFunc(path, looksSecret) || isSecretTag(path, n.Value) {
		in.note(Lost, pathText(path), "looks like a secret")
		return
	}
	if i := in.index(path); i >= 0 {
		in.Keys[i].Value = n
		return
	}
	in.Keys = append(in.Keys, Key{Path: path, Value: n})
}

// setLeaf sets a path below meta-data or dynamic, to nil for one that is not there. What may hold secrets is lost.
func (in *Instance) setLeaf(path string, value *string) {
	switch {
	case secretLeaf(path):
		in.note(Lost, path, "holds secrets")
	case value == nil:
		in.setNode(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, "metadata", path)
	default:
		in.setAt(*value, "metadata", path)
	}
}

// guess adds a comment to a key that is set, and a note of that name.
func (in *Instance) guess(name, why, path string) {
	in.note(Guessed, name, "%s", why)
	if i := in.index(strings.Split(path, ".")); i >= 0 {
		in.Keys[i].Value.LineComment = "guessed: " + oneLine(redact(why))
	}
}

// keep says that a key stays even if it changes nothing.
func (in *Instance) keep(path ...string) {
	if i := in.index(path); i >= 0 {
		in.Keys[i].Keep = true
	}
}

// has reports whether a dotted key is set.
func (in *Instance) has(path string) bool { return in.index(strings.Split(path, ".")) >= 0 }

func (in *Instance) index(path []string) int {
	return slices.IndexFunc(in.Keys, func(k Key) bool { return slices.Equal(k.Path, path) })
}

// textNode is a text, which the writer quotes if that is needed. One of several lines is written as these, if they keep it.
func textNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case fitsLiteral(text):
		n.Style = yaml.LiteralStyle
	case !isPlain(text):
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// listNode is a list of texts.
func listNode(texts []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for _, text := range texts {
		e := textNode(text)
		if strings.Contains(text, ":") {
			e.Style = yaml.DoubleQuotedStyle // between brackets, a plain one is not safe
		}
		n.Content = append(n.Content, e)
	}
	return n
}

// mapNode is a block of keys. Its content alternates texts of keys and nodes.
func mapNode(keysAndValues ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		value, ok := keysAndValues[i+1].(*yaml.Node)
		if !ok {
			value = textNode(fmt.Sprint(keysAndValues[i+1]))
		}
		n.Content = append(n.Content, textNode(fmt.Sprint(keysAndValues[i])), value)
	}
	return n
}
