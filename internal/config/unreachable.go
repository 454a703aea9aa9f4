package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// anyListener is the listener of entries without listen.
const anyListener = ""

// warnOfUnreachable warns of entries of clients that no client can match, because other entries come first or server.allow_clients
// allows none of theirs. Among entries for one listener the longest prefix comes first, then the first entry.
func (l *loader) warnOfUnreachable() {
	seen, taken := newReach(l.config.Clients), l.allListenersTaken()
	for i := range l.config.Clients {
		c := &l.config.Clients[i]
		if reason := seen.shadowed(i, c); reason != "" {
			l.warnEntry(i, "never matches: %s", reason)
		} else if reason := l.refused(c); reason != "" {
			l.warnEntry(i, "never matches: %s", reason)
		} else if taken && len(c.Listen) == 0 {
			l.warnEntry(i, "never matches: entries with listen have all clients of each address of server.listen")
		}
	}
}

// allListenersTaken reports whether entries of clients have all clients of each address of server.listen.
func (l *loader) allListenersTaken() bool {
	taken := map[string]bool{}
	for i := range l.config.Clients {
		if c := &l.config.Clients[i]; len(c.From) == 0 {
			for _, address := range c.Listen {
				taken[address] = true
			}
		}
	}
	return !slices.ContainsFunc(l.config.Server.Listen, func(address string) bool { return !taken[address] })
}

func (l *loader) warnEntry(i int, format string, args ...any) {
	s := l.clientScopes[i]
	l.warnings.add(s.at, s.path, format, args...)
}

// refused says why the guard refuses all clients of an entry; "" if it may allow some. This machine's own addresses are always
// allowed, and only loopback ones are known here.
func (l *loader) refused(c *Client) string {
	allowed := l.config.Server.AllowClients
	if len(c.From) == 0 || slices.Contains(allowed, "auto") || len(c.Listen) > 0 {
		return ""
	}
	all := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, text := range allowed {
		if p, wrong := parseNetwork(text); wrong == "" {
			all = append(all, p)
		}
	}
	for _, p := range c.From {
		if slices.ContainsFunc(all, p.Overlaps) {
			return ""
		}
	}
	return fmt.Sprintf("server.allow_clients does not allow %s; add it there", strings.Join(c.Networks(), ", "))
}

// reach knows which networks the entries of each listener have.
type reach struct {
	sorted map[string][]owned // by listener; anyListener is one too
}

// owned is a network and the entries that have it; entries without from have all addresses.
type owned struct {
	network netip.Prefix
	entry   int // the first
}

func newReach(clients []Client) *reach {
	r := &reach{map[string][]owned{}}
	for i := range clients {
		c := &clients[i]
		for _, listener := range listenersOf(c) {
			for _, p := range networksOf(c) {
				r.sorted[listener] = append(r.sorted[listener], owned{p, i})
			}
		}
	}
	for listener, all := range r.sorted {
		slices.SortStableFunc(all, func(a, b owned) int { return a.network.Compare(b.network) })
		r.sorted[listener] = slices.CompactFunc(all, func(a, b owned) bool { return a.network == b.network })
	}
	return r
}

func listenersOf(c *Client) []string {
	if len(c.Listen) == 0 {
		return []string{anyListener}
	}
	return c.Listen
}

// networksOf are an entry's networks: without from all of both families.
func networksOf(c *Client) []netip.Prefix {
	if len(c.From) == 0 {
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	return c.From
}

// shadowed says which entries take all clients of entry i; "" if it may have some.
func (r *reach) shadowed(i int, c *Client) string {
	first := -1
	for _, listener := range listenersOf(c) {
		all := r.sorted[listener]
		for _, p := range networksOf(c) {
			at, found := slices.BinarySearchFunc(all, p, func(o owned, p netip.Prefix) int { return o.network.Compare(p) })
			if !found {
				return ""
			}
			switch own := all[at]; {
			case own.entry != i:
				first = own.entry
			case !covered(all[at+1:], p):
				return ""
			}
		}
	}
	if first < 0 {
		return "other entries with longer prefixes have all of its addresses"
	}
	return fmt.Sprintf("%s comes first and has the same addresses", element("clients", first))
}

// covered reports whether longer prefixes, sorted, together have all addresses of p.
func covered(longer []owned, p netip.Prefix) bool {
	next := p.Addr()
	for _, o := range longer {
		if !p.Contains(o.network.Addr()) {
			break
		}
		if o.network.Addr().Compare(next) > 0 {
			return false
		}
		if last := lastOf(o.network); last.Compare(next) >= 0 {
			if next = last.Next(); !p.Contains(next) {
				return true
			}
		}
	}
	return false
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// prefixText formats a network; one of a single address as that address.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
