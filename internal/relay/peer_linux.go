package relay

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// trusted tells whether root or this process's own user is at the other end of a connection (unix(7), SO_PEERCRED).
func trusted(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return err == nil && credErr == nil && mayConnect(int(cred.Uid), os.Geteuid())
}

// mayConnect tells whether a user may connect to a Hub that runs as own.
func mayConnect(uid, own int) bool { return uid == 0 || uid == own }
