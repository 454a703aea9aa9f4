package kubecli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

func TestCleanup_EmptiesAndRemovesDirectories(t *testing.T) {
	testutil.IsolateHome(t)
	files, directory := t.TempDir(), t.TempDir()
	testutil.Write(t, filepath.Join(files, "a/b"), "x")
	testutil.Write(t, filepath.Join(files, ".hidden"), "x")
	testutil.Write(t, filepath.Join(directory, "c"), "x")
	for range 2 { // the second finds nothing
		if code, _, stderr := run(t, nil, "cleanup", "--files", files, "--directory", directory); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if left, err := os.ReadDir(files); err != nil || len(left) > 0 {
			t.Errorf("%v are left, %v", left, err)
		}
		if _, err := os.Stat(directory); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left", directory)
		}
	}
	if code, _, stderr := run(t, nil, "cleanup", "--files", filepath.Join(files, "none")); code != 0 {
		t.Errorf("a directory that is not there: exit %d: %s", code, stderr)
	}
}

func TestCleanup_NothingToDoIsAnError(t *testing.T) {
	code, _, stderr := run(t, nil, "cleanup")
	if code != 2 || !strings.HasPrefix(stderr, "mock-ec2-metadata: cleanup: name what to take away; see its help\n") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestCleanup_AwaitNeedsAPod(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	code, _, stderr := run(t, []string{"POD_NAMESPACE=x"}, "cleanup", "--await", "cleanup")
	if code != 1 || !strings.Contains(stderr, "the service account of a pod cannot be read") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// stateOf is a configuration with a state directory and a user.
func stateOf(directory, user string) *config.Config {
	c := new(config.Config)
	c.Identity.StateDir, c.Server.User = directory, user
	return c
}

func TestPrepareState_GivesTheDirectoryToTheGroupOfTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	directory := filepath.Join(t.TempDir(), "state")
	for name, uid := range map[string]int{"ours": 64999, "of root": 0, "of another": 64998} {
		path := testutil.Write(t, filepath.Join(directory, name), "x")
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	if err := prepareState(stateOf(directory, "64999")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(directory)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode != fs.ModeDir|fs.ModeSticky|0o770 {
		t.Errorf("mode %v", mode)
	}
	if uid, _ := ownerOf(info); uid != 0 {
		t.Errorf("owner %d", uid)
	}
	var left []string
	entries, _ := os.ReadDir(directory)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, ", "); got != "of root, ours" {
		t.Errorf("left: %s", got)
	}
}

func TestPrepareState_LeavesOthersAlone(t *testing.T) {
	directory := t.TempDir()
	before, err := os.Stat(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", "0", "nobody"} {
		if err := prepareState(stateOf(directory, user)); err != nil {
			t.Error(err)
		}
	}
	if after, err := os.Stat(directory); err != nil || after.Mode() != before.Mode() {
		t.Errorf("%v, %v", after.Mode(), err)
	}
}
