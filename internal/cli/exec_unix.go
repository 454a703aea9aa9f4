//go:build unix

package cli

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"mock-ec2-metadata/internal/terminal"
)

// passedOn are the signals that a command of exec gets, but for those that are ignored, which it ignores as well.
func passedOn() []os.Signal {
	all := []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	return slices.DeleteFunc(all, signal.Ignored)
}

// sentToAll says that the command has got a signal already: the keys of a terminal send it to the whole foreground.
func sentToAll(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer func() { _ = tty.Close() }()
	return terminal.Foreground(tty)
}
