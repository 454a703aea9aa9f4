//go:build !linux

package relay

import "net"

// trusted leaves it to the modes of the socket and its directory. Pods of other systems are not supported.
func trusted(*net.UnixConn) bool { return true }
