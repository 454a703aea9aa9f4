package app

import (
	"net/http"
	"path"
	"strings"
	"testing"

	"mock-ec2-metadata/test/bench"
)

// TestScale_LargeConfigurationsServeEveryValue asks for every value and directory of configurations larger than any should be.
func TestScale_LargeConfigurationsServeEveryValue(t *testing.T) {
	for _, s := range bench.Scales() {
		t.Run(s.Name, func(t *testing.T) {
			p := newInProcess(t, s.Config)
			get := func(path string) string {
				e := newReused(http.MethodGet, path, nil)
				e.do(p.http)
				if e.status != http.StatusOK {
					t.Fatalf("%s: %d %s", path, e.status, e.body)
				}
				return string(e.body)
			}
			inDir := map[string]int{}
			for _, leaf := range s.Leaves {
				if got := get(leaf.Path); got != leaf.Value {
					t.Fatalf("%s: %q, want %q", leaf.Path, got, leaf.Value)
				}
				inDir[path.Dir(leaf.Path)]++
			}
			for dir, want := range inDir {
				if got := strings.Count(get(dir), "\n") + 1; got < want {
					t.Errorf("%s lists %d, of %d", dir, got, want)
				}
			}
		})
	}
}

// BenchmarkLookup looks up every value of a tree in turn.
func BenchmarkLookup(b *testing.B) {
	for _, s := range bench.Scales() {
		b.Run(s.Name, func(b *testing.B) {
			tree := newInProcess(b, s.Config).State().Target.Tree
			i := 0
			for b.Loop() {
				if tree.Lookup(s.Leaves[i].Path) == nil {
					b.Fatal(s.Leaves[i].Path)
				}
				if i++; i == len(s.Leaves) {
					i = 0
				}
			}
		})
	}
}

// BenchmarkReload reads a configuration again and uses it.
func BenchmarkReload(b *testing.B) {
	for _, s := range bench.Scales() {
		b.Run(s.Name, func(b *testing.B) {
			p := newInProcess(b, s.Config)
			for b.Loop() {
				if err := p.Reload("a benchmark"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
