package config

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"
)

// The YAML library takes 20 ns for a byte, and a large file is thousands of lines like "key: value", one below the other. Such
// runs are read here, and everything else by the library: it gets the text with the lines between a run's first and last one
// empty, and only if it has read those two as neighbouring entries of one block are the entries between them put in. It is then
// certain that the library would have read them as such: nothing in these lines reaches beyond its line.

// leastRun is how many lines are worth it.
const leastRun = 64

// entry is a line that is a whole entry of a block.
type entry struct {
	key, value string
	style      yaml.Style // of the value
}

// run is a series of entries that are indented alike.
type run struct {
	line    int // of the first one, from 1
	indent  int // spaces
	entries []entry
}

// otherBreaks end lines for the library too, but not here. The text is UTF-8, see readFile.
var otherBreaks = [...][]byte{[]byte("\r"), []byte("\u0085"), []byte("\u2028"), []byte("\u2029")}

// cutRuns finds the runs of at least so many lines, and gives the text without what is between the ends of each.
func cutRuns(data []byte, least int) (rest []byte, runs []run) {
	for _, other := range otherBreaks {
		if bytes.Contains(data, other) {
			return data, nil
		}
	}
	var current run
	kept, runStart, lastStart := 0, 0, 0 // offsets in data: what is in rest, and the lines of the current run
	end := func() {
		if n := len(current.entries); n >= max(least, 3) {
			_, middle, _ := bytes.Cut(data[runStart:lastStart], []byte("\n"))
			rest = append(rest, data[kept:lastStart-len(middle)]...)
			rest = append(rest, bytes.Repeat([]byte("\n"), n-2)...)
			kept = lastStart
			runs = append(runs, current)
		}
		current = run{}
	}
	line, at := 1, 0
	for text := range bytes.Lines(data) {
		indent, e, ok := parseEntry(text)
		if !ok || indent != current.indent {
			end()
		}
		if ok {
			if len(current.entries) == 0 {
				current, runStart = run{line: line, indent: indent}, at
			}
			current.entries = append(current.entries, e)
			lastStart = at
		}
		line++
		at += len(text)
	}
	end()
	return append(rest, data[kept:]...), runs
}

// putBack inserts the entries that were cut out. It is false when a run is not what it looked like, a part of a longer text say.
func putBack(documents []*yaml.Node, runs []run) bool {
	byLine := make(map[int]*run, len(runs))
	for i := range runs {
		byLine[runs[i].line] = &runs[i]
	}
	for _, d := range documents {
		insertRuns(d, byLine)
	}
	return len(byLine) == 0
}

// insertRuns looks for the runs in a node and takes those that it finds out of byLine.
func insertRuns(n *yaml.Node, byLine map[int]*run) {
	var content []*yaml.Node // the new one, as far as it is made
	kept := 0                // what of the old one is in it
	for i, child := range n.Content {
		insertRuns(child, byLine)
		r := byLine[child.Line]
		if r == nil || n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle != 0 || i%2 != 0 || i+3 >= len(n.Content) {
			continue
		}
		if r.is(0, n.Content[i:]) && r.is(len(r.entries)-1, n.Content[i+2:]) {
			delete(byLine, r.line)
			content = append(append(content, n.Content[kept:i+2]...), r.between()...)
			kept = i + 2
		}
	}
	if kept > 0 {
		n.Content = append(content, n.Content[kept:]...)
	}
}

// is compares an entry with what the library has read: the nodes of a key and its value.
func (r *run) is(i int, nodes []*yaml.Node) bool {
	key, value, e := nodes[0], nodes[1], r.entries[i]
	return key.Line == r.line+i && key.Column == r.indent+1 && key.Kind == yaml.ScalarNode && key.Style == 0 && key.Value == e.key &&
		value.Line == key.Line && value.Kind == yaml.ScalarNode && value.Style == e.style && value.Value == e.value
}

// between makes the nodes of all entries but the first and the last one.
func (r *run) between() []*yaml.Node {
	entries := r.entries[1 : len(r.entries)-1]
	nodes, made := make([]yaml.Node, 2*len(entries)), make([]*yaml.Node, 2*len(entries))
	for i, e := range entries {
		line := r.line + 1 + i
		nodes[2*i] = yaml.Node{Kind: yaml.ScalarNode, Value: e.key, Line: line}
		nodes[2*i+1] = yaml.Node{Kind: yaml.ScalarNode, Value: e.value, Style: e.style, Line: line}
		made[2*i], made[2*i+1] = &nodes[2*i], &nodes[2*i+1]
	}
	return made
}

// parseEntry reads a line that is an entry without anything that YAML gives a further meaning: no escapes, comments, anchors or tags.
func parseEntry(line []byte) (indent int, e entry, ok bool) {
	text, ok := bytes.CutSuffix(bytes.TrimLeft(line, " "), []byte("\n"))
	if !ok {
		return 0, entry{}, false // the file may be cut off here
	}
	key, value, ok := bytes.Cut(text, []byte(": "))
	// The library takes no longer keys than 1024.
	if !ok || len(key) == 0 || len(value) == 0 || len(key) > 512 || !startsPlain(key) || !all(key, inKey) {
		return 0, entry{}, false
	}
	last := len(value) - 1
	switch quote := value[0]; {
	case last > 0 && quote == '"' && value[last] == quote:
		value, e.style = value[1:last], yaml.DoubleQuotedStyle
		ok = all(value, inDoubleQuotes)
	case last > 0 && quote == '\'' && value[last] == quote:
		value, e.style = value[1:last], yaml.SingleQuotedStyle
		ok = all(value, inSingleQuotes)
	default:
		ok = startsPlain(value) && all(value, inPlain) && value[last] != ' ' && value[last] != ':' && !bytes.Contains(value, []byte(": "))
	}
	if ok {
		e.key, e.value = string(key), string(value)
	}
	return len(line) - len(text) - 1, e, ok
}

// Where a character may stand.
const (
	inKey          = 1 << iota
	inPlain        // value; also a space, inside, and a colon that no space follows
	inDoubleQuotes // a value
	inSingleQuotes
)

var characters = func() (table [256]uint8) {
	for c := byte(' '); c <= '~'; c++ {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', strings.IndexByte("/_.:@+-=", c) >= 0:
			table[c] = inKey | inPlain | inDoubleQuotes | inSingleQuotes
		case c == '#':
			table[c] = inDoubleQuotes | inSingleQuotes
		case c == '"', c == '\\':
			table[c] = inSingleQuotes
		case c == '\'':
			table[c] = inDoubleQuotes
		default:
			table[c] = inPlain | inDoubleQuotes | inSingleQuotes
		}
	}
	return table
}()

func all(s []byte, where uint8) bool {
	for _, c := range s {
		if characters[c]&where == 0 {
			return false
		}
	}
	return true
}

// startsPlain is true when the first character begins nothing but a plain text.
func startsPlain(s []byte) bool {
	return characters[s[0]]&inKey != 0 && strings.IndexByte(":@-=", s[0]) < 0
}
