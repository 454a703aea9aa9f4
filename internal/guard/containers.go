package guard

import (
	"net/netip"
	"slices"
	"strings"
)

// ecsAddr and podAddrs are the addresses that containers of ECS and pods of EKS have built in (container-credentials-reference
// sections 3.1 and 5.2).
var (
	ecsAddr  = netip.MustParseAddr("169.254.170.2")
	podAddrs = []netip.Addr{netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23")}
)

// IsECS reports whether an address of this machine is that of ECS' credentials and task metadata.
func IsECS(local netip.Addr) bool { return local == ecsAddr }

// IsPodIdentity reports whether an address of this machine is one of EKS Pod Identity.
func IsPodIdentity(local netip.Addr) bool { return slices.Contains(podAddrs, local.WithZone("")) }

// judgeContainerHost allows, at the addresses of containers, these addresses alone. SDKs know them by no name. decided is false at all
// other addresses.
func judgeContainerHost(local netip.Addr, host string) (denied *refusal, decided bool) {
	switch {
	case IsECS(local):
		if host == "" || bareHost(host) == ecsAddr.String() {
			return nil, true
		}
		return forbidden("hosts", "Host %.100q is not allowed here: it may be a web page's (DNS rebinding); ask %s", host, ecsAddr), true
	case IsPodIdentity(local):
		a, err := netip.ParseAddr(bareHost(host))
		if host == "" || err == nil && slices.Contains(podAddrs, a) {
			return nil, true
		}
		// The agent's own words (container-credentials-reference section 5.4).
		return forbidden("hosts", "Access Denied. Called agent through invalid address, please use either [%s %s] address not %.100s",
			podAddrs[0], podAddrs[1], strings.Map(onlyPrintable, bareHost(host))), true
	default:
		return nil, false
	}
}

// bareHost returns a Host without its port and brackets.
func bareHost(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, port, closed := strings.Cut(inner, "]")
		if !closed || port != "" && (port[0] != ':' || !isPort(port[1:])) {
			return host
		}
		return inner
	}
	if name, port, ok := strings.Cut(host, ":"); ok && isPort(port) {
		return name
	}
	return host
}

func onlyPrintable(c rune) rune {
	if c < ' ' || c > '~' {
		return '?'
	}
	return c
}
