package guard

import (
	"net/http"
	"net/netip"
	"slices"

	"mock-ec2-metadata/internal/web"
)

// parseAddr returns the address of address:port, with its zone.
func parseAddr(hostPort string) netip.Addr {
	a, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// source returns what counts as one client: an IPv4 address, or an IPv6 network of 64 bits, since one host may have all of
// its addresses.
func source(a netip.Addr) netip.Addr {
	if p, err := a.WithZone("").Prefix(64); err == nil && a.Is6() {
		return p.Addr().WithZone(a.Zone())
	}
	return a
}

// IsLocal reports whether a request comes from this machine itself.
func (g *Guard) IsLocal(r *http.Request) bool {
	return g.classify(g.rules.Load(), web.Remote(r)) == Local
}

// IsGuest reports whether a request comes from the network of a container or virtual machine of this machine. On EC2 the answer
// passes a hop on the way there.
func (g *Guard) IsGuest(r *http.Request) bool {
	a := web.Remote(r)
	return a.IsValid() && !a.IsLoopback() && !g.networks.isOwn(a) && g.networks.isGuest(a)
}

// ClassOf says what the rules say of clients at an address.
func (g *Guard) ClassOf(a netip.Addr) Class { return g.classify(g.rules.Load(), a) }

// ClassBy says what other rules say of clients at an address, such as those of the configuration that answers a request.
func (g *Guard) ClassBy(rules *Rules, a netip.Addr) Class { return g.classify(rules, a) }

func (g *Guard) classify(rules *Rules, a netip.Addr) Class {
	if !a.IsValid() {
		return Refused
	}
	if a.IsLoopback() || g.networks.isOwn(a) {
		return Local
	}
	if rules.Auto {
		if g.networks.isVirtual(a) {
			return Allowed
		}
		return Refused
	}
	bare := a.WithZone("")
	if slices.ContainsFunc(rules.Clients, func(p netip.Prefix) bool { return p.Contains(bare) }) {
		return Allowed
	}
	return Refused
}

func (g *Guard) judgeClient(rules *Rules, r *http.Request) *refusal {
	a := web.Remote(r)
	if g.classify(rules, a) != Refused {
		return nil
	}
	if !a.IsValid() {
		return forbidden("clients", "client address %.64q is not valid", r.RemoteAddr)
	}
	a = a.WithZone("")
	key, alone := allowing(a)
	if rules.Auto {
		return forbidden("clients", "client %s is not allowed: server.allow_clients is auto, which allows this machine, its containers and its virtual machines; list their networks and the client in server.allow_clients: %s",
			a, alone).unless(key, alone)
	}
	return forbidden("clients", "client %s is not allowed; add it to server.allow_clients: %s", a, alone).unless(key, alone)
}

// allowing is the key that allows a client, and the element for it alone.
func allowing(a netip.Addr) (key, item string) {
	a = a.WithZone("")
	return "server.allow_clients", netip.PrefixFrom(a, a.BitLen()).String()
}
