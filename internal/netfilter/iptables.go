package netfilter

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ourComment marks the rule of nat.sh.
const ourComment = "mock-ec2-metadata"

// iptablesPriorities are those of the tables of iptables (linux/netfilter_ipv4.h).
func iptablesPriority(table, hook string) int {
	switch table {
	case "raw":
		return -300
	case "mangle":
		return -150
	case "nat":
		if hook == "input" || hook == "postrouting" {
			return 100
		}
		return -100
	case "security":
		return 50
	default:
		return 0
	}
}

// ParseIptables reads what iptables-save prints. tool is the command that changes the rules, such as iptables-legacy.
func ParseIptables(tool, family, saved string) []*Chain {
	var chains []*Chain
	t := &table{}
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		switch words := split(line); {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "*"):
			t = &table{tool: tool, family: family, name: line[1:], chains: map[string]*Chain{}}
		case strings.HasPrefix(line, ":") && len(words) > 1 && t.chains != nil:
			c := &Chain{table: t, name: words[0][1:]}
			if words[1] != "-" { // a user chain has no policy
				c.hook = strings.ToLower(c.name)
				c.priority = iptablesPriority(t.name, c.hook)
				c.kind = "filter"
				if t.name == "nat" {
					c.kind = "nat"
				}
				if c.policy = accept; words[1] == "DROP" {
					c.policy = drop
				}
			}
			t.chains[c.name] = c
			chains = append(chains, c)
		case words[0] == "-A" && len(words) > 1 && t.chains[words[1]] != nil:
			c := t.chains[words[1]]
			r := parseIptablesRule(words[2:], t)
			r.show = line
			r.undo = "sudo " + tool + " -w -t " + t.name + " -D" + strings.TrimPrefix(line, "-A")
			c.rules = append(c.rules, r)
		}
	}
	return chains
}

// split splits a line into words. A word in double quotes may hold blanks and, after a backslash, quotes.
func split(line string) []string {
	var words []string
	var word strings.Builder
	inside, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case quoted && b == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case b == '"':
			quoted, inside = !quoted, true
		case b == ' ' && !quoted:
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			word.WriteByte(b)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}

// option is one option of a rule, with its words.
type option struct {
	not    bool
	name   string
	values []string
}

func (o option) value() string {
	if len(o.values) == 0 {
		return ""
	}
	return o.values[0]
}

// isText tells whether the next word is the option's text, whatever it looks like.
func (o option) isText() bool {
	return len(o.values) == 0 && slices.Contains([]string{"--comment", "--log-prefix", "--nflog-prefix", "--string", "--hex-string"}, o.name)
}

// ruleOptions groups the words of a rule. An exclamation mark stands before an option.
func ruleOptions(words []string) []option {
	var all []option
	not := false
	for _, w := range words {
		switch {
		case len(all) > 0 && all[len(all)-1].isText():
			all[len(all)-1].values = []string{w}
		case w == "!":
			not = true
		case len(w) > 1 && w[0] == '-':
			all = append(all, option{not: not, name: w})
			not = false
		case len(all) > 0:
			last := &all[len(all)-1]
			last.values = append(last.values, w)
		}
	}
	return all
}

func parseIptablesRule(words []string, t *table) rule {
	var r rule
	target := ""
	for _, o := range ruleOptions(words) {
		switch {
		case o.name == "-j" || o.name == "-g":
			target = o.value()
			r.do, r.chain = targetAction(target), target
			if r.do == pass && t.chains[target] != nil {
				if r.do = jump; o.name == "-g" {
					r.do = jumpForGood
				}
			}
		case target != "": // the target's options come last
			r.targetOption(o)
		case o.name == "--comment":
			r.ours = o.value() == ourComment
		default:
			if c, ok := iptablesCondition(o); ok {
				if o.not {
					holds := c.fit
					c = condition{fit: func(req request) fit { return holds(req).not() }, inInterface: c.inInterface}
				}
				r.conditions = append(r.conditions, c)
			}
		}
	}
	r.ours = r.ours && r.do == redirect
	return r
}

// targetAction is what a target of iptables does. Chains of the user's have any other name.
func targetAction(target string) action {
	switch target {
	case "ACCEPT":
		return accept
	case "DROP", "REJECT":
		return drop
	case "DNAT", "REDIRECT", "TPROXY", "NETMAP":
		return redirect
	case "RETURN":
		return comeBack
	default:
		return pass
	}
}

// targetOption reads where a rule redirects to.
func (r *rule) targetOption(o option) {
	switch o.name {
	case "--to-destination", "--to":
		r.redirectTo(o.value())
	case "--to-ports", "--on-port":
		r.redirectTo("port " + o.value() + " of this machine")
		if port, err := strconv.ParseUint(o.value(), 10, 16); err == nil {
			r.target = netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
		}
	}
}

// redirectTo sets where a rule redirects to: an address, with a port or without.
func (r *rule) redirectTo(to string) {
	r.to = to
	if target, err := netip.ParseAddrPort(to); err == nil {
		r.target = target
	} else if a, err := netip.ParseAddr(strings.Trim(to, "[]")); err == nil {
		r.target = netip.AddrPortFrom(a, servicePort)
	}
}

// iptablesCondition is what an option asks for. It is false for an option that asks for nothing.
func iptablesCondition(o option) (condition, bool) {
	switch v := o.value(); o.name {
	case "-d", "--dst-range", "--ctorigdst":
		return condition{fit: func(r request) fit { return addressFit(v, r.to) }, namesTo: !isEverywhere(v)}, true
	case "-s", "--src-range", "--ctorigsrc":
		if isEverywhere(v) {
			return condition{}, false
		}
		return constant(some), true
	case "-i":
		return condition{fit: func(r request) fit { return fitOf(interfaceFits(v, "+", r.in)) }, inInterface: strings.ReplaceAll(v, "+", "0")}, true
	case "-o":
		return condition{fit: func(r request) fit { return outFit(v, "+", r) }}, true
	case "-p":
		return constant(fitOf(slices.Contains([]string{"tcp", "6", "all", "0"}, v))), true
	case "--dport", "--dports", "--ctorigdstport":
		return portCondition(v, always), true
	case "--ports": // the client's port may be one of them too
		return portCondition(v, unsure), true
	case "--sport", "--sports":
		return constant(clientPort(v)), true
	case "--ctstate", "--state":
		return constant(fitOf(slices.Contains(strings.Split(v, ","), "NEW"))), true
	case "--dst-type":
		return condition{fit: func(r request) fit { return typeFit(strings.Split(strings.ToLower(v), ","), r) }}, true
	case "--tcp-flags":
		if len(o.values) == 2 {
			return constant(flagsFit(strings.ToLower(v), strings.ToLower(o.values[1]))), true
		}
	case "--match-set":
		c := constant(unsure)
		c.namesTo = len(o.values) == 2 && strings.Contains(o.values[1], "dst")
		return c, true
	case "--src-type", "--uid-owner", "--gid-owner", "--socket-exists", "--physdev-in", "--physdev-out", "--physdev-is-bridged",
		"--mac-source":
		return constant(some), true
	case "--syn", "--limit-iface-in", "--limit-iface-out", "--return-nomatch":
		return condition{}, false
	case "-f", "--icmp-type", "--icmpv6-type":
		return constant(never), true
	case "-m":
		return moduleCondition(v)
	}
	return constant(unsure), true
}

// moduleCondition is what -m asks for: nothing where the module's options, which follow, are known.
func moduleCondition(module string) (condition, bool) {
	switch module {
	case "tcp", "comment", "conntrack", "state", "addrtype", "multiport", "iprange", "owner", "set", "physdev", "mac":
		return condition{}, false
	case "udp", "icmp", "icmp6", "sctp", "esp", "ah":
		return constant(never), true
	default:
		return constant(unsure), true
	}
}

func portCondition(ports string, otherwise fit) condition {
	holds := slices.ContainsFunc(strings.Split(ports, ","), func(p string) bool {
		low, high, ok := portRange(p)
		return ok && low <= servicePort && servicePort <= high
	})
	c := constant(fitOf(holds))
	if !holds && otherwise != always {
		c = constant(otherwise)
	}
	c.namesPort = holds
	return c
}

// portRange reads "80", "80:90" or "80-90".
func portRange(s string) (low, high uint64, ok bool) {
	first, last, isRange := strings.Cut(strings.ReplaceAll(s, "-", ":"), ":")
	if !isRange {
		last = first
	}
	low, errLow := strconv.ParseUint(first, 10, 16)
	high, errHigh := strconv.ParseUint(last, 10, 16)
	return low, high, errLow == nil && errHigh == nil
}

// clientPort is the fit of the port that a client has, one of 1024 to 65535.
func clientPort(ports string) fit {
	f := never
	for p := range strings.SplitSeq(ports, ",") {
		low, high, ok := portRange(p)
		switch {
		case !ok || high >= 1024 && (low > 1024 || high < 65535):
			f = max(f, unsure)
		case high >= 1024:
			f = always
		}
	}
	return f
}
