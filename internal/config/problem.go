package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// embeddedName stands where the path of a file would, for the embedded default.
const embeddedName = "embedded default"

// origin says where a value comes from. The zero origin is the built-in default.
type origin struct {
	name  string // of the file or embeddedName, of the environment variable, or of the flag
	line  int    // in the file, from 1; 0 for variables and flags
	order int    // among variables and flags, from 1, by which messages are sorted
}

// String is the origin as it is written behind a value of the effective configuration.
func (o origin) String() string {
	switch {
	case o.name == "":
		return "default"
	case o.line == 0 || o.name == embeddedName:
		return oneLine(o.name)
	default:
		return oneLine(o.name) + ":" + strconv.Itoa(o.line)
	}
}

// origins has the origin of every key that a source has set: leaves, lists and maps by dotted key, elements of lists as
// "key[0]", entries of maps as "key.entry". What is missing has the default.
type origins map[string]origin

// at is where the value at path comes from. Elements and entries that have none come from where the whole does.
func (o origins) at(path string) origin {
	for {
		if found, ok := o[path]; ok {
			return found
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return origin{}
		}
		path = path[:i]
	}
}

// problem is something wrong (or odd) with the value of a key.
type problem struct {
	at   origin
	path string // full dotted key; "" when the text says all
	text string
}

// String puts the origin first, as compilers do, so that editors and terminals can jump there.
func (p problem) String() string {
	s := p.at.String() + ": "
	if p.at.line == 0 && strings.HasPrefix(p.at.name, "--") {
		s = p.at.name + " "
	}
	if p.path != "" {
		s += oneLine(p.path) + ": "
	}
	return s + p.text
}

// problems collects all that is wrong, so that one run reports everything.
type problems []problem

func (p *problems) add(at origin, path, format string, args ...any) {
	*p = append(*p, problem{at, path, fmt.Sprintf(format, args...)})
}

// lines are the messages: those of the file by line, then those of variables, then those of flags.
func (p problems) lines() []string {
	slices.SortStableFunc(p, func(a, b problem) int { return cmp.Or(a.at.order-b.at.order, a.at.line-b.at.line) })
	var lines []string
	for _, x := range p {
		lines = append(lines, x.String())
	}
	return slices.Compact(lines)
}

// err is nil without problems, else one error whose text has a line for each.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.lines(), "\n"))
}

// oneLine makes s safe to print within one line: names of files and keys may hold anything.
func oneLine(s string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// quote prints a value in a message. Long ones are cut: the line number leads to the rest.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return strconv.Quote(string(r[:most])) + "..."
	}
	return strconv.Quote(s)
}
