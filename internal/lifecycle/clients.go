package lifecycle

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"mock-ec2-metadata/internal/config"
)

// maxFirstClients bounds the addresses that an event remembers.
const maxFirstClients = 10_000

// clients are those that see an event. The zero value is all.
type clients struct {
	networks []netip.Prefix
	entries  []int  // of clients in the configuration
	first    int    // that many distinct addresses; 0 for no limit
	key      string // equal for equal clients
}

func parseClients(spec *config.Event, entries int) (clients, error) {
	if spec.FirstClients > maxFirstClients {
		return clients{}, wrong("first_clients", "%d is more than %d; name networks in clients", spec.FirstClients, maxFirstClients)
	}
	c := clients{first: spec.FirstClients}
	keys := make([]string, 0, len(spec.Clients))
	for i, text := range spec.Clients {
		if n, ok := entryOf(text); ok {
			if n >= entries {
				return clients{}, wrong(fmt.Sprintf("clients[%d]", i), "the configuration has %d entries of clients, the first is clients[0]; name one of them, or a network", entries)
			}
			c.entries = append(c.entries, n)
			keys = append(keys, text)
			continue
		}
		network, ok := networkOf(text)
		if !ok {
			return clients{}, wrong(fmt.Sprintf("clients[%d]", i), "%q is no address, network or entry; write e.g. 172.17.0.0/16 or clients[0]", text)
		}
		c.networks = append(c.networks, network)
		keys = append(keys, network.String())
	}
	slices.Sort(keys)
	c.key = strings.Join(slices.Compact(keys), " ")
	if c.first > 0 {
		c.key = strconv.Itoa(c.first)
	}
	return c, nil
}

// entryOf parses clients[N].
func entryOf(text string) (int, bool) {
	digits, ok := strings.CutPrefix(text, "clients[")
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, "]")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0
}

// CheckEntries refuses an event for an entry of clients that a configuration with so many does not have. The error is an *Error.
func (e *Event) CheckEntries(entries int) error {
	_, err := parseClients(&e.Spec, entries)
	return err
}

// networkOf parses a CIDR block or an address. IPv4-mapped ones are IPv4.
func networkOf(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// all reports whether every client sees the event.
func (c *clients) all() bool { return c.key == "" }

func (c *clients) same(o *clients) bool { return c.key == o.key }

// overlap reports whether a client may be among both. Entries of the configuration do not overlap each other.
func (c *clients) overlap(o *clients) bool {
	switch {
	case c.all() || o.all() || c.first > 0 || o.first > 0:
		return true
	case len(c.entries) > 0 && len(o.networks) > 0 || len(c.networks) > 0 && len(o.entries) > 0:
		return true // the addresses of an entry are not known here
	}
	return slices.ContainsFunc(c.entries, func(n int) bool { return slices.Contains(o.entries, n) }) ||
		slices.ContainsFunc(c.networks, func(p netip.Prefix) bool { return slices.ContainsFunc(o.networks, p.Overlaps) })
}

// has reports whether a client is in one of the networks, or of one of the entries.
func (c *clients) has(client netip.Addr, entry int) bool {
	for _, p := range c.networks {
		if p.Contains(client) {
			return true
		}
	}
	return slices.Contains(c.entries, entry)
}

// counters are what changes of an event. Copies of the event share them.
type counters struct {
	requests atomic.Int64 // that after_requests counts
	hits     atomic.Int64
	taken    taken
}

// taken are the first addresses that see an event, each a client of its own.
type taken struct {
	full  atomic.Bool // addresses changes no more
	mu    sync.RWMutex
	known map[netip.Addr]bool // guarded by mu until full
	order []netip.Addr        // guarded by mu
}

// take reports whether a client is one of the first n, and makes it one while there is room.
func (t *taken) take(client netip.Addr, n int) bool {
	if t.full.Load() {
		return t.known[client]
	}
	t.mu.RLock()
	known := t.known[client]
	t.mu.RUnlock()
	if known {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[client] || len(t.known) >= n {
		return t.known[client]
	}
	if t.known == nil {
		t.known = make(map[netip.Addr]bool)
	}
	t.known[client] = true
	t.order = append(t.order, client)
	t.full.Store(len(t.known) >= n)
	return true
}

// has reports whether a client is one of those taken.
func (t *taken) has(client netip.Addr) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.known[client]
}

// names are the addresses taken, in order.
func (t *taken) names() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	names := make([]string, len(t.order))
	for i, a := range t.order {
		names[i] = a.String()
	}
	return names
}

// ClientNames are the clients that see it, as configured, or the addresses taken; nil for all.
func (e *Event) ClientNames() []string {
	switch {
	case e.who.first > 0:
		return e.counters.taken.names()
	case e.who.all():
		return nil
	default:
		return slices.Clone(e.Spec.Clients)
	}
}
