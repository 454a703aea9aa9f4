// Package architecture checks the package map: which package may import which, and how large each is. CONTRIBUTING.md shows
// the same map.
package architecture

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module  = "mock-ec2-metadata/"
	root    = "../.." // of the repository
	command = "cmd/mock-ec2-metadata"
	cli     = "internal/cli"
)

// packageMap says which of our packages each package imports directly: these, and no others. The value nil is none.
var packageMap = map[string][]string{
	command:                      {cli},
	"cmd/mock-ec2-metadata-kube": {cli, "internal/kubecli"},
	// cli wires all others together; see TestImports_CLIMayImportAll.
	cli: nil,

	"internal/doctor": {
		"internal/api", "internal/app", "internal/config", "internal/credentials", "internal/guard", "internal/instance",
		"internal/netfilter", "internal/probe", "internal/route", "internal/sdkenv", "internal/sts",
	},
	"internal/app": {
		"internal/api", "internal/caller", "internal/config", "internal/credentials", "internal/ecs", "internal/fault", "internal/filewatch", "internal/guard",
		"internal/identity", "internal/imds", "internal/instance", "internal/journal", "internal/lifecycle", "internal/podidentity", "internal/podrole",
		"internal/sdkenv", "internal/server", "internal/sts", "internal/tokenreview", "internal/tree", "internal/web",
	},
	"internal/kubecli": {
		"internal/api", "internal/app", "internal/caller", "internal/cli", "internal/cluster", "internal/config", "internal/credentials", "internal/imagefile",
		"internal/kube", "internal/manifest", "internal/podproc", "internal/podrole", "internal/probe", "internal/profile", "internal/relay", "internal/route",
		"internal/sts", "internal/terminal",
	},
	"internal/control":     {"internal/api", "internal/web"},
	"internal/console":     {"internal/api", "internal/web"},
	"internal/metrics":     {"internal/api", "internal/app", "internal/fault", "internal/imds", "internal/sts", "internal/web"},
	"internal/probe":       {"internal/api"},
	"internal/imds":        {"internal/fault", "internal/tree", "internal/web"},
	"internal/ecs":         {"internal/caller", "internal/web"},
	"internal/podidentity": {"internal/web"},
	"internal/tokenreview": {"internal/podidentity"},
	"internal/tree":        {"internal/instance"},
	"internal/instance":    {"internal/config"},
	"internal/lifecycle":   {"internal/config", "internal/instance"},
	"internal/sts":         {"internal/credentials", "internal/profile"},
	"internal/guard":       {"internal/web"},
	"internal/server":      {"internal/web"},
	"internal/api":         nil,
	"internal/caller":      nil,
	"internal/cluster":     {"internal/api"},
	"internal/config":      {"internal/profile"},
	"internal/credentials": {"internal/caller"},
	"internal/podrole":     {"internal/caller", "internal/config", "internal/instance"},
	"internal/relay":       {"internal/api", "internal/caller", "internal/credentials"},
	"internal/docker":      {"internal/caller"},
	"internal/kube":        {"internal/caller"},
	"internal/fault":       {"internal/config", "internal/web"},
	"internal/filewatch":   nil,
	"internal/identity":    nil,
	"internal/journal":     nil,
	"internal/imagefile":   nil,
	"internal/importer":    {"internal/config"},
	"internal/manifest":    nil,
	"internal/netfilter":   nil,
	"internal/podproc":     nil,
	"internal/privileges":  nil,
	"internal/profile":     nil,
	"internal/route":       nil,
	"internal/sdkenv":      nil,
	"internal/terminal":    nil,
	"internal/testutil":    nil,
	"internal/web":         nil,
}

// systems are those whose files are looked at.
var systems = []string{"linux", "darwin", "windows"}

// imports returns what each package imports of ours, sorted, on any system and without its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, goos := range systems {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"cmd/...", module+"internal/...")
		cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			name := strings.TrimPrefix(fields[0], module)
			list := all[name]
			for _, imported := range fields[1:] {
				if ours, ok := strings.CutPrefix(imported, module); ok {
					list = append(list, ours)
				}
			}
			slices.Sort(list)
			all[name] = slices.Compact(list)
		}
	}
	return all
}

func TestImports_AreThoseOfTheMap(t *testing.T) {
	all := imports(t)
	for name, imported := range all {
		want, known := packageMap[name]
		switch {
		case !known:
			t.Errorf("%s is in no row of the package map; add it here and to CONTRIBUTING.md", name)
		case name != cli && !slices.Equal(imported, want):
			t.Errorf("%s imports %q, but the map has %q", name, imported, want)
		}
	}
	for name := range packageMap {
		if _, there := all[name]; !there {
			t.Errorf("the map has %s, which does not exist", name)
		}
	}
}

// TestImports_CLIMayImportAll leaves out what is above it and what is for tests.
func TestImports_CLIMayImportAll(t *testing.T) {
	for _, imported := range imports(t)[cli] {
		if _, known := packageMap[imported]; !known || imported == command || imported == "internal/testutil" {
			t.Errorf("it imports %s", imported)
		}
	}
}

// row is one of the package map in CONTRIBUTING.md: package, what it owns, imports.
var row = regexp.MustCompile("(?m)^\\| `((?:cmd|internal)/[a-z0-9-]+)` \\| (.+) \\| (.+) \\|$")

func TestImports_AreThoseOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		documented[match[1]] = match[3]
	}
	want := map[string]string{}
	for name, list := range packageMap {
		var short []string
		for _, imported := range list {
			short = append(short, strings.TrimPrefix(imported, "internal/"))
		}
		switch {
		case name == cli:
			want[name] = "all below it"
		case len(list) == 0:
			want[name] = "none"
		default:
			want[name] = strings.Join(short, ", ")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if documented[name] != want[name] {
			t.Errorf("CONTRIBUTING.md says that %s imports %q, want %q", name, documented[name], want[name])
		}
	}
	for name := range documented {
		if _, known := want[name]; !known {
			t.Errorf("CONTRIBUTING.md has a row of %s, which is not in the map", name)
		}
	}
}

// TestImports_PlainProgramHasNothingOfKubernetes also checks that the cluster's program has it: else the test would find nothing.
func TestImports_PlainProgramHasNothingOfKubernetes(t *testing.T) {
	for name, want := range map[string]bool{command: false, "cmd/mock-ec2-metadata-kube": true} {
		for _, goos := range systems {
			cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", module+name)
			cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if has := bytes.Contains(out, []byte("k8s.io/")); has != want {
				t.Errorf("%s on %s depends on packages of k8s.io: %v, want %v", name, goos, has, want)
			}
		}
	}
}

// TestImports_NoTemplatesAndNoProfiles is about the size of the program: templates call methods by name, so with them the linker keeps
// all methods. cobra imports text/template, and uses none unless it is asked to.
func TestImports_NoTemplatesAndNoProfiles(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}}:{{range .Imports}} {{.}}{{end}}", module+command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var templates []string
	for line := range strings.Lines(string(out)) {
		name, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		for imported := range strings.FieldsSeq(imports) {
			switch imported {
			case "html/template", "net/http/pprof":
				t.Errorf("%s imports %s", name, imported)
			case "text/template":
				templates = append(templates, name)
			}
		}
	}
	if len(templates) != 1 || templates[0] != "github.com/spf13/cobra" {
		t.Errorf("%v import text/template, want cobra alone", templates)
	}
}

// lines counts the lines of each package's files, without tests.
func lines(t *testing.T) map[string]int {
	t.Helper()
	count := map[string]int{}
	for name := range packageMap {
		for _, file := range sources(t, name) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			count[name] += bytes.Count(text, []byte("\n"))
		}
	}
	return count
}

// sources are the Go files of a package, for all systems, without tests.
func sources(t *testing.T, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, name, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
}

// maxMainLines bounds the command: signals, the exit code and what is linked in.
const maxMainLines = 90

func TestSize_CommandIsMainAlone(t *testing.T) {
	files := sources(t, command)
	if len(files) != 1 || filepath.Base(files[0]) != "main.go" {
		t.Errorf("%s has %q, want main.go alone", command, files)
	}
	if got := lines(t)[command]; got > maxMainLines {
		t.Errorf("main.go has %d lines, want at most %d", got, maxMainLines)
	}
}

// A package that outgrows its share, in per cent of all lines, owns too much.
const (
	maxShare       = 12
	maxConfigShare = 18 // the schema, and every rule with its message
)

func TestSize_NoPackageOwnsTooMuch(t *testing.T) {
	count := lines(t)
	total := 0
	for _, n := range count {
		total += n
	}
	for _, name := range slices.Sorted(maps.Keys(count)) {
		limit := maxShare
		if name == "internal/config" {
			limit = maxConfigShare
		}
		if n := count[name]; n*100 > limit*total {
			t.Errorf("%s has %d of %d lines, %.1f %%, want at most %d %%", name, n, total, 100*float64(n)/float64(total), limit)
		}
	}
}
