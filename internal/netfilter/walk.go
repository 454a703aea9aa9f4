// Package netfilter finds the rules of nft and iptables that take requests to the metadata service away. It is pure: it reads
// what the tools print, and follows a request through the chains as the kernel would.
package netfilter

import (
	"cmp"
	"net/netip"
	"slices"
)

// fit says how surely a rule's conditions hold for a request to the metadata service.
type fit int

// Values of fit, in this order: the fit of several conditions is the least.
const (
	never  fit = iota
	unsure     // depends on what is not looked at: a mark, a limit, an ipset
	some       // depends on who asks: the client's address, user or interface
	always
)

// not negates a condition.
func (f fit) not() fit {
	switch f {
	case never:
		return always
	case always:
		return never
	default:
		return f
	}
}

func fitOf(holds bool) fit {
	if holds {
		return always
	}
	return never
}

// request is the first packet of a request to the metadata service: TCP, a new connection.
type request struct {
	to    netip.Addr
	local bool   // an interface of this machine has the address
	in    string // interface that it comes in by; "" for one of this machine
	out   string // interface that it leaves by; "" if unknown
}

// servicePort is where clients ask.
const servicePort = 80

// action is what a rule does with the packets that its conditions hold for.
type action int

// Values of action.
const (
	pass action = iota // nothing that matters here
	accept
	drop // and reject
	redirect
	jump
	jumpForGood // goto: does not come back
	comeBack    // return
)

// condition is one of the conditions of a rule. It names the service if it holds for its address or its port, but not for
// most others.
type condition struct {
	fit         func(request) fit
	namesTo     bool
	namesPort   bool
	inInterface string // the interface that it names, for the client's side
}

// rule is one rule of a chain.
type rule struct {
	conditions []condition
	do         action
	chain      string // of jump and jumpForGood
	to         string // of redirect, for a message
	target     netip.AddrPort
	show       string // the rule as its tool prints it
	undo       string // the command that removes it
	handle     string // nft's number of it
	ours       bool
}

// named is what the conditions on the way to a rule name.
type named struct{ to, port bool }

func (r *rule) fit(req request, above named) (fit, named) {
	f := always
	for _, c := range r.conditions {
		f = min(f, c.fit(req))
		above.to = above.to || c.namesTo
		above.port = above.port || c.namesPort
	}
	return f, above
}

// table is a table of one tool.
type table struct {
	tool   string // the command that changes it
	family string // as nft says: ip, ip6, inet, bridge, netdev
	name   string // as its tool says
	chains map[string]*Chain
}

// Chain is a chain of a table, with its rules. A chain without a hook is entered by jumps only.
type Chain struct {
	table    *table
	name     string
	hook     string // as nft says: prerouting, input, forward, output, postrouting, ingress
	kind     string // filter, nat or route
	device   string // of ingress
	priority int    // chains of one hook run in this order
	policy   action
	rules    []rule
}

// Table is the family and the name of the chain's table, as nft says them: "ip nat".
func (c *Chain) Table() string { return c.table.family + " " + c.table.name }

// has tells whether packets of the address's family pass the table.
func (t *table) has(to netip.Addr) bool {
	switch t.family {
	case "ip":
		return to.Is4()
	case "ip6":
		return to.Is6()
	default:
		return true
	}
}

// taking is a rule, or a policy, that takes a request away.
type taking struct {
	chain *Chain
	rule  *rule // nil: the chain's policy
	fit   fit
	sure  bool // no earlier rule has accepted some of the requests
	named named
}

// Limits of a walk. Real rulesets stay far below; rules that jump to each other in rings do not.
const (
	maxJumps = 64
	maxRules = 200_000
)

// walker takes one request through the chains.
type walker struct {
	chains []*Chain
	req    request
	found  []taking
	rules  int // walked so far
}

// outcome is how a request leaves a chain.
type outcome int

// Values of outcome.
const (
	goesOn outcome = iota
	accepted
	taken
)

// pass takes the request through the chains of one hook, and tells whether it comes out for sure.
func (w *walker) pass(hook string, skip func(*Chain) bool) bool {
	var chains []*Chain
	for _, c := range w.chains {
		if c.hook == hook && c.table.has(w.req.to) && !skip(c) {
			chains = append(chains, c)
		}
	}
	slices.SortStableFunc(chains, func(a, b *Chain) int { return cmp.Compare(a.priority, b.priority) })
	for _, c := range chains {
		// The ports of a bridge are not the interfaces that the request names.
		sure := c.table.family != "bridge"
		switch w.walk(c, always, named{}, &sure, 0) {
		case taken:
			return false
		case goesOn:
			if c.policy == drop {
				w.found = append(w.found, taking{chain: c, fit: always, sure: sure})
				if sure {
					return false
				}
			}
		case accepted:
		}
	}
	return true
}

// walk takes the request through a chain that it reaches as surely as reached says. It clears sure once some of the requests
// have been accepted.
func (w *walker) walk(c *Chain, reached fit, above named, sure *bool, depth int) outcome {
	all := *sure // whether no request has come back from this chain either
	for i := range c.rules {
		if w.rules++; w.rules > maxRules {
			return goesOn
		}
		r := &c.rules[i]
		f, names := r.fit(w.req, above)
		if f = min(f, reached); f == never {
			continue
		}
		switch r.do {
		case pass:
		case accept:
			if f == always {
				return accepted
			}
			*sure, all = false, false
		case comeBack:
			if f == always {
				return goesOn
			}
			all = false
		case drop, redirect:
			w.found = append(w.found, taking{chain: c, rule: r, fit: f, sure: all, named: names})
			if f == always {
				return taken
			}
		case jump, jumpForGood:
			to := c.table.chains[r.chain]
			if to == nil || depth > maxJumps {
				continue
			}
			inside := all
			end := w.walk(to, f, names, &inside, depth+1)
			if !inside && all { // some have been accepted in there
				*sure, all = false, false
			}
			switch {
			case f == always && end != goesOn:
				return end
			case end == accepted:
				*sure, all = false, false
			case r.do == jumpForGood && f == always:
				return goesOn
			case r.do == jumpForGood:
				all = false
			}
		}
	}
	return goesOn
}

func anyChain(*Chain) bool { return false }

// own walks the way of this machine's own requests.
func (w *walker) own() {
	if w.req.local {
		w.req.out = "lo"
	}
	if !w.pass("output", anyChain) || !w.pass("postrouting", anyChain) || !w.req.local {
		return
	}
	w.req.in, w.req.out = "lo", ""
	// Where a connection goes has been decided by then.
	isNAT := func(c *Chain) bool { return c.kind == "nat" }
	if w.pass("prerouting", isNAT) {
		w.pass("input", isNAT)
	}
}

// client walks the way of a request that comes in by an interface, from a container or a virtual machine.
func (w *walker) client(in string) {
	w.req.in = in
	ingress := func(c *Chain) bool { return c.device != in }
	if !w.pass("ingress", ingress) || !w.pass("prerouting", anyChain) {
		return
	}
	if w.req.local {
		w.pass("input", anyChain)
		return
	}
	if w.pass("forward", anyChain) {
		w.pass("postrouting", anyChain)
	}
}
