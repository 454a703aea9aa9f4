package config

import (
	"net/netip"
	"path/filepath"
)

// controlSocket is the rule for server.control: auto, off or an absolute path.
func controlSocket(value string) string {
	if value == "auto" || value == "off" {
		return ""
	}
	if !filepath.IsAbs(value) {
		return quote(value) + " is not auto, off or an absolute path; write e.g. /run/mock-ec2-metadata/control.sock"
	}
	return printable(value)
}

// controlAddress is the rule for server.control_listen. Names are refused, localhost too: what they stand for can change.
func controlAddress(value string) string {
	if a, err := netip.ParseAddrPort(value); err != nil || !a.Addr().IsLoopback() || a.Addr().Zone() != "" {
		return quote(value) + " is not a loopback address with a port, and others may not reach the control API; write e.g. 127.0.0.1:5002 or [::1]:5002"
	}
	return ""
}

const controlListenPath = "server.control_listen"

// validateControl requires the socket, whose directory holds the token of server.control_listen.
func (l *loader) validateControl() {
	s := &l.config.Server
	if s.ControlListen != "" && s.Control == "off" && !l.scope.broken[controlListenPath] {
		l.wrong(controlListenPath, "needs server.control, which is off; leave one of them out")
	}
}
