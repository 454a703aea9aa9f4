//go:build !unix

package server

import "net"

// Inherit finds no service manager here that opens sockets.
func Inherit() ([]net.Listener, error) { return nil, nil }
