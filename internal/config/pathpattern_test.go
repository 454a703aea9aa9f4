package config

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPathPattern_MatchesWholeSegments(t *testing.T) {
	for _, test := range []struct {
		pattern string
		fits    string // paths, separated by spaces; "-" is the empty path
		not     string
	}{
		{"meta-data/mac", "meta-data/mac", "meta-data/mac/x meta-data meta-data/macs - Meta-Data/mac"},
		{"meta-data/*", "meta-data/mac meta-data/iam", "meta-data meta-data/iam/info"},
		{"*", "meta-data user-data", "- meta-data/mac"},
		{"*/iam/*", "meta-data/iam/info", "meta-data/iam meta-data/mac/info"},
		{"meta-data/iam/**", "meta-data/iam meta-data/iam/info meta-data/iam/security-credentials/r", "meta-data meta-data/iams"},
		{"**", "- meta-data meta-data/mac", ""},
		{"*/**", "meta-data meta-data/mac", "-"},
		{"meta-data/*/**", "meta-data/iam meta-data/iam/info", "meta-data -"},
		{"api/token", "api/token", "api"},
	} {
		p, err := ParsePathPattern(test.pattern)
		must(t, err)
		for want, paths := range map[bool]string{true: test.fits, false: test.not} {
			for path := range strings.FieldsSeq(paths) {
				if path == "-" {
					path = ""
				}
				if p.Match(path) != want {
					t.Errorf("%s matches %q: %t", test.pattern, path, !want)
				}
			}
		}
		if p.String() != test.pattern {
			t.Errorf("%s is printed as %s", test.pattern, p)
		}
	}
	if !(PathPattern{}).Match("any/thing") || !(PathPattern{}).Match("") {
		t.Error("the zero pattern does not match all")
	}
}

func TestPathPattern_ErrorsSayTheWayOut(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                         `no pattern; write e.g. meta-data/iam/**`,
		"/meta-data/iam":           `"/meta-data/iam" does not start below the version; write meta-data/iam`,
		"/latest/meta-data/iam/**": `"/latest/meta-data/iam/**" does not start below the version; write meta-data/iam/**`,
		"latest/api/token":         `"latest/api/token" does not start below the version; write api/token`,
		"2021-07-15/user-data":     `"2021-07-15/user-data" does not start below the version; write user-data`,
		"1.0/user-data":            `"1.0/user-data" does not start below the version; write user-data`,
		"/":                        `"/" does not start below the version; write it like meta-data/iam/**`,
		"latest":                   `"latest" does not start below the version; write it like meta-data/iam/**`,
		"meta-data/":               `"meta-data/" has a segment that no path has; write it like meta-data/iam/**, without a slash at the end`,
		"meta-data//mac":           `"meta-data//mac" has a segment that no path has; write it like meta-data/iam/**, without a slash at the end`,
		"meta-data/../user-data":   `"meta-data/../user-data" has a segment that no path has; write it like meta-data/iam/**, without a slash at the end`,
		"meta-data/mac?x":          `"meta-data/mac?x" holds one of ?#%; write the path alone, without a query and without escapes`,
		"meta-data/mac#x":          `"meta-data/mac#x" holds one of ?#%; write the path alone, without a query and without escapes`,
		"meta-data/%6dac":          `"meta-data/%6dac" holds one of ?#%; write the path alone, without a query and without escapes`,
		"meta-data/mac\n":          `"meta-data/mac\n" holds a control character`,
		"meta-data/**/mac":         `"meta-data/**/mac" has ** before its end; ** stands for the rest, so write * for one segment`,
		"meta-data/ami-*":          `"meta-data/ami-*" has * in a part of a segment; write * for a whole segment`,
		"meta-data/***":            `"meta-data/***" has * in a part of a segment; write * for a whole segment`,
	} {
		if _, err := ParsePathPattern(pattern); err == nil || err.Error() != want {
			t.Errorf("%q:\n%v\nwant\n%s", pattern, err, want)
		}
	}
}

func TestBelowVersion_DropsTheFirstSegment(t *testing.T) {
	for path, want := range map[string]string{
		"/latest/meta-data/mac": "meta-data/mac", "/2021-07-15/user-data": "user-data", "/latest": "", "/": "", "": "", "/latest/api/token": "api/token",
	} {
		if got := BelowVersion(path); got != want {
			t.Errorf("below the version of %q: %q, want %q", path, got, want)
		}
	}
}

func TestPathPattern_MatchAllocatesNothing(t *testing.T) {
	p, err := ParsePathPattern("meta-data/*/security-credentials/**")
	must(t, err)
	if n := testing.AllocsPerRun(100, func() { p.Match("meta-data/iam/security-credentials/role") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPathPattern(f *testing.F) {
	for _, seed := range [][2]string{{"meta-data/*/x/**", "meta-data/a/x"}, {"**", ""}, {"*", "a/b"}, {"a/**", "a/b/c"}, {"/latest/a", "a"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		p, err := ParsePathPattern(pattern)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if path = strings.Trim(path, "/"); strings.Contains(path, "//") || strings.Contains(path, "\n") || !utf8.ValidString(path) {
			return
		}
		expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*\*`, `**`)
		expression = strings.TrimSuffix(expression, "/**")
		rest := expression != strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*\*`, `**`)
		if pattern == "**" {
			expression, rest = "", true
		}
		expression = strings.ReplaceAll(expression, `\*`, `[^/]+`)
		switch {
		case pattern == "**":
			expression = `.*`
		case rest:
			expression += `(/.*)?`
		}
		if want := regexp.MustCompile(`^(?:` + expression + `)$`).MatchString(path); p.Match(path) != want {
			t.Errorf("%q matches %q: %t", pattern, path, !want)
		}
	})
}
