// Package privileges makes a process that was started as root the process of another user, for good: which user that is, which
// variables of the environment were root's, and the change itself, on every thread.
package privileges

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// User is the user to become.
type User struct {
	Name     string // "" without an account
	UID, GID int
	Groups   []int  // supplementary ones
	Home     string // "" when it is not known
	Reason   string // why this one, e.g. "server.user"
}

// String is the user's name and number, for messages.
func (u *User) String() string {
	if u.Name == "" {
		return strconv.Itoa(u.UID)
	}
	return fmt.Sprintf("%s (%d)", u.Name, u.UID)
}

// KeepGroupOf lets the user keep the group of a file, such as a socket, if this process was started with that group: by docker
// run --group-add, or systemd's SupplementaryGroups. It gives no group that the process does not have, and never root's.
func (u *User) KeepGroupOf(path string) {
	if gid, known := groupOf(path); known {
		u.keepGroup(gid, ownGroups())
	}
}

func (u *User) keepGroup(gid int, own []int) {
	if gid != 0 && slices.Contains(own, gid) && !slices.Contains(u.Groups, gid) {
		u.Groups = append(u.Groups, gid)
	}
}

// AdoptEnvironment replaces root's values in the environment by the user's: HOME, unless it was set on purpose, and
// XDG_RUNTIME_DIR, which belongs to one user (XDG Base Directory Specification).
func (u *User) AdoptEnvironment() error {
	return u.adoptEnvironment(thisMachine())
}

func (u *User) adoptEnvironment(m machine) error {
	if dir := m.getenv("XDG_RUNTIME_DIR"); dir != "" {
		if uid, known := m.owner(dir); !known || uid != u.UID {
			if err := os.Unsetenv("XDG_RUNTIME_DIR"); err != nil {
				return err
			}
		}
	}
	if better := u.homeToUse(m); better != m.getenv("HOME") {
		return os.Setenv("HOME", better)
	}
	return nil
}

// HomeToUse returns the HOME that AdoptEnvironment sets.
func (u *User) HomeToUse() string { return u.homeToUse(thisMachine()) }

func (u *User) homeToUse(m machine) string {
	roots := "/root"
	if root, err := m.byID("0"); err == nil {
		roots = root.HomeDir
	}
	return u.home(m.getenv("HOME"), roots, m.getenv("SUDO_UID") != "")
}

// home is the home to use: the current one, or the user's own if that is more likely to be meant. sudo sets HOME to root's home.
// Otherwise HOME was set on purpose, unless it has no profiles and the user's home has.
func (u *User) home(current, roots string, underSudo bool) string {
	rootsOwn := current == "" || current == roots
	move := false
	switch {
	case u.Home == "":
	case current == "" || !isDir(profiles(current)):
		move = isDir(profiles(u.Home)) || rootsOwn && isDir(u.Home)
	case rootsOwn && underSudo:
		move = isDir(profiles(u.Home))
	}
	if move {
		return u.Home
	}
	return current
}

// profiles is the directory of AWS's profile files in a home.
func profiles(home string) string { return filepath.Join(home, ".aws") }

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// regular are the absolute paths of the regular files among files, and of those in directories among them.
func regular(files []string) []string {
	var found []string
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			continue
		}
		paths := []string{abs}
		entries, _ := os.ReadDir(abs) // none of what is no directory
		for _, e := range entries {
			paths = append(paths, filepath.Join(abs, e.Name()))
		}
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !slices.Contains(found, path) {
				found = append(found, path)
			}
		}
	}
	return found
}
