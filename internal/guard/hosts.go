package guard

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// knownHost is the last Host that was let in: most requests have the same.
type knownHost struct {
	rules *Rules
	name  string
}

// judgeHost lets in the names that no page on the internet can have: a page that makes its own name lead here (DNS
// rebinding) sends that name.
func (g *Guard) judgeHost(rules *Rules, r *http.Request) *refusal {
	if last := g.host.Load(); last != nil && last.rules == rules && last.name == r.Host {
		return nil
	}
	if hostAllowed(r.Host, rules.Hosts) {
		g.host.Store(&knownHost{rules, strings.Clone(r.Host)})
		return nil
	}
	return forbidden("hosts", "Host %.100q is not let in, for it may be a web page's (DNS rebinding); to let it in, add the name to server.allow_hosts", r.Host)
}

// hostAllowed is true for IP literals, names without a dot, localhost, *.localhost, *.internal, *.local and the names in
// allowed, each with a port or without. No Host at all is what HTTP/1.0 has.
func hostAllowed(host string, allowed []string) bool {
	if host == "" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	name := host
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		if name = host[:i]; !isPort(host[i+1:]) {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return ok && err == nil && a.Is6()
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Is4()
	}
	if !isName(name) {
		return false
	}
	if !strings.Contains(name, ".") {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || slices.Contains(allowed, name) ||
		slices.ContainsFunc([]string{".localhost", ".internal", ".local"}, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// isName is true for what can be a name at all. Whatever else stands in a Host is not to be compared by its end.
func isName(name string) bool {
	for _, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return name != "" && name[0] != '.' && !strings.Contains(name, "..")
}

func isPort(port string) bool {
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(port) <= 5
}
