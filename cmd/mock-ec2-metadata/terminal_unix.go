//go:build unix

package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// interactive says whether f is the terminal of somebody who can type an answer: a process in the background would be
// stopped for reading.
func interactive(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// neverStop lets a read of the terminal fail when the process has been put into the background, where it would be stopped,
// and all clients with it.
func neverStop() { signal.Ignore(unix.SIGTTIN) }
