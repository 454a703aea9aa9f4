//go:build unix

package server

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Inherit takes over the listeners that the service manager has opened for this process, if any (sd_listen_fds(3)). It
// unsets the variables of that protocol, so that no child uses them.
func Inherit() ([]net.Listener, error) {
	var inherited []net.Listener
	var failed error
	for _, f := range activation.Files(true) {
		l, err := listenerOf(f)
		_ = f.Close() // l has a duplicate
		if err == nil {
			inherited = append(inherited, l)
		} else if failed == nil {
			failed = fmt.Errorf("the service manager has handed over %s, which %w; write the socket unit with ListenStream=ADDRESS:PORT and without Accept=yes",
				f.Name(), err)
		}
	}
	if failed != nil {
		for _, l := range inherited {
			_ = l.Close()
		}
		return nil, failed
	}
	return inherited, nil
}

// listenerOf returns the listener of a file. Its error says what the file is, if it is not a listening TCP socket.
func listenerOf(f *os.File) (*net.TCPListener, error) {
	listening, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, fmt.Errorf("is no socket (%w)", err)
	}
	if listening == 0 {
		return nil, errors.New("is a socket that does not listen")
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("is a socket of another kind than TCP (%w)", err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		network := l.Addr().Network()
		_ = l.Close()
		return nil, fmt.Errorf("is a %s socket", network)
	}
	return tcp, nil
}
