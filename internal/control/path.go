package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Values of server.control other than a path.
const (
	Auto = "auto"
	Off  = "off"
)

// maxPath is how long the path of a Unix socket can be, in bytes, on every system that we build for (unix(4) of macOS).
const maxPath = 103

// writableHint is the fix for a place that cannot be written.
const writableHint = "set server.control to a path that the daemon's user can write"

const (
	folder    = "mock-ec2-metadata"
	suffix    = ".sock"
	runFolder = "/run"
)

// Directory is where this process puts its sockets: in XDG_RUNTIME_DIR if that is set (XDG Base Directory Specification), for
// root in /run, otherwise in the temporary directory.
func Directory() string {
	uid := os.Geteuid()
	if base := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(base) {
		return filepath.Join(base, folder)
	}
	if uid == 0 {
		return filepath.Join(runFolder, folder)
	}
	return temporaryDirectory(uid)
}

// PagePattern matches the files in Directory that lead a browser to the console; * is any text.
const PagePattern = "console-*.html"

// PrivateDirectory is Directory, which it makes if need be, for this user alone.
func PrivateDirectory() (string, error) {
	dir := Directory()
	return dir, makePrivate(dir)
}

// removePages removes pages that lead to the console of a daemon that has ended. Pages of other daemons there keep the directory.
func removePages(dir string) {
	if len(listening(dir)) > 0 {
		return
	}
	pages, _ := filepath.Glob(filepath.Join(dir, PagePattern))
	for _, page := range pages {
		_ = os.Remove(page) //nolint:gosec // in the directory of the daemon's own socket
	}
}

// temporaryDirectory has the uid in its name, since all users share the temporary directory.
func temporaryDirectory(uid int) string {
	return filepath.Join(os.TempDir(), folder+"-"+strconv.Itoa(uid))
}

// directories are all places where a daemon that this user controls may have its socket.
func directories() []string {
	uid := os.Geteuid()
	dirs := []string{Directory()}
	for _, dir := range []string{
		filepath.Join(runFolder, "user", strconv.Itoa(uid), folder), // XDG_RUNTIME_DIR of a login session
		filepath.Join(runFolder, folder), temporaryDirectory(uid),
	} {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// trusted tells whether only root and this user can make sockets in a directory. Another user could put a socket of theirs
// into any other, and would get the MFA code. Below /run only root makes directories, for the users of its daemons.
func trusted(dir string) bool {
	info, err := os.Lstat(dir) //nolint:gosec // it judges the directory
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	uid := os.Geteuid()
	return ownedBy(info, uid) || uid == 0 && filepath.Dir(dir) == runFolder
}

// Prepare makes a directory of sockets and gives it to a user. Root calls it before it becomes that user, who could not make
// a directory in /run. While a daemon of another user listens there, the directory stays that user's. On an error Prepare
// leaves no directory of root's behind: the user could not use it.
func Prepare(dir string, uid, gid int) error {
	if err := makePrivate(dir); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !ownedBy(info, uid) && len(listening(dir)) > 0 {
		return anothersDirectory(dir)
	}
	if err := os.Lchown(dir, uid, gid); err != nil { // in a container, root may lack CAP_CHOWN
		return errors.Join(err, os.Remove(dir))
	}
	return nil
}

func anothersDirectory(dir string) error {
	return fmt.Errorf("%s belongs to another user; set server.control to a path of your own", dir)
}

// makePrivate makes a directory of mode 0700. One that is there must be a directory of this user's, so that another user cannot
// put one in its place. Root may use everybody's.
func makePrivate(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil { //nolint:gosec // XDG_RUNTIME_DIR is the user's to set
		return fmt.Errorf("%w; %s", err, writableHint)
	}
	err := os.Mkdir(dir, 0o700) //nolint:gosec // likewise
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; %s", err, writableHint)
	}
	info, err := os.Lstat(dir) //nolint:gosec // likewise
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory; remove it", dir)
	case os.Geteuid() != 0 && !ownedBy(info, os.Geteuid()):
		return anothersDirectory(dir)
	}
	return os.Chmod(dir, 0o700) //nolint:gosec // a directory needs the x bit
}
