package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUID is the user at the other end of a connection (unix(7), SO_PEERCRED); false when it cannot be told.
func peerUID(c *net.UnixConn) (int, bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || credErr != nil {
		return 0, false
	}
	return int(cred.Uid), true
}
