package caller

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Rule says which clients an entry of the configuration is for.
type Rule struct {
	// From are the networks of the clients, masked, and none of them IPv4-mapped. Empty: all addresses.
	From []netip.Prefix
	// Listen are names of listeners that the clients must have come to. Empty: any.
	Listen []string
}

// None is the rule of clients that no rule is for.
const None = -1

// Router finds the rule for a client. It never changes.
type Router struct {
	all       *bart.Table[int32]            // rules for any listener
	listeners map[string]*bart.Table[int32] // rules for one
}

// NewRouter makes the Router of rules in order.
func NewRouter(rules []Rule) *Router {
	r := &Router{all: new(bart.Table[int32]), listeners: map[string]*bart.Table[int32]{}}
	everywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	for i, rule := range rules {
		tables := []*bart.Table[int32]{r.all}
		if len(rule.Listen) > 0 {
			tables = nil
		}
		for _, name := range rule.Listen {
			if r.listeners[name] == nil {
				r.listeners[name] = new(bart.Table[int32])
			}
			tables = append(tables, r.listeners[name])
		}
		from := rule.From
		if len(from) == 0 {
			from = everywhere
		}
		for _, t := range tables {
			for _, p := range from {
				if _, taken := t.Get(p); !taken { // the first rule has it
					t.Insert(p, int32(i))
				}
			}
		}
	}
	return r
}

// Route returns the position of the rule for a client at address a, with or without a zone, that came to a listener; else None.
// Rules for this listener come before those for any; then the longest prefix comes first, then the first rule.
func (r *Router) Route(a netip.Addr, listener string) int {
	a = a.WithZone("").Unmap()
	if t, ok := r.listeners[listener]; ok {
		if i, ok := t.Lookup(a); ok {
			return int(i)
		}
	}
	if i, ok := r.all.Lookup(a); ok {
		return int(i)
	}
	return None
}
