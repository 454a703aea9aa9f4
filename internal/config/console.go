package config

import "net/netip"

const (
	consolePath = "server.console"
	// consoleAuto and consoleOff are values of server.console that are no address.
	consoleAuto = "auto"
	consoleOff  = "off"
)

// HasConsoleAddress tells whether server.console is an address: a port of the user's choice, where auto takes any.
func (s *Server) HasConsoleAddress() bool { return s.Console != consoleAuto && s.Console != consoleOff }

// consoleAddress is the rule for server.console. Names are refused, as in server.control_listen. Which machines can reach the address
// is known at the start only.
func consoleAddress(value string) string {
	if value == consoleAuto || value == consoleOff {
		return ""
	}
	if a, err := netip.ParseAddrPort(value); err != nil || a.Addr().Zone() != "" || a.Port() == 0 {
		return quote(value) + " is not auto, off or an IP address with a port; write e.g. 127.0.0.1:5081"
	}
	return ""
}

// validateConsole requires the control socket, by which the console is opened.
func (l *loader) validateConsole() {
	s := &l.config.Server
	if s.HasConsoleAddress() && s.Control == "off" && !l.scope.broken[consolePath] {
		l.wrong(consolePath, "needs server.control, which is off; leave one of them out")
	}
}
