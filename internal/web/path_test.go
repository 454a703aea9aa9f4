package web

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "/",
		"/":                        "/",
		"//":                       "/",
		"///":                      "/",
		"/latest":                  "/latest",
		"/latest/":                 "/latest",
		"/latest//":                "/latest",
		"//latest/meta-data":       "/latest/meta-data",
		"/latest//meta-data///ami": "/latest/meta-data/ami",
		"/latest/../user-data":     "/latest/../user-data",
		"latest":                   "/latest",
		"*":                        "/*",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzClean wants the path's parts in a row, and nothing else of them changed.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "*", "/", "//latest///meta-data//", "/latest/../..", "/%2e%2e/", "/\x00/\xc0\xaf;a=b\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		want := "/" + strings.Join(strings.FieldsFunc(path, func(r rune) bool { return r == '/' }), "/")
		got := Clean(path)
		if got != want {
			t.Errorf("Clean(%q) = %q, want %q", path, got, want)
		}
		if again := Clean(got); again != got {
			t.Errorf("Clean(%q) = %q", got, again)
		}
	})
}
