package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// syntaxError is text that is not one YAML document.
type syntaxError struct {
	line int // from 1
	text string
}

func (e *syntaxError) Error() string { return e.text }

// parse returns the content of the only document, nil when there is none. Its error is a *syntaxError.
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
	// The parser has panicked on odd input before. That too is a mistake in the file.
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

var parserLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// explainSyntax finds the line of a syntax error. The parser names the line where the surrounding block starts, or none;
// so look for the longest run of lines from the top that is still valid: the error is in the next one.
func explainSyntax(data []byte, err error) *syntaxError {
	// Beyond this many lines or bytes, parsing each beginning takes too long, and the parser's own guess has to do.
	const mostLines, mostBytes = 400, 256 << 10
	e := &syntaxError{1, "not valid YAML: " + strings.ReplaceAll(parserLine.ReplaceAllString(err.Error(), ""), "\n", " ")}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if m := parserLine.FindStringSubmatch(err.Error()); len(lines) > mostLines || len(data) > mostBytes {
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

// target is what an alias stands for. Anchors stand on values, never on aliases: one step is enough.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isEmpty is a value that leaves its key at the default. A node without a kind is none at all.
func isEmpty(n *yaml.Node) bool {
	return n.Kind == 0 || isNull(n) || n.Kind == yaml.ScalarNode && n.Value == ""
}

// isNull is a value that was left empty or written as null.
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

// isMerge is the plain key "<<", which other programs take as "insert that mapping here".
func isMerge(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.Style&^yaml.TaggedStyle == 0
}

// kindName names what stands there, for "want a list, but this is ...".
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
