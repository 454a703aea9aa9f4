#!/usr/bin/env bash
# A command of cobra (Go) whose help has placeholders in angle brackets, in its usage line, text and flags. cobra/doc makes a manual page
# of it.
#
# A good guess: the page says what --help says.
# Seen: "<file>" and "<dir>" are gone without a trace, and the stars of two patterns with what is between them have become italics: the
# texts go through Markdown, which takes placeholders for HTML. --help shows them all.
set -euo pipefail

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

cd "$work"
cat >main.go <<'GO'
package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func main() {
	tool := &cobra.Command{Use: "tool <file>", Long: "Reads <file>, then those below <dir>.", Run: func(*cobra.Command, []string) {}}
	tool.Flags().String("match", "", "patterns: *.log,*.txt")
	if len(os.Args) == 2 && os.Args[1] == "man" {
		if err := doc.GenMan(tool, &doc.GenManHeader{Section: "1"}, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	_ = tool.Execute()
}
GO
go mod init finding >/dev/null 2>&1
GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go get github.com/spf13/cobra/doc@v1.10.2 >/dev/null 2>&1
GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go build -o tool .
help=$(./tool --help)
page=$(./tool man)
line() { grep -m1 -e "$2" <<<"$1" | sed 's/^[[:space:]]*//'; } # text, pattern
echo "cobra 1.10.2"
expect "help, usage" "tool <file> [flags]" "$(line "$help" '^  tool')"
expect "page, usage" '\fBtool  [flags]\fP' "$(line "$page" 'fBtool')"
expect "help, text" "Reads <file>, then those below <dir>." "$(line "$help" Reads)"
expect "page, text" 'Reads , then those below \&.' "$(line "$page" Reads)"
expect "help, flag" "--match string   patterns: *.log,*.txt" "$(line "$help" match)"
expect "page, flag" 'patterns: \fI\&.log,\fP\&.txt' "$(line "$page" patterns)"
