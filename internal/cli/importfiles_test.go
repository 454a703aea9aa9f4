package cli

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestImport_OutputOverASymlink(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	target := testutil.Write(t, filepath.Join(dir, "target.yaml"), "mine: true\n")
	link := func(name, to string) string {
		name = filepath.Join(dir, name)
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	tests := []struct {
		name, output, stderr string
		force                bool
	}{
		{"to a file, not forced", link("a.yaml", target), ": exists; choose another name, or replace it with --force", false},
		{"to nothing, not forced", link("b.yaml", filepath.Join(dir, "none")), ": exists; choose another name, or replace it with --force", false},
		{"to a socket, as /dev/stdout", link("c.yaml", socket), ": is not a regular file; choose another name", true},
		{"to a directory", link("d.yaml", dir), ": is not a regular file; choose another name", true},
		{"to a file, forced", link("e.yaml", target), "", true},
		{"to nothing, forced", link("f.yaml", filepath.Join(dir, "none")), "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"--quiet", "--output", tt.output}
			if tt.force {
				args = append(args, "--force")
			}
			code, _, stderr := runImportCommand(t, args...)
			info, err := os.Lstat(tt.output)
			if err != nil {
				t.Fatal(err)
			}
			replaced := info.Mode().IsRegular() && info.Mode().Perm() == 0o600
			if tt.stderr == "" && (code != 0 || stderr != "" || !replaced) {
				t.Errorf("exit %d, %q, mode %s", code, stderr, info.Mode())
			}
			if tt.stderr != "" && (code != 1 || stderr != "mock-ec2-metadata: "+tt.output+tt.stderr+"\n" || replaced) {
				t.Errorf("exit %d, %q, mode %s", code, stderr, info.Mode())
			}
		})
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "mine: true\n" {
		t.Errorf("the target of the links has %q, %v", got, err)
	}
}

// fullFile fails as a file on a full disk.
type fullFile struct {
	bytes.Buffer
	write, sync, close error
	closed             bool
}

func (f *fullFile) Write(text []byte) (int, error) {
	if f.write != nil {
		n, _ := f.Buffer.Write(text[:len(text)/2])
		return n, f.write
	}
	return f.Buffer.Write(text)
}
func (f *fullFile) Sync() error  { return f.sync }
func (f *fullFile) Close() error { f.closed = true; return f.close }

func TestWriteBeside_TellsThatTheDiskIsFull(t *testing.T) {
	full := syscall.ENOSPC
	for name, f := range map[string]*fullFile{"write": {write: full}, "sync": {sync: full}, "close": {close: full}, "all": {write: full, sync: io.ErrClosedPipe, close: io.ErrClosedPipe}} {
		if err := writeBeside(f, []byte("text")); !errors.Is(err, full) || !f.closed {
			t.Errorf("%s: %v, closed %v", name, err, f.closed)
		}
	}
	f := &fullFile{}
	if err := writeBeside(f, []byte("text")); err != nil || f.String() != "text" || !f.closed {
		t.Errorf("%v, %q", err, f.String())
	}
}

func TestImport_FullStandardOutputFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("only Linux has /dev/full")
	}
	defer func() { _ = full.Close() }()
	var stderr bytes.Buffer
	code := Run(t.Context(), Process{Args: []string{"import", "--quiet"}, Stdin: strings.NewReader(oneInstance), Stdout: full, Stderr: &stderr})
	if want := "mock-ec2-metadata: standard output: cannot be written: no space left on device\n"; code != 1 || stderr.String() != want {
		t.Errorf("exit %d, %q, want %q", code, stderr.String(), want)
	}
}

// TestImport_OutputThatCannotBeWrittenLeavesNothing has a name that is too long for the file system.
func TestImport_OutputThatCannotBeWrittenLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, strings.Repeat("x", 300))
	code, stdout, stderr := runImportCommand(t, "--quiet", "--output", name)
	if want := "mock-ec2-metadata: " + name + ": cannot be written: file name too long\n"; code != 1 || stdout != "" || stderr != want {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestReplaceBy_RefusesWhatCameMeanwhile(t *testing.T) {
	dir := t.TempDir()
	beside := testutil.Write(t, filepath.Join(dir, ".config.yaml-1"), "new: true\n")
	name := testutil.Write(t, filepath.Join(dir, "config.yaml"), "mine: true\n")
	if err := replaceBy(beside, name, false); err == nil || err.Error() != name+": exists; choose another name, or replace it with --force" {
		t.Errorf("%v", err)
	}
	if err := replaceBy(filepath.Join(dir, "none"), name, true); err == nil || err.Error() != name+": cannot be written: no such file or directory" {
		t.Errorf("%v", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "mine: true\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReadInput_IsBounded(t *testing.T) {
	name := testutil.Write(t, filepath.Join(t.TempDir(), "in.json"), "12345")
	for from, want := range map[string]string{"-": "standard input", name: name} {
		if in, err := readInput(strings.NewReader("12345"), from, 5); err != nil || in.Name != want || string(in.Content) != "12345" {
			t.Errorf("%s: %+v, %v", from, in, err)
		}
		if _, err := readInput(strings.NewReader("12345"), from, 4); err == nil || err.Error() != want+": more than 256 MiB; import fewer instances at a time" {
			t.Errorf("%s: %v", from, err)
		}
	}
}

// TestImport_NotesAreOneLineEach has a name that would look like a note of its own, and one that would clear a terminal.
func TestImport_NotesAreOneLineEach(t *testing.T) {
	const input = `{"InstanceId": "i-0123456789abcdef1", "PrivateIpAddress": "10.0.0.11", "NetworkInterfaces": [{"Status": "available",
		"NetworkInterfaceId": "eni-1\nimport: i-0123456789abcdef1: lost: all\u001b[2J"}]}`
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), Process{Args: []string{"import"}, Stdin: strings.NewReader(input), Stdout: &stdout, Stderr: &stderr})
	const want = "import: i-0123456789abcdef1: skipped: NetworkInterfaces: eni-1 import: i-0123456789abcdef1: lost: all\ufffd[2J is available\n"
	if code != 0 || stderr.String() != want {
		t.Errorf("exit %d, %q, want %q", code, stderr.String(), want)
	}
}
