//go:build !linux

package imds

import (
	"errors"
	"net"
)

// setHopLimit is not called: the configuration allows a hop limit on Linux only.
func setHopLimit(net.Conn, int) error { return errors.New("cannot set the hop limit: not Linux") }
