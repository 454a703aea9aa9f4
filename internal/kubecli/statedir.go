package kubecli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
)

// prepareState gives the daemon's directory of the node to the group of the user that the daemon is about to become. The kubelet makes
// it root's, and without CAP_CHOWN root in the pod cannot give it to the user. Files of other users are removed.
func prepareState(c *config.Config) error {
	if os.Geteuid() != 0 {
		return nil
	}
	gid, err := strconv.Atoi(c.Server.User)
	if err != nil || gid == 0 { // pods have no names of users
		return nil //nolint:nilerr // see above
	}
	directory := app.StateDir(c)
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	if err := removeOthers(directory, gid); err != nil {
		return err
	}
	if err := errors.Join(os.Chown(directory, -1, gid), os.Chmod(directory, fs.ModeSticky|0o770)); err != nil {
		return fmt.Errorf("identity.state_dir: %w; the pod's fsGroup must be server.user", err)
	}
	return nil
}

// removeOthers removes what users other than root and uid have in a directory.
func removeOthers(directory string, uid int) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // it is gone
		}
		if owner, known := ownerOf(info); known && owner != uid && owner != 0 {
			if err := os.RemoveAll(filepath.Join(directory, e.Name())); err != nil {
				return fmt.Errorf("identity.state_dir: %w; user %d had it, and server.user is another one now: delete it on the node, as root", err, owner)
			}
		}
	}
	return nil
}
