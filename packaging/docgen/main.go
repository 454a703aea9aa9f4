// Command docgen writes what packages hold beside the programs: manual pages, completions of shells, the packaged configuration and
// units. It makes them of the command trees, docs/configuration.md, conf/sample-config.yaml and deploy/systemd.
//
//	go run ./packaging/docgen -out DIR -version 1.2.0 -epoch 1767225600
//
// Equal flags and sources give equal bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	reference = "docs/configuration.md"
	sample    = "conf/sample-config.yaml"
)

// release is what the pages say about where they come from.
type release struct {
	version string    // without v
	date    time.Time // of the commit
}

func main() {
	out := flag.String("out", "", "`DIR` to write man, completions, units and config.yaml to")
	version := flag.String("version", "", "`VERSION` of the release")
	epoch := flag.Int64("epoch", 0, "time of the release's commit in `SECONDS` since 1970")
	flag.Parse()
	if *out == "" || *version == "" || *epoch == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out, release{version: *version, date: time.Unix(*epoch, 0).UTC()}); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

// write writes all files below the directory dir, which it makes.
func write(dir string, r release) error {
	man, units := filepath.Join(dir, "man"), filepath.Join(dir, "units")
	for _, path := range []string{man, units, filepath.Join(dir, "completions")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	for _, p := range programs(r.version) {
		if err := writeCommandPages(p, man, r); err != nil {
			return err
		}
		if err := writeCompletions(p, filepath.Join(dir, "completions")); err != nil {
			return err
		}
	}
	if err := writeUnits(units); err != nil {
		return err
	}
	markdown, err := os.ReadFile(reference)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(man, "mock-ec2-metadata.5"), configurationPage(string(markdown), r), 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(sample)
	if err != nil {
		return err
	}
	packaged, err := packagedConfig(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(packaged), 0o644)
}
