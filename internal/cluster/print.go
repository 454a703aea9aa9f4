package cluster

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
)

// Marks of a line, as the command doctor has them.
const (
	markOK   = "ok"
	markNote = "note"
	markFail = "FAIL"
)

// printer prints a line for each step. It is safe for concurrent use.
type printer struct {
	mu sync.Mutex // keeps the lines of one text together
	w  io.Writer
	// prefix is before each line: a dry run's are comments beside the objects.
	prefix string
}

// line prints a text of one line or several.
func (p *printer) line(mark, step, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintf(p.w, "%s%-4s  %-8s  %s\n", p.prefix, mark, step, text)
	}
}

// lines are those of a text that are not blank, safe for a terminal: some of it comes from the cluster.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		line = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, line)
		if line = strings.TrimRight(line, " "); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// oneLine is a text on one line, safe for a terminal.
func oneLine(text string) string { return strings.Join(lines(text), " ") }

// last returns at most n of the last lines.
func last(text string, n int) []string {
	all := lines(text)
	return all[max(0, len(all)-n):]
}

// nodeCount is "1 node" or "2 nodes".
func nodeCount(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// listed joins names for people, and cuts a long list.
func listed(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
