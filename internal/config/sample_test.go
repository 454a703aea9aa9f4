package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	samplePath    = "../../conf/sample-config.yaml"
	referencePath = "../../docs/configuration.md"
	// closingBlock starts the part of the sample with the keys that are not supported yet.
	closingBlock = "\n# Not supported yet"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSampleLoads(t *testing.T) {
	l, err := Load(Sources{File: samplePath})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
}

// commentedKey is a key that is commented out. Sentences in comments start with a capital letter.
var commentedKey = regexp.MustCompile(`(?m)^( *)# ([a-z0-9_]+:)`)

func TestSampleLoadsUncommented(t *testing.T) {
	supported, _, found := strings.Cut(read(t, samplePath), closingBlock)
	if !found {
		t.Fatal("no closing block")
	}
	uncommented := commentedKey.ReplaceAllString(supported, "$1$2")
	l := mustLoad(t, uncommented, nil, nil)
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
	want, err := Load(Sources{File: samplePath})
	if err != nil {
		t.Fatal(err)
	}
	// What is commented out shows the defaults, so it changes nothing.
	if diff := cmp.Diff(want.Config, l.Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, key := range schemaKeys() {
		last := key[strings.LastIndexByte(key, '.')+1:]
		if top, _, _ := strings.Cut(key, "[]"); isUnsupported(top) {
			continue
		}
		if !regexp.MustCompile(`(?m)^ +` + last + `:`).MatchString(uncommented) {
			t.Errorf("the supported part has no %s", key)
		}
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	_, closing, _ := strings.Cut(read(t, samplePath), closingBlock)
	reference := read(t, referencePath)
	for _, key := range schemaKeys() {
		if !strings.Contains(reference, "| `"+key+"` |") {
			t.Errorf("%s has no row for %s", referencePath, key)
		}
		top, _, _ := strings.Cut(key, "[]")
		if isUnsupported(top) && !strings.Contains(closing, " "+key+":") && !strings.Contains(closing, " "+key+"\n") {
			t.Errorf("the closing block of %s has no %s", samplePath, key)
		}
	}
	for _, u := range unsupported {
		if find(&Config{}, u.key).IsValid() {
			if !strings.Contains(closing, "# "+u.key) {
				t.Errorf("the closing block of %s has no %s", samplePath, u.key)
			}
			continue
		}
		t.Errorf("the table of unsupported keys has %s, which does not exist", u.key)
	}
	for line := range strings.Lines(reference) {
		if key, ok := strings.CutPrefix(line, "| `"); ok {
			key, _, _ = strings.Cut(key, "`")
			marked := strings.Contains(strings.ToLower(line), "**not supported yet**")
			top, _, _ := strings.Cut(key, "[]")
			listed := false
			for _, u := range unsupported {
				listed = listed || u.key == top
			}
			if strings.Contains(key, ".") && marked != listed {
				t.Errorf("%s: %s is marked as not supported: %t, in the table: %t", referencePath, key, marked, listed)
			}
		}
	}
}

// TestRulesNameKeys finds rules for keys that do not exist, and texts without a rule.
func TestRulesNameKeys(t *testing.T) {
	exists := map[string]bool{}
	for _, key := range schemaKeys() {
		// Lists and maps of texts are one key of the schema, and have a rule for their elements.
		for _, suffix := range []string{"", "[]", ".*"} {
			exists[key+suffix] = true
		}
	}
	for _, table := range []map[string]rule{textErrors, entryErrors, textWarnings} {
		for key := range table {
			if !exists[key] {
				t.Errorf("a rule for %s, which does not exist", key)
			}
		}
	}
}
