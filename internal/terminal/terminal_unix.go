//go:build unix

package terminal

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Foreground tells whether f is a terminal of which this process is in the foreground. The system stops a background process
// that reads its terminal.
func Foreground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// IgnoreStop makes a read of the terminal fail when the process has been put into the background. Otherwise the system
// would stop the process.
func IgnoreStop() { signal.Ignore(unix.SIGTTIN) }
