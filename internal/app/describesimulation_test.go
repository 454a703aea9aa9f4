package app

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// documented returns the examples of events and faults in the documentation and the sample configuration.
func documented(t *testing.T) map[string]string {
	t.Helper()
	examples := map[string]string{}
	add := func(file string, blocks *regexp.Regexp, uncomment bool) {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range blocks.FindAllStringSubmatch(string(text), -1) {
			example := m[1]
			if uncomment {
				example = regexp.MustCompile(`(?m)^#   `).ReplaceAllString(example, "")
			}
			if regexp.MustCompile(`(?m)^(events|faults):`).MatchString(example) {
				examples[file] += "\n" + example
			}
		}
	}
	fenced := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, page := range []string{"configuration", "events", "faults"} {
		add("docs/"+page+".md", fenced, false)
	}
	add("conf/sample-config.yaml", regexp.MustCompile(`(?m)((?:^#   .*\n)+)^# (?:events|faults): \[\]$`), true)
	return examples
}

func TestDescribeSimulation_DocumentedExamplesFit(t *testing.T) {
	examples := documented(t)
	if len(examples) != 4 {
		t.Fatalf("examples of %d files", len(examples))
	}
	testutil.IsolateHome(t)
	for file, example := range examples {
		t.Run(file, func(t *testing.T) {
			config := example
			if file == "conf/sample-config.yaml" { // its examples change an instance that has more
				config = `
clients: [{from: 10.9.0.0/16}]
ec2:
  tags: {Team: red}
  network_interfaces: [{mac: 0a:1b:2c:3d:4e:5f}, {mac: 0a:1b:2c:3d:4e:60}]
` + example
			}
			testutil.Write(t, "conf/config.yaml", "credentials: {mock: true}\n"+config)
			lines, _, err := DescribeSimulation(load(t, ""))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "event ") || strings.HasPrefix(l, "fault ") }) {
				t.Errorf("nothing is simulated: %q", lines)
			}
		})
	}
}
