package netfilter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ourTable is the table of nat.sh where it uses nft.
const ourTable = "mock_ec2_metadata"

// object is a JSON object of libnftables-json(5).
type object = map[string]any

// ruleset is what nft lists: chains, and the sets and maps that rules name.
type ruleset struct {
	tables map[string]*table // by family and name
	sets   map[string][]any  // elements by family, table and name
	texts  map[string]string // the rules as text, by family, table and handle
	chains []*Chain
}

// ParseNFT reads what "nft -j list ruleset" prints. text is what "nft -a list ruleset" prints.
func ParseNFT(listing []byte, text string) ([]*Chain, error) {
	var list struct {
		Objects []map[string]object `json:"nftables"`
	}
	if err := json.Unmarshal(listing, &list); err != nil {
		return nil, fmt.Errorf("nft: its listing is no JSON: %w", err)
	}
	s := &ruleset{tables: map[string]*table{}, sets: map[string][]any{}, texts: ruleTexts(text)}
	for _, o := range list.Objects { // rules come after all that they name, but for chains
		for kind, v := range o {
			switch kind {
			case "chain":
				s.addChain(v)
			case "set", "map":
				s.sets[key(v, "family", "table", "name")], _ = v["elem"].([]any)
			}
		}
	}
	for _, o := range list.Objects {
		if v, ok := o["rule"]; ok {
			s.addRule(v)
		}
	}
	return s.chains, nil
}

// key joins the values of some keys.
func key(o object, names ...string) string {
	var values []string
	for _, name := range names {
		values = append(values, scalar(o[name]))
	}
	return strings.Join(values, " ")
}

// scalar is a string or a number as text.
func scalar(v any) string {
	switch v.(type) {
	case string, float64:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

func (s *ruleset) addChain(v object) {
	t := s.tables[key(v, "family", "table")]
	if t == nil {
		t = &table{tool: "nft", family: scalar(v["family"]), name: scalar(v["table"]), chains: map[string]*Chain{}}
		s.tables[key(v, "family", "table")] = t
	}
	c := &Chain{table: t, name: scalar(v["name"]), hook: scalar(v["hook"]), kind: scalar(v["type"]), device: scalar(v["dev"]), policy: accept}
	if scalar(v["policy"]) == "drop" {
		c.policy = drop
	}
	if priority, ok := v["prio"].(float64); ok {
		c.priority = int(priority)
	}
	t.chains[c.name] = c
	s.chains = append(s.chains, c)
}

func (s *ruleset) addRule(v object) {
	t := s.tables[key(v, "family", "table")]
	if t == nil || t.chains[scalar(v["chain"])] == nil {
		return
	}
	c := t.chains[scalar(v["chain"])]
	p := &nftRule{ruleset: s, table: t, done: rule{
		show:   cmp.Or(s.texts[key(v, "family", "table", "handle")], "handle "+scalar(v["handle"])), // nft may not know how to write it
		undo:   fmt.Sprintf("sudo nft delete rule %s %s %s handle %s", t.family, t.name, c.name, scalar(v["handle"])),
		handle: scalar(v["handle"]), ours: t.name == ourTable,
	}}
	expressions, _ := v["expr"].([]any)
	for _, e := range expressions {
		if o, ok := e.(object); ok {
			p.expression(o)
		}
	}
	if p.commented && p.done.do == redirect { // the comment may be that of nat.sh, which nft does not show
		p.add(constant(unsure))
	}
	c.rules = append(c.rules, p.before...)
	c.rules = append(c.rules, p.done)
}

// nftRule is a rule that is being read.
type nftRule struct {
	*ruleset
	table *table
	// before are rules of their own: the verdicts of a verdict map.
	before    []rule
	done      rule
	commented bool // by iptables
}

func (p *nftRule) add(c condition) { p.done.conditions = append(p.done.conditions, c) }

// expression reads one expression of the rule.
func (p *nftRule) expression(o object) {
	for kind, v := range o {
		arguments, _ := v.(object)
		switch kind {
		case "match":
			p.match(arguments)
		case "vmap":
			p.verdictMap(arguments)
		case "limit", "quota", "connlimit", "ct count", "osf", "socket":
			p.add(constant(unsure))
		case "xt":
			p.extension(scalar(arguments["type"]), scalar(arguments["name"]))
		case "dnat", "redirect", "tproxy":
			p.done.do = redirect
			p.destination(arguments)
		case "accept", "drop", "reject", "return", "jump", "goto":
			if p.done.do == pass { // a tproxy has an accept after it
				p.done.do, p.done.chain = verdict(kind), scalar(arguments["target"])
			}
		}
	}
}

func verdict(kind string) action {
	switch kind {
	case "accept":
		return accept
	case "drop", "reject":
		return drop
	case "return":
		return comeBack
	case "jump":
		return jump
	case "goto":
		return jumpForGood
	default:
		return pass
	}
}

// extension is a match or a target of iptables, whose options nft does not show.
func (p *nftRule) extension(kind, name string) {
	switch {
	case kind == "target" && p.done.do == pass:
		p.done.do = targetAction(name)
	case kind == "match" && name == "comment":
		p.commented = true
	case kind != "target": // older versions do not tell what it is
		p.add(constant(unsure))
	}
}

func (p *nftRule) match(m object) {
	op := scalar(m["op"])
	c := p.condition(m["left"], m["right"])
	switch op {
	case "==", "in", "":
	case "!=":
		holds := c.fit
		c = condition{fit: func(r request) fit { return holds(r).not() }, inInterface: c.inInterface}
		if other := p.otherProtocol(m["left"]); other != nil { // a rule for UDP does not hold for TCP
			c = condition{fit: func(r request) fit { return min(other(r), holds(r).not()) }, inInterface: c.inInterface}
		}
	default:
		c = constant(unsure)
	}
	p.add(c)
}

// verdictMap makes a rule of each verdict. They hold for different packets, so that their order does not matter.
func (p *nftRule) verdictMap(m object) {
	for _, e := range p.elements(m["data"]) {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 {
			continue
		}
		r := p.done
		r.conditions = append(slices.Clip(r.conditions), p.condition(m["key"], pair[0]))
		verdicts, _ := pair[1].(object)
		for kind, v := range verdicts {
			arguments, _ := v.(object)
			r.do, r.chain = verdict(kind), scalar(arguments["target"])
		}
		p.before = append(p.before, r)
	}
}

// destination reads where a rule redirects to. A map is a condition too: without an element, nothing is redirected.
func (p *nftRule) destination(d object) {
	if m, ok := d["addr"].(object); ok {
		if lookup, ok := m["map"].(object); ok {
			p.lookup(lookup)
		}
		return
	}
	to, port := scalar(d["addr"]), scalar(d["port"])
	switch {
	case to == "" && port == "":
		p.done.redirectTo("this machine")
		p.done.target = netip.AddrPortFrom(netip.IPv4Unspecified(), servicePort)
	case to == "":
		p.done.targetOption(option{name: "--to-ports", values: []string{port}})
	case port == "":
		p.done.redirectTo(to)
	default:
		if strings.Contains(to, ":") {
			to = "[" + to + "]"
		}
		p.done.redirectTo(to + ":" + port)
	}
}

func (p *nftRule) lookup(m object) {
	var keys []any
	for _, e := range p.elements(m["data"]) {
		if pair, ok := e.([]any); ok && len(pair) == 2 {
			keys = append(keys, pair[0])
		}
	}
	p.add(p.condition(m["key"], object{"set": keys}))
	p.done.to = "an address of a map"
}

// elements are those of a set or a map, by itself or by its name.
func (p *nftRule) elements(v any) []any {
	switch v := v.(type) {
	case string:
		if name, ok := strings.CutPrefix(v, "@"); ok {
			return p.sets[p.table.family+" "+p.table.name+" "+name]
		}
	case object:
		elements, _ := v["set"].([]any)
		return elements
	}
	return nil
}

// ruleTexts reads the rules of "nft -a list ruleset", by family, table and handle.
func ruleTexts(text string) map[string]string {
	texts := map[string]string{}
	in := ""
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "table" && line[0] == 't' {
			in = words[1] + " " + words[2]
			continue
		}
		shown, handle, ok := strings.Cut(strings.TrimSpace(line), " # handle ")
		if ok && !strings.HasSuffix(shown, "{") {
			texts[in+" "+handle] = strings.Join(strings.Fields(shown), " ")
		}
	}
	return texts
}
