//go:build !linux && !darwin

package control

import (
	"net"
	"os"
)

// peerUID trusts the mode of the directory where the system does not tell the peer.
func peerUID(*net.UnixConn) (int, bool) { return os.Geteuid(), true }
