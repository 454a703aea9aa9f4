package privileges

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// readerVariable makes a process that only says which of these files it cannot read.
const readerVariable = "PRIVILEGES_TEST_FILES"

func TestMain(m *testing.M) {
	if files := os.Getenv(readerVariable); files != "" {
		_, _ = os.Stdout.WriteString(strings.Join(unreadable(filepath.SplitList(files)), "\n"))
		return
	}
	os.Exit(m.Run())
}

// TestUnreadable asks a process that is not root's.
func TestUnreadable(t *testing.T) {
	const reader = 65534
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	modes := map[string]os.FileMode{
		"for all": 0o644, "for nobody": 0,
		"open/for all": 0o644, "closed/for all": 0o644, "unlisted/for all": 0o644,
	}
	for name, mode := range modes {
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link to all": "for all", "link to nobody": "for nobody", "link through closed": "closed/for all"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"for all", "for nobody", "open/for all", "closed/for all", "unlisted/for all", "link to all", "link to nobody", "link through closed"}
	want := []string{"for nobody", "closed/for all", "link to nobody", "link through closed"}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe") // where another user may have no way to
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: reader, Gid: reader}}
		for name, mode := range map[string]os.FileMode{"for its group": 0o640, "for root's group": 0o640, "for root": 0o600} {
			if err := errors.Join(os.WriteFile(at(name), nil, mode), os.Chmod(at(name), mode)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(at("for its group"), 0, reader); err != nil {
			t.Fatal(err)
		}
		names = append(names, "for its group", "for root's group", "for root")
		want = append(want, "for root's group", "for root")
	}
	for name, mode := range map[string]os.FileMode{"closed": 0, "unlisted": 0o711} {
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(at("closed"), 0o700) })

	for i := range names {
		names[i] = at(names[i])
	}
	for i := range want {
		want[i] = at(want[i])
	}
	cmd.Env = []string{readerVariable + "=" + strings.Join(names, string(filepath.ListSeparator))}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(string(out), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", out, strings.Join(want, "\n"))
	}
}

func TestKeepGroup_OnlyOneThatTheProcessHasAndNotRoots(t *testing.T) {
	for _, test := range []struct {
		name  string
		group int
		want  []int
	}{
		{"the process has it", 998, []int{27, 998}},
		{"the user has it anyway", 27, []int{27}},
		{"the process does not have it", 999, []int{27}},
		{"root's", 0, []int{27}},
	} {
		u := &User{UID: 1000, GID: 1000, Groups: []int{27}}
		u.keepGroup(test.group, []int{0, 27, 998})
		if !slices.Equal(u.Groups, test.want) {
			t.Errorf("%s: groups %v, want %v", test.name, u.Groups, test.want)
		}
	}
}

func TestKeepGroupOf_ReadsTheGroupOfTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "socket")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if gid, known := groupOf(file); !known || gid != os.Getegid() {
		t.Errorf("group %d, %v; want that of the process, %d", gid, known, os.Getegid())
	}
	u := &User{}
	u.KeepGroupOf(filepath.Join(t.TempDir(), "missing"))
	if len(u.Groups) > 0 {
		t.Errorf("a missing file gives the groups %v", u.Groups)
	}
}
