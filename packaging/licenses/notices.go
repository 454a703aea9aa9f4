package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// How files with licences are called, and those with notices that a licence asks to keep.
var (
	licenseName = regexp.MustCompile(`(?i)(licen[cs]e|copying)`)
	noticeName  = regexp.MustCompile(`(?i)(notice|copyright)`)
)

// notices are texts, each with the files that have it: modules share texts.
type notices struct {
	modules, texts []string
	files          map[string][]string // of a text
}

// add adds the licences and notices of a module. A module without a licence in its root is an error.
func (n *notices) add(name string, m module) error {
	licensed := false
	for _, dir := range m.folders() {
		entries, err := os.ReadDir(dir) // sorted
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, entry := range entries {
			file := entry.Name()
			license := licenseName.MatchString(file)
			if !entry.Type().IsRegular() || filepath.Ext(file) == ".go" || !license && !noticeName.MatchString(file) {
				continue
			}
			path := filepath.Join(dir, file)
			content, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			n.addText(string(content), name+": "+filepath.ToSlash(path[len(m.root)+1:]))
			licensed = licensed || license && dir == m.root
		}
	}
	if !licensed {
		return fmt.Errorf("%s: no licence in %s; ask its authors, or use another module", name, m.root)
	}
	n.modules = append(n.modules, name)
	return nil
}

func (n *notices) addText(content, file string) {
	text := strings.Trim(strings.ReplaceAll(content, "\r\n", "\n"), "\n")
	if n.files == nil {
		n.files = map[string][]string{}
	}
	if n.files[text] == nil {
		n.texts = append(n.texts, text)
	}
	n.files[text] = append(n.files[text], file)
}

// text lists the modules, then each text below the files that have it.
func (n *notices) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "The program holds code of these modules:\n\n  %s\n\nTheir licences and notices follow, each once.\n", strings.Join(n.modules, "\n  "))
	for _, text := range n.texts {
		fmt.Fprintf(&out, "\n%s\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(n.files[text], "\n"), strings.Repeat("-", 80), text)
	}
	return out.String()
}
