//go:build !linux

package imds

import (
	"errors"
	"net"
)

// setHopLimit is never reached: the configuration refuses a hop limit here.
func setHopLimit(net.Conn, int) error { return errors.New("a hop limit takes Linux") }
