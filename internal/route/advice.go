package route

import (
	"net/netip"
	"net/url"
)

// HowTo returns the command that gives a daemon the service's address on the system goos.
func HowTo(goos string) string {
	switch goos {
	case "linux":
		return "sudo mock-ec2-metadata serve --link-local"
	case "windows":
		return "mock-ec2-metadata route add"
	default:
		return "sudo mock-ec2-metadata route add"
	}
}

// URL returns the base URL of the service at one of its addresses.
func URL(a netip.Addr) *url.URL {
	host := a.String()
	if a.Is6() {
		host = "[" + host + "]"
	}
	return &url.URL{Scheme: "http", Host: host, Path: "/"}
}
