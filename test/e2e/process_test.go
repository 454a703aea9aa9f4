//go:build e2e && linux

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// wantConfined checks that a process is a user's, has no capability, and can get none.
func wantConfined(t *testing.T, status string, uid int) {
	t.Helper()
	got := rights(t, status)
	for _, capabilities := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if got[capabilities] != noCapabilities {
			t.Errorf("%s is %s, want none", capabilities, got[capabilities])
		}
	}
	if id := strconv.Itoa(uid); got["NoNewPrivs"] != "1" || !strings.HasPrefix(got["Uid"], id+" ") || !strings.HasPrefix(got["Gid"], id+" ") {
		t.Errorf("NoNewPrivs %s, Uid %s, Gid %s; want 1 and %s", got["NoNewPrivs"], got["Uid"], got["Gid"], id)
	}
}

// rights are the lines of /proc/PID/status about users, groups and capabilities, by name, with single spaces between numbers.
func rights(t *testing.T, status string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd", "NoNewPrivs":
			found[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	if len(found) != 9 {
		t.Fatalf("not the status of a process: %s", status)
	}
	return found
}

const noCapabilities = "0000000000000000"

// wantThreads checks every thread of a process: it is the stranger's, in no other group, without capabilities.
func wantThreads(t *testing.T, pid int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %v: %v", threads, err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		wantRights(t, thread, string(status))
	}
}

func wantRights(t *testing.T, what, status string) {
	t.Helper()
	got := rights(t, status)
	ids := fourTimes(stranger)
	for name, want := range map[string]string{
		"Uid": ids, "Gid": ids, "Groups": "", "CapInh": noCapabilities, "CapPrm": noCapabilities, "CapEff": noCapabilities, "CapAmb": noCapabilities,
	} {
		if got[name] != want {
			t.Errorf("%s: %s is %q, want %q", what, name, got[name], want)
		}
	}
}

// wantUser checks whose a process is.
func wantUser(t *testing.T, pid, uid int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := rights(t, string(status))["Uid"], fourTimes(uid); got != want {
		t.Errorf("Uid is %q, want %q", got, want)
	}
}

// fourTimes is a user as the real, effective, saved and file system user.
func fourTimes(uid int) string {
	return strings.TrimSuffix(strings.Repeat(strconv.Itoa(uid)+" ", 4), " ")
}
