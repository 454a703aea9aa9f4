//go:build unix

package privileges

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Become makes the process, which is root's, the user's for good, on all threads. Those of files (of a
// directory, the files in it) that the user cannot read stay readable by the one right of root's that is kept, and are
// returned. An error leaves a process that must end.
func (u *User) Become(files []string) ([]string, error) {
	files = regular(files)
	notKept := retainRights()
	if err := u.change(); err != nil {
		return nil, u.failed(err)
	}
	// Only now is it the system that says what the user can read: the rights retained are not in effect yet.
	needed := unreadable(files)
	if len(needed) > 0 {
		if notKept == nil {
			notKept = keepReading()
		}
		if notKept != nil {
			return nil, fmt.Errorf("the user %s (%s) cannot read %s, and the right to do so all the same cannot be kept: %w; let that user read it, or set server.user to root",
				u, u.Reason, strings.Join(needed, ", "), notKept)
		}
	} else if err := dropRights(); err != nil {
		return nil, u.failed(err)
	}
	if err := u.verify(); err != nil {
		return nil, u.failed(err)
	}
	return needed, nil
}

// change is the change itself. Package syscall makes it on all threads.
func (u *User) change() error {
	if err := syscall.Setgroups(settable(u.Groups)); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setgid(u.GID); err != nil {
		return fmt.Errorf("setgid: %w", err)
	}
	if err := syscall.Setuid(u.UID); err != nil {
		return fmt.Errorf("setuid: %w", err)
	}
	return nil
}

// unreadable are those of files that the process has no way to, by its user and its groups.
func unreadable(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(file string) bool { return unix.Access(file, unix.R_OK) == nil })
}

func (u *User) failed(err error) error {
	return fmt.Errorf("cannot become the user %s (%s): %w; start the daemon as that user, or with the capabilities CAP_SETUID and CAP_SETGID, or set server.user to root", u, u.Reason, err)
}

// verify looks whether the process is the user's, and nobody else's.
func (u *User) verify() error {
	groups, err := syscall.Getgroups()
	if err != nil {
		return fmt.Errorf("getgroups: %w", err)
	}
	foreign := func(gid int) bool { return gid != u.GID && !slices.Contains(u.Groups, gid) }
	switch {
	case os.Getuid() != u.UID || os.Geteuid() != u.UID:
		return fmt.Errorf("setuid has left the user %d, in effect %d", os.Getuid(), os.Geteuid())
	case os.Getgid() != u.GID || os.Getegid() != u.GID:
		return fmt.Errorf("setgid has left the group %d, in effect %d", os.Getgid(), os.Getegid())
	case slices.ContainsFunc(groups, foreign):
		return fmt.Errorf("setgroups has left the groups %v", groups)
	case syscall.Setuid(0) == nil:
		return errors.New("setuid 0 has made it root again")
	}
	return nil
}

// settable are as many groups as the system takes, which elsewhere than on Linux is 16.
func settable(groups []int) []int {
	const most = 16
	if runtime.GOOS != "linux" && len(groups) > most {
		return groups[:most]
	}
	return groups
}

// owner is the user that owns a file, behind links.
func owner(path string) (uid int, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
