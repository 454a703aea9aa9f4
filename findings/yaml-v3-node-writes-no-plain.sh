#!/usr/bin/env bash
# yaml.v3 (Go) writes the text "no": once as a string, and once as a node with the tag !!str, as programs do that edit YAML and keep its
# comments. A reader of YAML 1.1 (npm's yaml) reads both.
#
# A good guess: both are quoted, since the library knows that YAML 1.1 takes no, yes, on and off for booleans, and the tag says that the
# node is a string.
# Seen: the string is quoted, the node is not, and the reader takes it for false. A text such as "true" is quoted both times. A time such
# as 12:30:00 is quoted as a string and plain as a node, which the reader takes for the number 45000.
set -euo pipefail

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect() { # what, wanted, seen
  printf '%s: %s\n' "$1" "$3"
  if [ "$2" != "$3" ]; then printf 'CHANGED: it was: %s\n' "$2" >&2; exit 1; fi
}

cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund yaml@2.8.1
cat >main.go <<'GO'
package main

import (
	"os"

	"gopkg.in/yaml.v3"
)

func main() {
	var value any = os.Args[2]
	if os.Args[1] == "node" {
		value = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: os.Args[2]}
	}
	if err := yaml.NewEncoder(os.Stdout).Encode(value); err != nil {
		panic(err)
	}
}
GO
go mod init finding >/dev/null 2>&1
GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go get gopkg.in/yaml.v3@v3.0.1 >/dev/null 2>&1
GOMODCACHE="$work/mod" GOFLAGS=-mod=mod go build -o write .
seen() { # string or node, text
  local written
  written=$(./write "$1" "$2")
  printf '%s, read as %s' "$written" "$(node -e 'console.log(JSON.stringify(require("yaml").parse(process.argv[1], {version: "1.1"})))' "$written")"
}
echo "yaml.v3 3.0.1, npm's yaml 2.8.1"
expect "string no" "\"no\", read as \"no\"" "$(seen string no)"
expect "node no" "no, read as false" "$(seen node no)"
expect "string true" "\"true\", read as \"true\"" "$(seen string true)"
expect "node true" "\"true\", read as \"true\"" "$(seen node true)"
expect "string 12:30:00" "\"12:30:00\", read as \"12:30:00\"" "$(seen string 12:30:00)"
expect "node 12:30:00" "12:30:00, read as 45000" "$(seen node 12:30:00)"
