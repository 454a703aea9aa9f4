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

// embeddedName takes the place of a path for the embedded default.
const embeddedName = "embedded default"

// origin is the source of a value. The zero origin is the built-in default.
type origin struct {
	name  string // of the file or embeddedName, of the environment variable, or of the flag
	line  int    // in the file, from 1; 0 for variables and flags
	order int    // position among variables and flags, from 1
}

// String formats the origin for the comment behind a printed value.
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

// problem is an error or a warning about a key.
type problem struct {
	at   origin
	path string // full dotted key; "" if the problem concerns the whole file
	text string
}

// String starts with the origin, as compilers do, so that editors can jump there.
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

// problems collects all problems, so that one run reports them together.
type problems []problem

func (p *problems) add(at origin, path, format string, args ...any) {
	*p = append(*p, problem{at, path, fmt.Sprintf(format, args...)})
}

// lines returns the messages, sorted: those of the file by line, then those of variables, then those of flags.
func (p problems) lines() []string {
	slices.SortStableFunc(p, func(a, b problem) int { return cmp.Or(a.at.order-b.at.order, a.at.line-b.at.line) })
	var lines []string
	for _, x := range p {
		lines = append(lines, x.String())
	}
	return slices.Compact(lines)
}

// err returns one error with a line for each problem, or nil if there are none.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.lines(), "\n"))
}

// oneLine quotes s if it has characters that cannot be printed, as names of files and keys may.
func oneLine(s string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// quote formats a value in a message. It cuts long values.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return strconv.Quote(string(r[:most])) + "..."
	}
	return strconv.Quote(s)
}
