//go:build unix

package credentials

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// private fails if another user owns a file, or has one of the rights of a mode.
func private(info fs.FileInfo, others fs.FileMode) error {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int64(s.Uid) != int64(os.Geteuid()) {
		return errors.New("it belongs to another user")
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("other users have rights on it (mode %04o)", mode)
	}
	return nil
}
