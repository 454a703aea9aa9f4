package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

// configurationPage makes the page of section 5 of docs/configuration.md. Tables become lists of terms, and links into the
// documentation plain words.
func configurationPage(markdown string, r release) []byte {
	var out strings.Builder
	fmt.Fprintf(&out, "%% \"MOCK-EC2-METADATA\" \"5\" \"%s\" \"%s %s\" \"%[2]s\"\n", r.date.Format("Jan 2006"), manual, r.version)
	out.WriteString("# NAME\nmock-ec2-metadata - configuration of mock-ec2-metadata(1)\n\n# FILES\n")
	out.WriteString("**/etc/mock-ec2-metadata/config.yaml**\n: the configuration of the packaged service\n\n")
	out.WriteString("**/usr/share/doc/mock-ec2-metadata/examples/sample-config.yaml**\n: conf/sample-config.yaml in packages\n\n# DESCRIPTION\n")
	fenced := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			line = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(line, "console"), "yaml"), "sh")
		}
		switch {
		case fenced || strings.HasPrefix(strings.TrimSpace(line), "```"):
			out.WriteString(line + "\n")
		case strings.HasPrefix(line, "# "), strings.HasPrefix(line, "The keys: ["), continuesKeys(line): // the title, and links to headings
		case strings.HasPrefix(line, "| "):
			out.WriteString(term(line))
		case strings.HasPrefix(line, "|"): // between the head of a table and its rows
		case strings.HasPrefix(line, "## "):
			out.WriteString(strings.ToUpper(line) + "\n")
		default:
			out.WriteString(withoutLinks(line) + "\n")
		}
	}
	return asciiRoff(md2man.Render([]byte(out.String())))
}

var keyLinks = regexp.MustCompile(`^(\[\w+\]\(#\w+\)( ·)? ?)+$`)

// continuesKeys reports whether a line has links to headings alone.
func continuesKeys(line string) bool { return keyLinks.MatchString(line) }

var link = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)

// withoutLinks keeps links to the outside, and of others the words.
func withoutLinks(line string) string {
	return link.ReplaceAllStringFunc(line, func(found string) string {
		if parts := link.FindStringSubmatch(found); !strings.Contains(parts[2], "://") {
			return parts[1]
		}
		return found
	})
}

// term makes a term and its meaning of a row of a table with two columns; nothing of a table's head.
func term(row string) string {
	key, meaning, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(row, "| "), " |"), " | ")
	if key == "" || key == "key" || strings.HasPrefix(key, "|") {
		return ""
	}
	meaning = strings.ReplaceAll(withoutLinks(meaning), "<br>", "  \n")
	return key + "\n: " + meaning + "\n\n"
}
