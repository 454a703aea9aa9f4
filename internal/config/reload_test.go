package config

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// loadDefaultFile loads conf/config.yaml in a new working directory.
func loadDefaultFile(t *testing.T, content string) *Loaded {
	t.Helper()
	t.Chdir(t.TempDir())
	testutil.Write(t, DefaultFile, content)
	loaded, err := Load(Sources{})
	must(t, err)
	return loaded
}

// loadEmbedded loads the embedded default in a new working directory.
func loadEmbedded(t *testing.T, set ...string) *Loaded {
	t.Helper()
	t.Chdir(t.TempDir())
	loaded, err := Load(Sources{Set: set})
	must(t, err)
	return loaded
}

func expectReloadError(t *testing.T, l *Loaded, want string) {
	t.Helper()
	_, err := l.Reload()
	expectError(t, err, want)
}

func TestLoaded_NameIsThePathRead(t *testing.T) {
	if got := loadDefaultFile(t, "ec2: {}").Name(); got != DefaultFile {
		t.Errorf("got %s", got)
	}
	if got := loadEmbedded(t).Name(); got != "embedded default" {
		t.Errorf("got %s", got)
	}
}

func TestWatchFiles_AreTheConfigurationAndTheFilesItNames(t *testing.T) {
	t.Chdir(t.TempDir())
	testutil.Write(t, DefaultFile, "ec2: {user_data_file: ../data}")
	testutil.Write(t, "data", "x")
	l, err := Load(Sources{})
	must(t, err)
	data, err := filepath.Abs("data")
	must(t, err)
	if got, want := l.WatchFiles(), []string{DefaultFile, data}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWatchFiles_OfEmbeddedDefaultAreTheDefaultFile(t *testing.T) {
	if got, want := loadEmbedded(t).WatchFiles(), []string{DefaultFile}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReload_ReadsTheFileAgain(t *testing.T) {
	l := loadDefaultFile(t, "log: {level: warn}")
	testutil.Write(t, DefaultFile, "log: {level: error}")
	l, err := l.Reload()
	if err != nil || l.Config.Log.Level != "error" {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestReload_KeepsEnvironmentAndFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	src := Sources{
		File: testutil.WriteTemp(t, "config.yaml", "{}"), Environ: []string{"MOCK_EC2_METADATA__LOG__LEVEL=warn"},
		Set: []string{"log.format=json"}, Options: []Option{{"--listen", "server.listen", "127.0.0.1:1"}},
	}
	l, err := Load(src)
	must(t, err)
	if l, err = l.Reload(); err != nil {
		t.Fatal(err)
	}
	if c := l.Config; c.Log.Level != "warn" || c.Log.Format != "json" || c.Server.Listen[0] != "127.0.0.1:1" {
		t.Errorf("got %+v", c)
	}
}

func TestReload_RefusesFileThatDisappeared(t *testing.T) {
	l := loadDefaultFile(t, "{}")
	must(t, os.Remove(DefaultFile))
	expectReloadError(t, l, DefaultFile+": no such file; copy conf/sample-config.yaml there and change it, or name another file with --config or MOCK_EC2_METADATA_CONFIG")
}

func TestReload_ReadsDefaultFileThatAppeared(t *testing.T) {
	l := loadEmbedded(t)
	testutil.Write(t, DefaultFile, "log: {level: error}")
	l, err := l.Reload()
	if err != nil || l.Name() != DefaultFile || l.Config.Log.Level != "error" {
		t.Fatalf("got %+v, %v", l, err)
	}
	must(t, os.Remove(DefaultFile))
	if _, err := l.Reload(); err == nil {
		t.Error("the embedded default came back")
	}
}

func TestReload_RefusesFileThatHasBecomeEmpty(t *testing.T) {
	l := loadDefaultFile(t, "log: {level: warn}")
	testutil.Write(t, DefaultFile, "# nothing yet\n")
	expectReloadError(t, l, DefaultFile+": has become empty; restart if that is meant")
}

func TestReload_AcceptsFileThatWasEmptyBefore(t *testing.T) {
	l := loadDefaultFile(t, "")
	if _, err := l.Reload(); err != nil {
		t.Error(err)
	}
}

func TestReload_RefusesNamedPipe(t *testing.T) {
	l := loadDefaultFile(t, "{}")
	must(t, os.Remove(DefaultFile))
	must(t, syscall.Mkfifo(DefaultFile, 0o600))
	expectReloadError(t, l, DefaultFile+": not a regular file, so it cannot be read again")
}
