package netfilter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Machine says what requests there are on a machine.
type Machine struct {
	Service []Place
	// Virtual are the interfaces that containers and virtual machines are behind.
	Virtual []string
	// LeadsOut tells whether an interface leads out of this machine, so that neither is behind it.
	LeadsOut func(name string) bool
}

// Place is one of the service's addresses.
type Place struct {
	Address netip.Addr
	Local   bool // an interface of this machine has it
}

// Taking is a rule, or a chain's policy, that takes requests to the metadata service away.
type Taking struct {
	taking
	// Sure is false if it takes none at present, or if that depends on what the parsers do not know.
	Sure    bool
	address netip.Addr
	who     string // whose requests
	unless  string // why it takes none; "" if it does
}

// Redirects tells whether it redirects requests, and where to. The target is invalid if that is no one address. Ours says that
// nat.sh has made the rule.
func (t *Taking) Redirects() (target netip.AddrPort, ours, ok bool) {
	if t.rule == nil || t.rule.do != redirect {
		return netip.AddrPort{}, false, false
	}
	return t.rule.target, t.rule.ours, true
}

// search finds what takes requests away. Each rule is named once.
type search struct {
	chains   []*Chain
	machine  Machine
	all      []Taking
	complete bool
}

// Find returns what takes requests away: this machine's own, and those of containers and virtual machines. It is not complete if
// there are too many rules to follow.
func Find(chains []*Chain, m Machine) (all []Taking, complete bool) {
	s := &search{chains: chains, machine: m, complete: true}
	for _, p := range m.Service {
		s.address(p)
	}
	return s.all, s.complete
}

// address looks at the requests to one address.
func (s *search) address(p Place) {
	req := request{to: p.Address, local: p.Local}
	found := func(walk func(*walker)) []taking {
		w := &walker{chains: s.chains, req: req}
		walk(w)
		s.complete = s.complete && w.rules <= maxRules
		return w.found
	}
	const clients = "the requests of containers and virtual machines"
	s.add(req, "this machine's own requests", "", found((*walker).own))
	for _, in := range slices.Concat(s.machine.Virtual, s.named()) {
		s.add(req, clients, "", found(func(w *walker) { w.client(in) }))
	}
	// A rule that names the service also takes requests that come by interfaces which this machine does not have yet.
	unless := ""
	if len(s.machine.Virtual) > 0 {
		unless = "but at present none of those that come by " + strings.Join(s.machine.Virtual, ", ")
	}
	s.add(req, clients, unless, withNames(found(func(w *walker) { w.client("any other") })))
	if req.local {
		s.add(req, clients, "but none is forwarded while this machine has the address",
			withNames(found(func(w *walker) { w.pass("forward", anyChain) })))
	}
}

// add adds what has not been found before.
func (s *search) add(req request, who, unless string, found []taking) {
	for _, t := range found {
		harmful, sure := t.harm(req)
		if !harmful || slices.ContainsFunc(s.all, func(b Taking) bool { return b.rule == t.rule && b.chain == t.chain }) {
			continue
		}
		s.all = append(s.all, Taking{taking: t, Sure: sure && unless == "", address: req.to, who: who, unless: unless})
	}
}

// withNames keeps the rules that name the service.
func withNames(found []taking) []taking {
	return slices.DeleteFunc(found, func(t taking) bool { return !t.named.to && !t.named.port })
}

// named are the interfaces that rules name, unless they lead out of this machine.
func (s *search) named() []string {
	var all []string
	for _, c := range s.chains {
		for _, r := range c.rules {
			for _, condition := range r.conditions {
				if name := condition.inInterface; name != "" && name != "lo" && !s.machine.LeadsOut(name) {
					all = append(all, name)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// harm tells whether it takes requests away. A rule that names neither the address nor the port is blamed only if it surely
// takes requests that would have arrived.
func (t taking) harm(req request) (harmful, sure bool) {
	names := t.named.to || t.named.port && (req.local || req.to.Is4())
	sure = names && t.fit >= some || req.local && t.fit == always && t.sure
	return sure || t.named.to && t.fit == unsure, sure
}

// String names tool, table, chain and rule. It has the command that removes a rule for the address, or makes an exception from
// one for more.
func (t *Taking) String() string {
	table := t.chain.table
	name, daddr := table.name, "ip"
	if table.tool == "nft" {
		name = table.family + " " + name
	}
	if t.address.Is6() {
		daddr = "ip6"
	}
	what, does := "its policy", "drops"
	if t.rule != nil {
		what, does = "the rule `"+t.rule.show+"`", t.rule.does(t.fit)
	}
	undo := ""
	switch {
	case t.rule != nil && t.named.to:
		undo = "unless you need it, remove it: " + t.rule.undo
	case table.tool == "nft":
		position := ""
		if t.rule != nil {
			position = " position " + t.rule.handle
		}
		undo = fmt.Sprintf("make an exception: sudo nft insert rule %s %s%s %s daddr %s tcp dport %d accept", name, t.chain.name, position, daddr, t.address, servicePort)
	default:
		undo = fmt.Sprintf("make an exception: sudo %s -w -t %s -I %s -d %s -p tcp --dport %d -j ACCEPT", table.tool, name, t.chain.name, t.address, servicePort)
	}
	unless := ""
	if t.unless != "" {
		unless = " (" + t.unless + ")"
	}
	return fmt.Sprintf("%s, table %s, chain %s: %s %s %s to %s%s; %s", table.tool, name, t.chain.name, what, does, t.who, t.address, unless, undo)
}

// does is the verb of a message.
func (r *rule) does(f fit) string {
	does := "drops"
	if r.do == redirect {
		does = "redirects"
	}
	if r.to != "" {
		does += " (to " + r.to + ")"
	}
	switch f {
	case unsure:
		return "may take: it " + does
	case some:
		return does + " some of"
	default:
		return does
	}
}
