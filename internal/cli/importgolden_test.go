package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the goldens of import anew; read the differences")

// importCase is an archive of testdata/import: a line of arguments, files, and what comes of them.
type importCase struct {
	name    string
	archive *txtar.Archive
	file    string
}

// importCases are all archives. Their names say what they are about.
func importCases(t testing.TB) []importCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "import", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	var cases []importCase
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, importCase{strings.TrimSuffix(filepath.Base(file), ".txtar"), archive, file})
	}
	return cases
}

// section returns a part of the archive, "" for one that is missing.
func (c importCase) section(name string) string {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// run runs the command in a directory of its own that has the archive's files. It reads stdin.json, if there is one.
func (c importCase) run(t testing.TB) (code string, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range c.archive.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"import"}
	for arg := range strings.FieldsSeq(c.section("args")) {
		if c.section(arg) != "" {
			arg = filepath.Join(dir, arg)
		}
		args = append(args, arg)
	}
	var out, errs bytes.Buffer
	n := Run(t.Context(), Process{Args: args, Stdin: strings.NewReader(c.section("stdin")), Stdout: &out, Stderr: &errs, Version: "test"})
	return string(rune('0' + n)), out.String(), strings.ReplaceAll(errs.String(), dir+string(filepath.Separator), "")
}

func TestImport_Goldens(t *testing.T) {
	for _, c := range importCases(t) {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := c.run(t)
			got := map[string]string{"code": code + "\n", "stdout": stdout, "stderr": stderr}
			if *update {
				c.write(t, got)
				return
			}
			for _, name := range []string{"code", "stdout", "stderr"} {
				if want := c.section(name); got[name] != want {
					t.Errorf("%s:\n%s\nwant:\n%s", name, got[name], want)
				}
			}
		})
	}
}

// write writes the archive with what came out.
func (c importCase) write(t *testing.T, got map[string]string) {
	t.Helper()
	var files []txtar.File
	for _, f := range c.archive.Files {
		if _, ok := got[f.Name]; !ok {
			files = append(files, f)
		}
	}
	for _, name := range []string{"code", "stdout", "stderr"} {
		files = append(files, txtar.File{Name: name, Data: []byte(got[name])})
	}
	c.archive.Files = files
	if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestImport_SameInputSameBytes(t *testing.T) {
	for _, c := range importCases(t) {
		_, first, notes := c.run(t)
		_, second, again := c.run(t)
		if first != second || notes != again {
			t.Errorf("%s: two runs differ", c.name)
		}
	}
}
