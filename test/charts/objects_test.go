package charts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	deploy        = "../../deploy"
	golden        = "../../internal/manifest/testdata"
	plainManifest = deploy + "/kubernetes/mock-ec2-metadata.yaml"
)

// object is one of a cluster, as JSON has it.
type object map[string]any

func (o object) kind() string { s, _ := o["kind"].(string); return s }

// at follows keys of maps, and the first element of lists. It returns nil without such a value.
func (o object) at(keys ...string) any {
	var v any = map[string]any(o)
	for _, key := range keys {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// key tells the objects of a set apart.
func (o object) key() string {
	return fmt.Sprintf("%s %v/%v", o.kind(), o.at("metadata", "namespace"), o.at("metadata", "name"))
}

// documents are those of a YAML file that are not empty.
func documents(text []byte) [][]byte {
	var all [][]byte
	for doc := range bytes.SplitSeq(append([]byte("\n"), text...), []byte("\n---\n")) {
		for line := range strings.Lines(string(doc)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, append(bytes.Clone(doc), '\n')) // the separator has taken it
				break
			}
		}
	}
	return all
}

// parse returns the objects of a YAML file by key.
func parse(t *testing.T, text []byte) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, doc := range documents(text) {
		o := object{}
		if err := yaml.UnmarshalStrict(doc, &o); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if _, twice := all[o.key()]; twice {
			t.Fatalf("%s is there twice", o.key())
		}
		all[o.key()] = o
	}
	return all
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// cases are the golden files of internal/manifest, by name. The values of the chart for them are in testdata; default has none.
func cases(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"default": plainManifest}
	files, err := filepath.Glob(golden + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files in %s: %v", golden, err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); name != "oneshot" {
			all[name] = file
		}
	}
	return all
}

// allObjects are those of all golden files, with the file's name before the key.
func allObjects(t *testing.T) map[string]object {
	t.Helper()
	all := map[string]object{}
	files := cases(t)
	files["oneshot"] = golden + "/oneshot.yaml"
	for name, file := range files {
		for key, o := range parse(t, read(t, file)) {
			all[name+": "+key] = o
		}
	}
	return all
}
