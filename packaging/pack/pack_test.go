package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// commit is the time of the release's commit.
const commit = 1796040000

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// zipped is a zip archive, which pack makes, of files that were written just now.
func zipped(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "program_1/program.exe"), strings.Repeat("code ", 1000), 0o700)
	write(t, filepath.Join(dir, "program_1/a/page"), "text", 0o600)
	out := filepath.Join(dir, "out.zip")
	if err := run([]string{"zip", "-epoch", strconv.Itoa(commit), "-out", out, filepath.Join(dir, "program_1")}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestZip_HasAllFilesAtTheTimeOfTheCommit(t *testing.T) {
	content := zipped(t)
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range archive.File {
		if f.Modified.Unix() != commit {
			t.Errorf("%s is of %s; want %s", f.Name, f.Modified, time.Unix(commit, 0).UTC())
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Mode().String()+" "+f.Name+" "+string(text[:min(len(text), 4)]))
	}
	want := []string{"drwxr-xr-x program_1/ ", "drwxr-xr-x program_1/a/ ", "-rw------- program_1/a/page text", "-rwx------ program_1/program.exe code"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(content) > 2000 {
		t.Errorf("%d bytes; want it compressed", len(content))
	}
}

func TestZip_TwiceGivesTheSameBytes(t *testing.T) {
	if !bytes.Equal(zipped(t), zipped(t)) {
		t.Error("two archives of the same files differ")
	}
}

// member is one of an ar archive, padded to an even length.
func member(name, content string) string {
	text := fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", name, 0, 0, 0, "100644", len(content), content)
	return text + strings.Repeat("\n", len(content)%2)
}

func TestDeb_WhatIsNoneIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"another file":   {"PK", "no ar archive; give a deb"},
		"cut header":     {arMagic + "debian-binary", "ends in a header"},
		"cut content":    {(arMagic + member("data.tar", "text"))[:70], `member "data.tar        ": wrong size`},
		"no size":        {strings.Replace(arMagic+member("data.tar", "text"), "4         `", "x         `", 1), "wrong size"},
		"compressed one": {arMagic + member("debian-binary", "2.0\n") + member("data.tar.gz", "odd"), "no data.tar; make it with compression: none"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.deb")
			write(t, path, test.content, 0o600)
			if err := run([]string{"deb", path}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want %s", err, test.want)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != test.content {
				t.Errorf("the file was changed to %q, %v", left, err)
			}
		})
	}
}

func TestPack_WrongArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"tar"}, {"deb"}, {"zip", "-out", "x", "y"}, {"zip", "-epoch", "1", "y"}, {"zip", "-epoch", "1", "-out", "x"}} {
		if err := run(args); !errors.Is(err, errUsage) {
			t.Errorf("%v: error %v", args, err)
		}
	}
}
