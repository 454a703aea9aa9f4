package netfilter

import (
	"net/netip"
	"slices"
	"strings"
)

// constant is a condition that does not depend on the request.
func constant(f fit) condition { return condition{fit: func(request) fit { return f }} }

// isEverywhere tells whether a network is 0.0.0.0/0 or ::/0.
func isEverywhere(network string) bool { return strings.HasSuffix(network, "/0") }

// addressFit tells whether an address, a network or a range holds an address.
func addressFit(network string, to netip.Addr) fit {
	if p, err := netip.ParsePrefix(network); err == nil {
		return fitOf(p.Contains(to))
	}
	if a, err := netip.ParseAddr(network); err == nil {
		return fitOf(a == to)
	}
	first, last, _ := strings.Cut(network, "-")
	low, errLow := netip.ParseAddr(first)
	high, errHigh := netip.ParseAddr(last)
	if errLow == nil && errHigh == nil {
		return fitOf(!to.Less(low) && !high.Less(to) && to.Is4() == low.Is4())
	}
	return unsure // such as a mask with gaps
}

// interfaceFits compares the name of an interface with one that may end in a wildcard.
func interfaceFits(name, wildcard, is string) bool {
	if prefix, ok := strings.CutSuffix(name, wildcard); ok {
		return is != "" && strings.HasPrefix(is, prefix)
	}
	return name == is
}

// outFit compares the interface that a request leaves by. Which it is, is known on this machine only.
func outFit(name, wildcard string, r request) fit {
	switch {
	case r.out != "":
		return fitOf(interfaceFits(name, wildcard, r.out))
	case r.local: // it does not leave
		return never
	default:
		return some
	}
}

// typeFit tells whether the address is of one of the types: local, unicast ...
func typeFit(types []string, r request) fit {
	if r.local {
		return fitOf(slices.Contains(types, "local"))
	}
	return fitOf(slices.Contains(types, "unicast"))
}

// flagsFit compares the flags of a connection's first packet, which has SYN alone.
func flagsFit(mask, want string) fit {
	wanted := strings.Split(want, ",")
	for flag := range strings.SplitSeq(mask, ",") {
		if (flag == "syn") != slices.Contains(wanted, flag) {
			return never
		}
	}
	return always
}
