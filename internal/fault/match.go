package fault

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/config"
)

// matcher says which requests a rule is for. What is empty holds for all. It never changes.
type matcher struct {
	paths     []config.PathPattern
	methods   []string
	version   string
	clients   []netip.Prefix // IPv4-mapped ones as IPv4
	userAgent string
}

// newMatcher compiles a match. The error is a *config.FieldError.
func newMatcher(spec config.FaultMatch) (matcher, error) {
	m := matcher{methods: slices.Clone(spec.Methods), version: spec.Version, userAgent: spec.UserAgent}
	for i, text := range spec.Paths {
		p, err := config.ParsePathPattern(text)
		if err != nil {
			return matcher{}, fieldError(fmt.Sprintf("match.paths[%d]", i), problem(err))
		}
		m.paths = append(m.paths, p)
	}
	for i, text := range spec.Clients {
		p, err := parseNetwork(text)
		if err != nil {
			return matcher{}, fieldError(fmt.Sprintf("match.clients[%d]", i), err.Error())
		}
		m.clients = append(m.clients, p)
	}
	return m, nil
}

// problem is what an error says, without a field at fault.
func problem(err error) string {
	if e, ok := errors.AsType[*config.FieldError](err); ok {
		return e.Reason
	}
	return err.Error()
}

// parseNetwork parses an address or a CIDR block, whose bits of a host mean nothing.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, errors.New(strconv.Quote(text) + " is neither an address nor a CIDR block; write e.g. 192.168.56.11 or 172.20.0.0/16")
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p, nil
}

// fits reports whether all that is set holds for a request. client is its address, neither IPv4-mapped nor with a zone.
func (m *matcher) fits(q *Request, client netip.Addr) bool {
	return (m.version == "" || m.version == q.Version) &&
		(len(m.methods) == 0 || slices.Contains(m.methods, q.Method)) &&
		(len(m.paths) == 0 || m.hasPath(q.Path)) &&
		(len(m.clients) == 0 || m.hasClient(client)) &&
		strings.Contains(q.UserAgent, m.userAgent)
}

func (m *matcher) hasPath(path string) bool {
	for _, p := range m.paths {
		if p.Match(path) {
			return true
		}
	}
	return false
}

func (m *matcher) hasClient(client netip.Addr) bool {
	for _, p := range m.clients {
		if p.Contains(client) {
			return true
		}
	}
	return false
}
