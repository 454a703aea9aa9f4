//go:build unix

package control

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the lock of a file, without waiting; false if another process or open file has it. It ends with the open file, also when
// the process is killed.
func lock(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
