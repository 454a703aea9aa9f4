package importer

import (
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// readBack returns the tags of a document with one, as a YAML parser reads it.
func readBack(t testing.TB, key, value string) (map[string]string, string) {
	t.Helper()
	in := &Instance{ID: "i-1"}
	in.setNode(textNode(value), "ec2", "tags", key)
	r := Result{Source: "x", Instances: []*Instance{in}}
	document, err := r.Merge(Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := YAML("x", document)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		EC2 struct {
			Tags map[string]string `yaml:"tags"`
		} `yaml:"ec2"`
	}
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return got.EC2.Tags, string(text)
}

// FuzzYAML checks that each text is read as it was.
func FuzzYAML(f *testing.F) {
	for _, text := range []string{"", "a", "no", "null", "~", "0x1F", "1e3", "012", "a: b", "a #b", "- a", "a\nb", "a\n\nb\n", "\na", " a\nb", "a\n\n", "a\r\nb", "a \nb", "a\n b", "🚀\n", "\u0085", "\x7f\u2028", "*a", "&a", "!a", "%a", "@a", "`a", "a:", "a:b", "/", "/a b", "a  b", "'", `"`, `\`, "2025-01-31", "12:30:00", "<<", "=", "?", "tab\tin\nlines", "---\n---\n", "...\na", "# a\nb", "[", "[0]", strings.Repeat("\x12", 300)} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		key, value = strings.ToValidUTF8(key, "?"), strings.ToValidUTF8(value, "?")
		if tags, text := readBack(t, key, value); len(tags) != 1 || tags[key] != value {
			t.Errorf("%q: %q is read as %q in %q", key, value, tags, text)
		}
	})
}

// TestYAML_TextsOfOtherTypesAreQuoted has words that YAML 1.1 or 1.2 reads as another type.
func TestYAML_TextsOfOtherTypesAreQuoted(t *testing.T) {
	for _, text := range []string{"12:30", "12:34:56:12:34:56", "1:59.5", "+1:00", "1_0:00", "0x_", "0b_1", "no", "On", "Y", "NULL", "~", "0x1F", "0o17", "0b1", "017", "1e3", ".5", "-.inf", ".NaN", "1_000", "2025-01-31", "<<", "=", ""} {
		if isPlain(text) {
			t.Errorf("%s is written without quotes", text)
		}
	}
	for _, text := range []string{"127.0.0.1:5001", "0a:00:00:00:00:01", "12:60", "aws:x", "10.0.0.0/8", "2001:db8::1", "i-1", "a b"} {
		if !isPlain(text) {
			t.Errorf("%s is written with quotes", text)
		}
	}
}

func TestYAML_OrderIsThatOfTheSample(t *testing.T) {
	sample, err := os.ReadFile("../../conf/sample-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(sample), "\n")
	place := func(key string) int { // of the first line with the key, commented out or not
		return slices.IndexFunc(lines, func(line string) bool {
			return strings.HasPrefix(strings.TrimLeft(line, "# "), key+":")
		})
	}
	for _, block := range []string{"credentials", "ec2", "metadata_options", "placement"} {
		last := ""
		for _, key := range orderedKeys(ranks()[block]) {
			if block == "credentials" && slices.Contains([]string{"role", "mock"}, key) || place(key) < 0 {
				continue
			}
			if last != "" && place(key) < place(last) {
				t.Errorf("%s: %s stands before %s in the sample", block, key, last)
			}
			last = key
		}
	}
}

func orderedKeys(rank map[string]int) []string {
	keys := make([]string, 0, len(rank))
	for key := range rank {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return rank[a] - rank[b] })
	return keys
}

func TestYAML_NumbersAtTheEndOfKeysCount(t *testing.T) {
	in := &Instance{ID: "i-1"}
	for _, name := range []string{"ebs10", "ebs2", "root", "ami", "ebs1"} {
		in.setAt("x", "ec2", "block_devices", name)
	}
	document, err := (&Result{Instances: []*Instance{in}}).Merge(Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "# From x, by mock-ec2-metadata import.\nec2:\n  block_devices:\n    ami: x\n    ebs1: x\n    ebs2: x\n    ebs10: x\n    root: x\n"
	if got, err := YAML("x", document); err != nil || string(got) != want {
		t.Errorf("%v, got\n%s", err, got)
	}
}
