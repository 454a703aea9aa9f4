//go:build !unix

package server

import "net"

// Inherit returns none: no service manager opens sockets here.
func Inherit() ([]net.Listener, error) { return nil, nil }
