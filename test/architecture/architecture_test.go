// Package architecture keeps the package map of CONTRIBUTING.md true.
package architecture

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "mock-ec2-metadata/"

// mayImport says which of our packages each package may import directly. cmd may import all.
var mayImport = map[string][]string{
	"internal/config":      nil,
	"internal/instance":    {"internal/config"},
	"internal/tree":        {"internal/instance"},
	"internal/imds":        {"internal/tree", "internal/web"},
	"internal/credentials": nil,
	"internal/filewatch":   nil,
	"internal/guard":       {"internal/web"},
	"internal/identity":    nil,
	"internal/privileges":  nil,
	"internal/route":       nil,
	"internal/server":      {"internal/web"},
	"internal/sts":         {"internal/credentials"},
	"internal/testutil":    nil,
	"internal/web":         nil,
}

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("%s is in no row of the package map; add it here and to CONTRIBUTING.md", pkg)
		}
		seen++
		for _, imported := range fields[1:] {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, but may import only %v", pkg, ours, allowed)
			}
		}
	}
	if seen != len(mayImport) {
		t.Errorf("%d packages, but the map has %d", seen, len(mayImport))
	}
}
