package guard

import (
	"net/http"
	"net/netip"
	"slices"
)

// remote is the address that a request comes from, of the socket and never of a header; the zero Addr if it has none.
func remote(r *http.Request) netip.Addr { return parseAddr(r.RemoteAddr) }

// parseAddr takes the address out of address:port, with its zone.
func parseAddr(hostPort string) netip.Addr {
	a, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// source is what counts as one client: an IPv4 address or, since one host may have all of them, a network of 64 bits.
func source(a netip.Addr) netip.Addr {
	if p, err := a.WithZone("").Prefix(64); err == nil && a.Is6() {
		return p.Addr().WithZone(a.Zone())
	}
	return a
}

// IsLocal says whether a request comes from this machine itself.
func (g *Guard) IsLocal(r *http.Request) bool {
	return g.classify(g.rules.Load(), remote(r)) == Local
}

func (g *Guard) classify(rules *Rules, a netip.Addr) Class {
	if !a.IsValid() {
		return Refused
	}
	if a.IsLoopback() || g.networks.isOwn(a) {
		return Local
	}
	if rules.Auto {
		if g.networks.isVirtual(a) {
			return Admitted
		}
		return Refused
	}
	bare := a.WithZone("")
	if slices.ContainsFunc(rules.Clients, func(p netip.Prefix) bool { return p.Contains(bare) }) {
		return Admitted
	}
	return Refused
}

func (g *Guard) judgeClient(rules *Rules, r *http.Request) *refusal {
	a := remote(r)
	if g.classify(rules, a) != Refused {
		return nil
	}
	if !a.IsValid() {
		return forbidden("clients", "the client's address %.64q is none", r.RemoteAddr)
	}
	a = a.WithZone("")
	if rules.Auto {
		return forbidden("clients", "client %s is not let in, for server.allow_clients is auto, which means this machine, its containers and its virtual machines; to let it in, list it and them there: %s",
			a, netip.PrefixFrom(a, a.BitLen()))
	}
	return forbidden("clients", "client %s is not let in; to let it in, add it to server.allow_clients: %s", a, netip.PrefixFrom(a, a.BitLen()))
}
