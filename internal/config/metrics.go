package config

import (
	"net/netip"
	"path/filepath"
	"strings"
)

// Metrics is where the daemon tells a monitoring system about itself.
type Metrics struct {
	// Listen is an address with a port, or unix: and the absolute path of a socket. Empty: none. Changing it takes a restart.
	Listen string `yaml:"listen" is:"metrics address"`
}

// SocketPath is the path of a Unix socket that an address of metrics.listen names; "" for others.
func SocketPath(address string) string {
	path, _ := strings.CutPrefix(address, unixPrefix)
	if path == address {
		return ""
	}
	return path
}

const (
	metricsListenPath = "metrics.listen"
	unixPrefix        = "unix:"
)

// metricsAddress is the rule for metrics.listen. Names are refused: what they stand for can change.
func metricsAddress(value string) string {
	if path, ok := strings.CutPrefix(value, unixPrefix); ok {
		if !filepath.IsAbs(path) {
			return quote(value) + " names no absolute path; write e.g. unix:/run/mock-ec2-metadata/metrics.sock"
		}
		return printable(value)
	}
	if a, err := netip.ParseAddrPort(value); err != nil || a.Addr().Zone() != "" {
		return quote(value) + " is neither an IP address with a port nor unix: and a path; write e.g. 127.0.0.1:5080, or leave it empty for none"
	}
	return ""
}
