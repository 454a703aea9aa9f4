package config

import (
	"encoding/json"
	"net/netip"
	"strconv"
)

// Allowing returns the value of a key of server, as YAML in one line, with which the guard would allow what it has refused: the elements
// that are there, and item; or item alone for a key that is no list. auto are the networks that auto stands for. It returns "" if
// item, which clients send, is no valid value.
func (s *Server) Allowing(key, item string, auto []netip.Prefix) string {
	switch key {
	case "server.allow_clients":
		there := s.AllowClients
		if len(there) == 1 && there[0] == "auto" {
			there = nil
			for _, p := range auto {
				there = append(there, p.String())
			}
		}
		if _, err := netip.ParsePrefix(item); err == nil {
			return flowList(there, item)
		}
	case "server.allow_hosts":
		if isHostName(item) {
			return flowList(s.AllowHosts, item)
		}
	case "server.allow_origins":
		if isOrigin(item) {
			return flowList(s.AllowOrigins, item)
		}
	case "server.allow_proxies":
		return item
	case "server.limits.connections", "server.limits.connections_per_client":
		return atMost(item, 100_000)
	case "server.limits.url_bytes":
		return atMost(item, 16384)
	case "server.limits.header_bytes":
		return atMost(item, 32768)
	case "server.limits.body_bytes":
		return atMost(item, 1<<20)
	}
	return ""
}

// atMost returns a number unless it is above what the key can have.
func atMost(number string, most int) string {
	if n, err := strconv.Atoi(number); err != nil || n > most {
		return ""
	}
	return number
}

// flowList writes a list in quotes, which every program reads alike.
func flowList(there []string, item string) string {
	all := append(append([]string{}, there...), item)
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}
