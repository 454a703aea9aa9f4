package config

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"
)

// sameAsLibrary compares what is read with the help of runs to what the library reads, and says whether runs were of help.
func sameAsLibrary(t *testing.T, text string) (helped bool) {
	t.Helper()
	want, wantErr := decodeDocuments([]byte(text))
	rest, runs := cutRuns([]byte(text), 3)
	if len(runs) == 0 {
		if string(rest) != text {
			t.Errorf("without runs, %q became %q", text, rest)
		}
		return false
	}
	if n, m := strings.Count(text, "\n"), strings.Count(string(rest), "\n"); n != m {
		t.Errorf("%d lines became %d", n, m)
	}
	got, err := decodeDocuments(rest)
	if err != nil || !putBack(got, runs) {
		return false
	}
	// What was cut out has no columns and no tags, which nobody looks at, and takes part in no comments.
	unused := cmpopts.IgnoreFields(yaml.Node{}, "Column", "Tag", "HeadComment", "LineComment", "FootComment")
	if diff := cmp.Diff(want, got, unused); wantErr != nil || diff != "" {
		t.Errorf("%q (-library +runs): %v\n%s", text, wantErr, diff)
	}
	return true
}

func TestRuns(t *testing.T) {
	const lines = "  a: b\n  c/d: \"e: 'f' # {g\"\n  h.i:j: 'k \" \\n '\n  l: m - n, [\n  o: p:q, {}\n"
	for _, c := range []struct {
		name, text string
		helps      bool
	}{
		{"block", "metadata:\n" + lines, true},
		{"list", "x:\n- y: z\n" + lines + "- " + strings.TrimLeft(lines, " "), true},
		{"what surrounds them", "# c\nm: # c\n  x: {y: [&z z]}\n  1: 2\n\n  3: 4\n" + lines + "  # c\n  5: *z\n  6: |\n    a: b\n    c: d\nlog: {}\n", true},
		{"two", "m:\n" + lines + "  x: |\n    y\n" + lines + "n:\n" + lines, true},
		{"second document", "m:\n" + lines + "---\nn:\n" + lines, true},
		{"top", strings.ReplaceAll(lines, "  ", ""), true},
		{"all of the same", "m:\n" + strings.Repeat("  a: b\n", 5), true},
		{"literal", "m: |\n" + lines, false},
		{"folded", "m: >-\n" + lines, false},
		{"in quotes", "m: \"\n  a: b\n  c: d\n  e: f\n\"\n", false},
		{"in a flow", "m: {\n  a: b\n  c: d\n  e: f\n}\n", false},
		{"in a flow, with commas", "m: {\n  a: b,\n  c: d,\n  e: f,\n}\n", false},
		{"in a plain text", "m: x\n  a: b\n  c: d\n  e: f\n", false},
		{"the last goes on", "m:\n" + lines + "    and on\n", false},
		{"quotes that do not end", "m:\n" + lines + "  x: \"y\n" + lines, false},
		{"third document", "a\n---\nb\n---\nm:\n" + lines, false},
		{"no line ending", "m:\n  a: b\n  c: d\n  e: f", false},
		{"CR LF", "m:\r\n  a: b\r\n  c: d\r\n  e: f\r\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if helped := sameAsLibrary(t, c.text); helped != c.helps {
				t.Errorf("helped: %v", helped)
			}
		})
	}
}

// TestRunsAndOtherBreaks has the library count four lines more, and so something like the run where the run is.
func TestRunsAndOtherBreaks(t *testing.T) {
	for _, other := range []string{"\r", "\u0085", "\u2028", "\u2029"} {
		if sameAsLibrary(t, "#"+strings.Repeat(other, 4)+"m:\n  a: b # c\n\n  e: f # c\nn:\n  a: b\n  c: d\n  e: f\n") {
			t.Errorf("%q: helped", other)
		}
	}
}

// TestRunsAmongOther puts lines together by chance that make runs mean something else.
func TestRunsAmongOther(t *testing.T) {
	parts := []string{
		"  a: b\n  c: d\n  e: f\n", "a: b\nc: d\ne: f\n", "    a: 'b'\n    c: \"d\"\n    e: f\n", "  a: b,\n  c: d,\n  e: f,\n",
		"m:\n", "  m:\n", "m: |\n", "  m: >\n", "m: \"", "\"\n", "  m: '\n", "'\n", "- ", "-\n", "  - a: b\n", "{", "}\n", "[\n", "]\n", ",\n",
		"# c\n", "  # c\n", "\n", " \n", "\t\n", "---\n", "--- |\n", "...\n", "x\n", "  x\n", "    x\n", "? ", "? x\n", ": ", ": y\n", "&a ", "*a\n", "m: *a\n",
		"!!str ", "!!map\n", "<<: *a\n", "%YAML 1.2\n", "\r", "\u2028", "\u0085", "\ufeff", "\x00", "a: b", "  a: b # c\n", "  a: b: c\n", "  a: b:\n",
	}
	r := rand.New(rand.NewPCG(1, 2))
	helped := 0
	for range 30_000 {
		text := &strings.Builder{}
		for range 1 + r.IntN(8) {
			text.WriteString(parts[min(r.IntN(len(parts)), r.IntN(len(parts)))]) // rather the first ones
		}
		if sameAsLibrary(t, text.String()) {
			helped++
		}
	}
	if helped < 1000 {
		t.Errorf("runs were of help %d times", helped)
	}
}

func FuzzRuns(f *testing.F) {
	f.Add("m:\n  a: b\n  c: \"d e\"\n  f: 'g'\n  h: |\n    i: j\n    k: l\n    m: n\n")
	f.Add("m: {\n  a: b\n  c: d\n  e: f\n}\n")
	f.Add("- a: b\n  c: d:e\n  f: g - h: i\n  j: k\n---\nx\n")
	f.Fuzz(func(t *testing.T, text string) { sameAsLibrary(t, text) })
}

// TestManyLines reads a file of so many lines that runs are looked for, in which the lines of an error must be right.
func TestManyLines(t *testing.T) {
	text := &strings.Builder{}
	text.WriteString("metadata:\n")
	for i := range 2 * leastRun {
		fmt.Fprintf(text, "  meta-data/large/%d: \"value %d\"\n", i, i)
	}
	l := mustLoad(t, text.String(), nil, nil)
	if got := l.Config.Metadata["meta-data/large/100"]; got == nil || *got != "value 100" || len(l.Config.Metadata) != 2*leastRun {
		t.Error(got, len(l.Config.Metadata))
	}
	for add, want := range map[string]string{
		"  meta-data/large/7: x\n": "f.yaml:130: metadata.meta-data/large/7: set a second time; the first is in line 9",
		"  meta-data/large/7/x: y\n": "f.yaml:130: metadata.meta-data/large/7/x: nothing can be below metadata.meta-data/large/7, which has a value; " +
			"keep one of them",
		"  \"\n": "f.yaml:130: not valid YAML: found unexpected end of stream",
	} {
		if _, err := loadText(text.String()+add, nil, nil); err == nil || err.Error() != want {
			t.Errorf("%q: %v", add, err)
		}
	}
}
