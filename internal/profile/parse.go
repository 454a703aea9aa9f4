package profile

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError is a line because of which the AWS CLI refuses a whole file. It quotes no value.
type SyntaxError struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// value is the value of a key.
type value struct {
	text   string            // continuation lines are joined by newlines; "" if there is nested
	nested map[string]string // of a key without a value of its own, from the indented lines below it; else nil
	line   int
	more   []string // continuation lines, until the end of the file
}

// section is a heading and its keys, whose names are in lower case.
type section struct {
	file    string
	heading string // between the brackets
	line    int
	keys    map[string]value
}

// common is the heading whose keys Python's configparser adds to all sections.
const common = "DEFAULT"

// byteOrderMark may begin a file. The AWS CLI refuses such a file.
var byteOrderMark = []byte("\ufeff")

// parse reads a file as the AWS CLI does, by the rules of Python's configparser: a line that is indented deeper than its key
// continues the value, comments have lines of their own, and what belongs to no heading or appears twice is an error. The section
// [DEFAULT] comes last; its keys are in all others, too.
func parse(file string, data []byte) ([]*section, *SyntaxError) {
	p := parser{file: file, headings: map[string]int{}, common: &section{file: file, heading: common, keys: map[string]value{}}}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, p.wrong(1, "the file is in UTF-16; save it as UTF-8")
	}
	text := string(bytes.TrimPrefix(data, byteOrderMark))
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		if err := p.read(number, line); err != nil {
			return nil, err
		}
	}
	for _, s := range append(p.sections, p.common) {
		if err := p.finish(s); err != nil {
			return nil, err
		}
	}
	for _, s := range p.sections {
		for key, v := range p.common.keys {
			if _, own := s.keys[key]; !own {
				s.keys[key] = v
			}
		}
	}
	if p.common.line > 0 {
		p.sections = append(p.sections, p.common)
	}
	return p.sections, nil
}

// parser is the state between two lines.
type parser struct {
	file     string
	sections []*section
	headings map[string]int // line of each
	common   *section
	current  *section
	key      string // of current; "" before its first key
	indent   int    // of the last line that is no continuation
}

func (p *parser) wrong(line int, format string, args ...any) *SyntaxError {
	return &SyntaxError{File: p.file, Line: line, Reason: fmt.Sprintf(format, args...)}
}

// read reads a line.
func (p *parser) read(number int, line string) *SyntaxError {
	if !utf8.ValidString(line) {
		return p.wrong(number, "the line is not UTF-8; save the file as UTF-8")
	}
	text := strings.TrimFunc(line, isSpace)
	switch {
	case text == "":
		p.extend("")
		return nil
	case text[0] == '#' || text[0] == ';':
		return nil
	}
	indent := utf8.RuneCountInString(line[:strings.IndexFunc(line, func(r rune) bool { return !isSpace(r) })])
	heading := ""
	if end := strings.LastIndexByte(text, ']'); text[0] == '[' && end > 1 {
		heading = text[1:end]
	}
	if p.key != "" && indent > p.indent {
		if heading != "" { // the AWS CLI adds it to the value, and what follows to the section before
			return p.wrong(number, "the heading [%s] is indented, so that it continues the value of %s in line %d; remove the blanks before it",
				display(heading), display(p.key), p.current.keys[p.key].line)
		}
		p.extend(text)
		return nil
	}
	p.indent = indent
	if heading != "" {
		return p.open(number, heading)
	}
	separator := strings.IndexAny(text, "=:")
	switch {
	case separator < 0 && text[0] == '[':
		return p.wrong(number, "the heading has no closing bracket; add it")
	case p.current == nil:
		return p.wrong(number, "the line belongs to no profile; put a heading in brackets above it")
	case separator < 0:
		return p.wrong(number, "the line is no heading, no comment and no key = value; fix or remove it")
	case separator == 0:
		return p.wrong(number, "the key before the %c is missing; add it, or remove the line", text[0])
	}
	key := strings.ToLower(strings.TrimRightFunc(text[:separator], isSpace))
	if earlier, twice := p.current.keys[key]; twice {
		return p.wrong(number, "%s is in the section already, in line %d; remove one", display(key), earlier.line)
	}
	p.key = key
	p.current.keys[key] = value{text: strings.TrimLeftFunc(text[separator+1:], isSpace), line: number}
	return nil
}

// open begins a section.
func (p *parser) open(number int, heading string) *SyntaxError {
	p.key = ""
	if heading == common {
		p.current = p.common
		if p.common.line == 0 {
			p.common.line = number
		}
		return nil
	}
	if earlier, twice := p.headings[heading]; twice {
		return p.wrong(number, "the heading [%s] is in the file already, in line %d; merge the two sections", display(heading), earlier)
	}
	p.headings[heading] = number
	p.current = &section{file: p.file, heading: heading, line: number, keys: map[string]value{}}
	p.sections = append(p.sections, p.current)
	return nil
}

// extend appends a line to the value of the last key.
func (p *parser) extend(text string) {
	if p.key == "" {
		return
	}
	v := p.current.keys[p.key]
	v.more = append(v.more, text)
	p.current.keys[p.key] = v
}

// finish completes the values of a section, and reads those that consist of indented lines only.
func (p *parser) finish(s *section) *SyntaxError {
	for key, v := range s.keys {
		v.text = strings.TrimRightFunc(strings.Join(append([]string{v.text}, v.more...), "\n"), isSpace)
		v.more = nil
		if strings.HasPrefix(v.text, "\n") {
			v.nested = map[string]string{}
			for line := range strings.SplitSeq(v.text, "\n") {
				name, text, ok := strings.Cut(line, "=")
				switch {
				case ok:
					v.nested[strings.TrimFunc(name, isSpace)] = strings.TrimFunc(text, isSpace)
				case line != "":
					return p.wrong(v.line, "a line below %s is no key = value; fix or remove it", display(key))
				}
			}
			v.text = ""
		}
		s.keys[key] = v
	}
	return nil
}

// isSpace reports whether Python regards r as blank.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// display makes a name from a file fit for one line of a message.
func display(name string) string {
	const most = 80
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}
