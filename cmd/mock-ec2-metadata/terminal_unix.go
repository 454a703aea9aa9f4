//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// interactive says whether f is the terminal of somebody who can type an answer: a process in the background would be
// stopped for reading.
func interactive(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
