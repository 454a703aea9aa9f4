package route

import (
	"net/netip"
	"net/url"
)

// HowTo is the command that puts a daemon at the service's address, on a system with the name that GOOS has.
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

// URL is where clients ask the service at one of its addresses.
func URL(a netip.Addr) *url.URL {
	host := a.String()
	if a.Is6() {
		host = "[" + host + "]"
	}
	return &url.URL{Scheme: "http", Host: host, Path: "/"}
}
