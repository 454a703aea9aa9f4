package guard

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// judgeHost allows the names that no page on the internet can have. A page that makes its own name lead here (DNS rebinding)
// sends that name.
func judgeHost(rules *Rules, r *http.Request) *refusal {
	if denied, decided := judgeContainerHost(web.Local(r), r.Host); decided {
		return denied
	}
	if hostAllowed(r.Host, rules.Hosts) {
		return nil
	}
	return forbidden("hosts", "Host %.100q is not allowed: it may be a web page's (DNS rebinding); add the name to server.allow_hosts", r.Host).
		unless("server.allow_hosts", strings.ToLower(strings.TrimSuffix(bareHost(r.Host), ".")))
}

// hostAllowed allows IP literals, names without a dot, localhost, *.localhost, *.internal, *.local and the names in allowed,
// with or without a port. Names may end with the dot of DNS's root: cloud-init asks instance-data.:8773. HTTP/1.0 has no Host.
func hostAllowed(host string, allowed []string) bool {
	if host == "" {
		return true
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, port, ok := strings.Cut(inner, "]")
		a, err := netip.ParseAddr(inner)
		return ok && err == nil && a.Is6() && (port == "" || port[0] == ':' && isPort(port[1:]))
	}
	if strings.Count(host, ":") > 1 {
		_, err := netip.ParseAddr(host)
		return err == nil
	}
	name, port, _ := strings.Cut(host, ":")
	if !isPort(port) || !isName(name) {
		return false
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Is4()
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !strings.Contains(name, ".") {
		return true
	}
	return name == "localhost" || slices.Contains(allowed, name) ||
		slices.ContainsFunc([]string{".localhost", ".internal", ".local"}, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// isName tells whether a text can be a host name. Other texts must not be compared by their suffix.
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
