//go:build linux

package kubetest

import (
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Within calls f on a thread that is inside the network namespace of a file. Sockets that f makes stay there.
func Within(file string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // without Unlock: the thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open(file)
			if err != nil {
				return err
			}
			defer func() { _ = ns.Close() }()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		}()
	}()
	return <-done
}

// Listen makes a TCP listener of this process inside a network namespace; "" is its own.
func Listen(file, address string) (l net.Listener, err error) {
	if file == "" {
		return net.Listen("tcp", address)
	}
	err = Within(file, func() error { l, err = net.Listen("tcp", address); return err })
	return l, err
}
