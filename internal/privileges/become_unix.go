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

// Become makes the process the user's for good, on all threads, without any of root's rights. It fails if the user cannot read
// one of files (of a directory, the files in it): the process must end then.
func (u *User) Become(files []string) error {
	files = regular(files)
	if err := u.change(); err != nil {
		return u.failed(err)
	}
	if err := u.verify(); err != nil {
		return u.failed(err)
	}
	if closed := unreadable(files); len(closed) > 0 {
		return fmt.Errorf("the user %s (%s) cannot read %s; let that user read it, or set server.user to another user, or to root",
			u, u.Reason, strings.Join(closed, ", "))
	}
	return nil
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

// unreadable are those of files that the user and groups of the process cannot read.
func unreadable(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(file string) bool { return unix.Access(file, unix.R_OK) == nil })
}

func (u *User) failed(err error) error {
	return fmt.Errorf("cannot become the user %s (%s): %w; start the daemon as that user, or with the capabilities CAP_SETUID and CAP_SETGID, or set server.user to root", u, u.Reason, err)
}

// verify checks that the process has the user's ids only, and cannot become root again.
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

// groupOf is the group of a file, behind links.
func groupOf(path string) (gid int, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Gid), true
}

// ownGroups are the supplementary groups of this process; none if they cannot be read.
func ownGroups() []int {
	groups, _ := syscall.Getgroups()
	return groups
}
