package identity

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// keep opens and keeps the secret in dir, and returns it with what was logged.
func keep(dir string) (*Secret, string) {
	log := &syncBuffer{}
	return OpenSecret(dir).Keep(logger(log)), log.String()
}

func TestSecret_RestartKeepsIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	first, log := keep(dir)
	if log != "" || len(first.Key()) != 32 {
		t.Errorf("%d bytes, logged %s", len(first.Key()), log)
	}
	opened := OpenSecret(dir)
	if kept, log := keep(dir); !bytes.Equal(kept.Key(), first.Key()) || !bytes.Equal(opened.Key(), first.Key()) || log != "" {
		t.Errorf("another secret after a restart, logged %s", log)
	}
}

func TestSecret_OneFileForTheUserOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	keep(dir)
	for _, tt := range []struct {
		name string
		mode os.FileMode
	}{
		{"", 0o700 | os.ModeDir},
		{secretFile, 0o600},
	} {
		if info, err := os.Stat(filepath.Join(dir, tt.name)); err != nil || info.Mode() != tt.mode {
			t.Errorf("%q has mode %v, want %v (%v)", tt.name, info.Mode(), tt.mode, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files left: %v", entries)
	}
}

func TestOpenSecret_WritesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	first, second := OpenSecret(dir), OpenSecret(dir)
	if bytes.Equal(first.Key(), second.Key()) {
		t.Error("the same secret twice, without a file")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s was made (%v)", dir, err)
	}
}

func TestSecret_DaemonsThatStartTogetherShareIt(t *testing.T) {
	dir := t.TempDir()
	const daemons = 16
	var secrets [daemons]*Secret
	for i := range secrets {
		secrets[i] = OpenSecret(dir) // none is saved yet
	}
	var starting sync.WaitGroup
	for i := range secrets {
		starting.Go(func() { secrets[i] = secrets[i].Keep(slog.New(slog.DiscardHandler)) })
	}
	starting.Wait()
	for i, s := range secrets {
		if !bytes.Equal(s.Key(), secrets[0].Key()) {
			t.Errorf("daemon %d has another secret", i)
		}
	}
	if after, _ := keep(dir); !bytes.Equal(after.Key(), secrets[0].Key()) {
		t.Error("another secret in the file")
	}
}

func TestSecret_UnusableFileIsReplaced(t *testing.T) {
	const whole = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
	for _, tt := range []struct {
		name string
		text string
		mode os.FileMode
		want string
	}{
		{name: "empty", mode: 0o600, want: "it is damaged: 0 bytes instead of 65"},
		{name: "truncated", text: whole[:40], mode: 0o600, want: "it is damaged: 40 bytes instead of 65"},
		{name: "longer", text: whole + whole, mode: 0o600, want: "it is damaged: 130 bytes instead of 65"},
		{name: "no digits", text: "x" + whole[1:], mode: 0o600, want: "it is damaged: it does not hold 64 hexadecimal digits"},
		{name: "no line end", text: whole[:64] + "0", mode: 0o600, want: "it is damaged: it does not hold 64 hexadecimal digits"},
		{name: "zero bytes", text: strings.Repeat("\x00", 65), mode: 0o600, want: "it is damaged: it does not hold 64 hexadecimal digits"},
		{name: "readable by the group", text: whole, mode: 0o640, want: "other users could read it: mode 0640 instead of 0600"},
		{name: "readable by all", text: whole, mode: 0o644, want: "other users could read it: mode 0644 instead of 0600"},
		{name: "writable by all", text: whole, mode: 0o622, want: "other users could read it: mode 0622 instead of 0600"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && tt.mode != 0o600 {
				t.Skip("no file modes")
			}
			dir := t.TempDir()
			file := testutil.Write(t, filepath.Join(dir, secretFile), tt.text)
			if err := os.Chmod(file, tt.mode); err != nil {
				t.Fatal(err)
			}
			first, log := keep(dir)
			want := fmt.Sprintf("level=WARN msg=\"replaced the secret of session tokens\" file=%s error=%q hint=%q\n", file, tt.want,
				"tokens from before are not valid; clients that get 401 ask for new ones")
			if log != want {
				t.Errorf("logged %swant %s", log, want)
			}
			if hex.EncodeToString(first.Key())+"\n" == whole {
				t.Error("the secret of the file is used")
			}
			if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
				t.Errorf("the new file: %v, %v", info, err)
			}
			if second, log := keep(dir); !bytes.Equal(second.Key(), first.Key()) || log != "" {
				t.Errorf("another secret after a restart, logged %s", log)
			}
		})
	}
}

// A file mode would not prevent root from reading and writing, so that other kinds of files take its place.
func TestSecret_WithoutAFileItEndsWithTheDaemon(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T) (dir string)
		want string
	}{
		{"no home", func(*testing.T) string { return "" }, "no home directory"},
		{"file as directory", func(t *testing.T) string { return testutil.WriteTemp(t, "file", "") }, "not a directory"},
		{"directory as file", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, secretFile), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "is not a regular file"},
		{"dangling link", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Symlink("nowhere", filepath.Join(dir, secretFile)); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", "")
			t.Setenv("HOME", "")
			dir := tt.make(t)
			opened := OpenSecret(dir)
			log := &syncBuffer{}
			if kept := opened.Keep(logger(log)); kept != opened {
				t.Error("another secret")
			}
			want := fmt.Sprintf("level=WARN msg=\"session tokens will end with the daemon\" file=%s error=%q hint=%q\n", filepath.Join(dir, secretFile), tt.want,
				"to have them survive a restart, set identity.state_dir to a directory that the daemon's user alone can read and write")
			if log.String() != want {
				t.Errorf("logged %swant %s", log, want)
			}
			if other := OpenSecret(dir); bytes.Equal(other.Key(), opened.Key()) {
				t.Error("the same secret in another process")
			}
		})
	}
}

func TestSecret_IsNeverPrinted(t *testing.T) {
	s, _ := keep(t.TempDir())
	state := struct{ Secret *Secret }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, value := range []any{s, state, &state} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, hex.EncodeToString(s.Key())) || strings.Contains(text, fmt.Sprintf("%d", s.Key())) || strings.Contains(text, fmt.Sprintf("%#v", s.Key())) {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
}
