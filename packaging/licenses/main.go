// Command licenses writes the licences of all that a program holds and that is not this repository's: of the modules of its packages
// on the given platforms, and of Go itself. They ask for that.
//
//	go run ./packaging/licenses -tags TAGS -platforms "linux/amd64 windows/arm64" ./cmd/mock-ec2-metadata >THIRD-PARTY-LICENSES
//
// Equal sources, platforms and Go give equal bytes.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	tags := flag.String("tags", "", "build `TAGS` of the program")
	platforms := flag.String("platforms", "", "`LIST` of platforms, each GOOS/GOARCH")
	flag.Parse()
	text, err := licenses(".", flag.Arg(0), *tags, strings.Fields(*platforms))
	if err == nil {
		_, err = os.Stdout.WriteString(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// licenses is the text for the program of a package, which is named relative to the directory dir.
func licenses(dir, pkg, tags string, platforms []string) (string, error) {
	modules, err := linked(dir, pkg, tags, platforms)
	if err != nil {
		return "", err
	}
	var all notices
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		if err := all.add(name, modules[name]); err != nil {
			return "", err
		}
	}
	return all.text(), nil
}

// module is one whose packages a program holds.
type module struct {
	root     string   // its directory
	packages []string // directories of the packages that the program holds
}

// linked are the modules of a program on all platforms together, by path and version, and Go itself.
func linked(dir, pkg, tags string, platforms []string) (map[string]module, error) {
	out, err := goCommand(dir, nil, "env", "GOVERSION", "GOROOT")
	if err != nil {
		return nil, err
	}
	version, root, _ := strings.Cut(strings.TrimSpace(out), "\n")
	found := map[string]module{"Go " + strings.TrimPrefix(version, "go"): {root: root}}
	const ofOthers = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}};{{.Dir}};{{$.Dir}}{{end}}{{end}}`
	for _, platform := range platforms {
		system, arch, _ := strings.Cut(platform, "/")
		out, err := goCommand(dir, []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + arch}, "list", "-deps", "-f", ofOthers, "-tags", tags, pkg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", platform, err)
		}
		for line := range strings.Lines(out) {
			if parts := strings.Split(strings.TrimSpace(line), ";"); len(parts) == 3 {
				found[parts[0]] = module{root: parts[1], packages: append(found[parts[0]].packages, parts[2])}
			}
		}
	}
	return found, nil
}

// goCommand runs the go command in dir, and returns its stdout.
func goCommand(dir string, env []string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	var stderr strings.Builder
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.String())
	}
	return string(out), nil
}

// folders are the root of a module, and those between it and the packages, sorted. In each there may be a licence.
func (m module) folders() []string {
	all := map[string]bool{m.root: true}
	for _, dir := range m.packages {
		for ; len(dir) > len(m.root); dir = filepath.Dir(dir) {
			all[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
