//go:build unix

package cli

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"mock-ec2-metadata/internal/terminal"
)

// forwarded are the signals that the command of exec gets, except those that are ignored: the command ignores them too.
func forwarded() []os.Signal {
	all := []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	return slices.DeleteFunc(all, signal.Ignored)
}

// sentToAll tells whether the command has got a signal already: a terminal's keys send it to all processes in the foreground.
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
