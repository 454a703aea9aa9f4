package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// repository makes a module with a program that holds two others, by files and their contents.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod": "module example.com/main\n\ngo 1.26\n\nrequire (\n\texample.com/one v1.2.3\n\texample.com/two v0.1.0\n)\n" +
			"\nreplace (\n\texample.com/one => ./one\n\texample.com/two => ./two\n)\n",
		"main.go":              "package main\n\nimport (\n\t_ \"example.com/one/used\"\n\t_ \"example.com/two\"\n)\n\nfunc main() {}\n",
		"on_windows.go":        "package main\n\nimport _ \"example.com/one/other\"\n",
		"one/go.mod":           "module example.com/one\n",
		"one/LICENSE":          "Be kind.\n",
		"one/NOTICE.txt":       "By one.\r\nAnd two.\r\n",
		"one/license.go":       "package one\n",
		"one/used/used.go":     "package used\n",
		"one/used/COPYING":     "Forked.\n",
		"one/other/other.go":   "package other\n",
		"one/other/LICENCE":    "Of Windows.\n",
		"one/unused/unused.go": "package unused\n",
		"one/unused/LICENSE":   "Never seen.\n",
		"two/go.mod":           "module example.com/two\n",
		"two/two.go":           "package two\n",
		"two/License.md":       "Be kind.\n",
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// withoutGo drops what is of Go itself, whose licence is a real one.
func withoutGo(t *testing.T, text string) string {
	t.Helper()
	line := strings.Repeat("=", 80) + "\n"
	of := regexp.MustCompile("(?s)" + line + "Go [^\n]+: LICENSE\n.*?The Go Authors.*?\n" + line)
	if !of.MatchString(text) {
		t.Errorf("no licence of Go:\n%s", text)
	}
	return regexp.MustCompile(`  Go \d\S*\n`).ReplaceAllString(of.ReplaceAllString(text, line), "")
}

const (
	separator = "\n================================================================================\n"
	rule      = "\n--------------------------------------------------------------------------------\n\n"
)

func TestLicenses_AreOfWhatThePlatformsHold(t *testing.T) {
	dir := repository(t)
	text, err := licenses(dir, ".", "", []string{"linux/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	want := "The program holds code of these modules:\n\n  example.com/one v1.2.3\n  example.com/two v0.1.0\n\nTheir licences and notices follow, each once.\n" +
		separator + "example.com/one v1.2.3: LICENSE\nexample.com/two v0.1.0: License.md" + rule + "Be kind.\n" +
		separator + "example.com/one v1.2.3: NOTICE.txt" + rule + "By one.\nAnd two.\n" +
		separator + "example.com/one v1.2.3: used/COPYING" + rule + "Forked.\n"
	if diff := cmp.Diff(want, withoutGo(t, text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	both, err := licenses(dir, ".", "", []string{"linux/amd64", "windows/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(both, "one v1.2.3: other/LICENCE"+rule+"Of Windows.\n") {
		t.Errorf("the licence of what Windows alone holds is missing:\n%s", both)
	}
}

func TestLicenses_NamesAModuleWithoutLicence(t *testing.T) {
	dir := repository(t)
	if err := os.Remove(filepath.Join(dir, "two/License.md")); err != nil {
		t.Fatal(err)
	}
	_, err := licenses(dir, ".", "", []string{"linux/amd64"})
	want := "example.com/two v0.1.0: no licence in " + filepath.Join(dir, "two") + "; ask its authors, or use another module"
	if err == nil || err.Error() != want {
		t.Errorf("error %v; want %s", err, want)
	}
}

func TestLicenses_UnknownPackageIsAnError(t *testing.T) {
	if _, err := licenses(repository(t), "./nothing", "", []string{"linux/amd64"}); err == nil || !strings.Contains(err.Error(), "linux/amd64: go list: ") {
		t.Errorf("error %v", err)
	}
}

// A notice is no licence.
func TestLicenses_NoticeAloneIsNotEnough(t *testing.T) {
	dir := repository(t)
	if err := os.Rename(filepath.Join(dir, "two/License.md"), filepath.Join(dir, "two/NOTICE")); err != nil {
		t.Fatal(err)
	}
	if _, err := licenses(dir, ".", "", []string{"linux/amd64"}); err == nil || !strings.Contains(err.Error(), "two v0.1.0: no licence") {
		t.Errorf("error %v", err)
	}
}
