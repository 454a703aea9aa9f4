package netfilter

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// nftField is what the left side of a match looks at.
type nftField struct {
	// is compares it with one value, which is no set.
	is func(value any, r request) fit
	// only are the packets that have it: a rule for UDP holds for no other.
	only func(r request) fit
	// what it is, if a rule with it names the service or an interface
	to, port, in bool
}

// condition compares the left side of a match with the right side.
func (p *nftRule) condition(left, right any) condition {
	parts := concatenated(left)
	fields := make([]nftField, len(parts))
	for i, part := range parts {
		fields[i] = fieldOf(part)
	}
	values := p.values(right, 0)
	c := condition{fit: func(r request) fit {
		f := never
		for _, v := range values {
			f = max(f, fitAll(fields, v, r))
		}
		return f
	}}
	for i, f := range fields {
		c.namesTo = c.namesTo || f.to && !slices.ContainsFunc(values, func(v any) bool { return everywhere(component(v, i)) })
		c.namesPort = c.namesPort || f.port
		for _, v := range values {
			if f.in {
				c.inInterface = strings.ReplaceAll(scalar(component(v, i)), "*", "0")
			}
		}
	}
	return c
}

// fitAll compares all parts of a concatenation.
func fitAll(fields []nftField, value any, r request) fit {
	f := always
	for i, field := range fields {
		if field.only != nil {
			f = min(f, field.only(r))
		}
		f = min(f, field.is(component(value, i), r))
	}
	return f
}

// otherProtocol is the condition that the left side adds by itself; nil without.
func (p *nftRule) otherProtocol(left any) func(request) fit {
	if parts := concatenated(left); len(parts) == 1 {
		return fieldOf(parts[0]).only
	}
	return nil
}

// concatenated are the parts of a concatenation, or the one of anything else.
func concatenated(v any) []any {
	if o, ok := v.(object); ok {
		if parts, ok := o["concat"].([]any); ok {
			return parts
		}
	}
	return []any{v}
}

// component is one part of a value.
func component(v any, i int) any {
	if parts := concatenated(v); i < len(parts) {
		return parts[i]
	}
	return nil
}

// values are the values of a right side: those of a set, of a list, or one.
func (p *nftRule) values(v any, depth int) []any {
	const maxDepth = 8
	if depth > maxDepth {
		return nil
	}
	list, isList := v.([]any)
	switch o, _ := v.(object); {
	case isList:
	case o["elem"] != nil:
		e, _ := o["elem"].(object)
		return p.values(e["val"], depth+1)
	case o["set"] != nil || strings.HasPrefix(scalar(v), "@"):
		list = p.elements(v)
	default:
		return []any{v}
	}
	var all []any
	for _, e := range list {
		all = append(all, p.values(e, depth+1)...)
	}
	return all
}

func everywhere(v any) bool {
	o, _ := v.(object)
	prefix, ok := o["prefix"].(object)
	return ok && scalar(prefix["len"]) == "0" || scalar(v) == "*"
}

// fieldOf says what a part of the left side looks at.
func fieldOf(left any) nftField {
	o, _ := left.(object)
	if payload, ok := o["payload"].(object); ok {
		return payloadField(scalar(payload["protocol"]), scalar(payload["field"]))
	}
	if meta, ok := o["meta"].(object); ok {
		return metaField(scalar(meta["key"]))
	}
	if ct, ok := o["ct"].(object); ok {
		switch name := scalar(ct["key"]); name {
		case "state":
			return words("new")
		case "status": // a new connection has none
			return words()
		case "ip daddr", "ip6 daddr", "daddr":
			return payloadField(strings.TrimSuffix(name, " daddr"), "daddr")
		}
	}
	if fib, ok := o["fib"].(object); ok && scalar(fib["result"]) == "type" {
		if flags, _ := fib["flags"].([]any); len(flags) == 1 && flags[0] == "daddr" {
			return nftField{is: func(v any, r request) fit { return typeFit([]string{scalar(v)}, r) }}
		}
	}
	return unknown(unsure)
}

func payloadField(protocol, field string) nftField {
	isIPv4 := func(r request) fit { return fitOf(r.to.Is4()) }
	isIPv6 := func(r request) fit { return fitOf(r.to.Is6()) }
	noTCP := func(request) fit { return never }
	switch protocol + " " + field {
	case "ip daddr":
		return nftField{is: nftAddress, only: isIPv4, to: true}
	case "ip6 daddr":
		return nftField{is: nftAddress, only: isIPv6, to: true}
	case "daddr daddr":
		return nftField{is: nftAddress, to: true}
	case "ip saddr":
		return nftField{is: func(any, request) fit { return some }, only: isIPv4}
	case "ip6 saddr":
		return nftField{is: func(any, request) fit { return some }, only: isIPv6}
	case "ether saddr":
		return unknown(some)
	case "tcp dport", "th dport":
		return nftField{is: func(v any, _ request) fit { return fitOf(nftPort(v)) }, port: true}
	case "tcp flags":
		return words("syn")
	case "ip protocol":
		return nftField{is: words("tcp", "6").is, only: isIPv4}
	case "ip6 nexthdr":
		return nftField{is: words("tcp", "6").is, only: isIPv6}
	case "ether type":
		return metaField("protocol")
	}
	switch protocol {
	case "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite", "esp", "ah", "arp":
		return nftField{is: unknown(never).is, only: noTCP}
	case "ip":
		return nftField{is: unknown(unsure).is, only: isIPv4}
	case "ip6":
		return nftField{is: unknown(unsure).is, only: isIPv6}
	default:
		return unknown(unsure)
	}
}

func metaField(name string) nftField {
	switch name {
	case "l4proto":
		return words("tcp", "6")
	case "nfproto":
		return nftField{is: func(v any, r request) fit { return fitOf(scalar(v) == "ipv4" == r.to.Is4()) }}
	case "protocol":
		return nftField{is: func(v any, r request) fit {
			return fitOf(scalar(v) == "ip" && r.to.Is4() || scalar(v) == "ip6" && r.to.Is6())
		}}
	case "iifname", "iif":
		return nftField{is: func(v any, r request) fit { return fitOf(interfaceFits(scalar(v), "*", r.in)) }, in: true}
	case "oifname", "oif":
		return nftField{is: func(v any, r request) fit { return outFit(scalar(v), "*", r) }}
	case "skuid", "skgid", "iifgroup", "iiftype", "iifkind", "cgroup", "ibrname":
		return unknown(some)
	default:
		return unknown(unsure)
	}
}

// words is a field that has one value, in one of its spellings.
func words(is ...string) nftField {
	return nftField{is: func(v any, _ request) fit { return fitOf(slices.Contains(is, scalar(v))) }}
}

func unknown(f fit) nftField { return nftField{is: func(any, request) fit { return f }} }

// nftAddress compares an address with a prefix, a range or another address.
func nftAddress(v any, r request) fit {
	o, _ := v.(object)
	if prefix, ok := o["prefix"].(object); ok {
		return addressFit(scalar(prefix["addr"])+"/"+scalar(prefix["len"]), r.to)
	}
	if bounds, ok := o["range"].([]any); ok && len(bounds) == 2 {
		return addressFit(scalar(bounds[0])+"-"+scalar(bounds[1]), r.to)
	}
	if _, err := netip.ParseAddr(scalar(v)); err != nil && scalar(v) != "*" {
		return unsure
	}
	return max(addressFit(scalar(v), r.to), fitOf(scalar(v) == "*"))
}

// nftPort tells whether a port, a range or a name is the service's.
func nftPort(v any) bool {
	o, _ := v.(object)
	if bounds, ok := o["range"].([]any); ok && len(bounds) == 2 {
		low, high, ok := portRange(scalar(bounds[0]) + ":" + scalar(bounds[1]))
		return ok && low <= servicePort && servicePort <= high
	}
	return slices.Contains([]string{strconv.Itoa(servicePort), "http", "*"}, scalar(v))
}
