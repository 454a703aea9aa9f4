package api

import (
	"net"
	"net/url"
)

// URL is where this machine reaches a listener. It ends with a slash, which some versions of the AWS CLI need.
func URL(listen string) string { return "http://" + Reachable(listen) + "/" }

// StatusPage is the URL of a listener's /status.
func StatusPage(listen string) string {
	return (&url.URL{Scheme: "http", Host: Reachable(listen), Path: "/status"}).String()
}

// Reachable replaces the unspecified address of a listener by the loopback address.
func Reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
