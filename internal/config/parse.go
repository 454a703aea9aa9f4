package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// syntaxError says why a text is not one YAML document.
type syntaxError struct {
	line int // from 1
	text string
}

func (e *syntaxError) Error() string { return e.text }

// parse returns the content of the only document, or nil without one. Its error is a *syntaxError.
func parse(data []byte) (*yaml.Node, error) {
	documents, err := parseDocuments(data)
	switch {
	case err != nil:
		return nil, explainSyntax(data, err)
	case len(documents) > 1:
		return nil, &syntaxError{documents[1].Line, "a second YAML document starts here; put everything into one"}
	case len(documents) == 0 || len(documents[0].Content) == 0:
		return nil, nil
	}
	return documents[0].Content[0], nil
}

// parseDocuments reads at most two documents.
func parseDocuments(data []byte) (documents []*yaml.Node, err error) {
	// The parser has panicked on invalid input before.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	for len(documents) < 2 {
		var n yaml.Node
		switch err := d.Decode(&n); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return documents, err
		}
		documents = append(documents, &n)
	}
	return documents, nil
}

var parserLine = once(`^yaml: (?:line (\d+): )?`)

// explainSyntax finds the line of a syntax error. The parser names the line where the surrounding block starts, or none. The
// error is in the line after the longest valid beginning of the file.
func explainSyntax(data []byte, err error) *syntaxError {
	// Beyond this size, parsing each beginning takes too long. The line is then the parser's.
	const mostLines, mostBytes = 400, 256 << 10
	e := &syntaxError{1, "not valid YAML: " + strings.ReplaceAll(parserLine().ReplaceAllString(err.Error(), ""), "\n", " ")}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if m := parserLine().FindStringSubmatch(err.Error()); len(lines) > mostLines || len(data) > mostBytes {
		if m != nil && m[1] != "" {
			_, _ = fmt.Sscanf(m[1], "%d", &e.line)
		}
		return e
	}
	end := 0
	for i, line := range lines {
		end += len(line)
		if _, err := parseDocuments(data[:end]); err == nil {
			e.line = i + 2
		}
	}
	e.line = min(e.line, len(lines))
	line := string(lines[e.line-1])
	if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
		e.text = "not valid YAML: a tab in the indentation; use spaces"
	}
	return e
}

// target returns the node that an alias stands for. Anchors mark values, never aliases, so one step is enough.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isEmpty reports whether a value leaves its key at the default. A node without a kind is a removed value.
func isEmpty(n *yaml.Node) bool {
	return n.Kind == 0 || isNull(n) || n.Kind == yaml.ScalarNode && n.Value == ""
}

// isNull reports whether a value is missing or null.
func isNull(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Style&^yaml.TaggedStyle != 0 {
		return false
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// isMerge reports whether a key is a merge key, which inserts another mapping in other programs.
func isMerge(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.Style&^yaml.TaggedStyle == 0
}

// kindName names a node in messages: "want a list, but this is ...".
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a block of keys"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}
