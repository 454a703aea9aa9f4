package config

import (
	"cmp"
	"net"
	"net/netip"
)

// validateListeners refuses listeners of entries of clients that cannot be opened beside another one: an address of all interfaces
// takes the port of each.
func (l *loader) validateListeners() {
	ports := map[string]*portUse{} // by port and family
	for _, address := range l.config.Server.Listen {
		noteListener(ports, address)
	}
	seen := map[string]string{} // the key of each address
	for _, address := range l.config.Server.Listen {
		seen[address] = "server.listen"
	}
	for _, c := range []struct {
		key     string
		listen  []string
		enabled bool
	}{
		{"ecs.listen", l.config.ECS.Listen, l.config.ECS.Enabled},
		{"pod_identity.listen", l.config.PodIdentity.Listen, l.config.PodIdentity.Enabled},
		{controlListenPath, []string{l.config.Server.ControlListen}, l.config.Server.ControlListen != ""},
		{consolePath, []string{l.config.Server.Console}, l.config.Server.HasConsoleAddress()},
		{metricsListenPath, []string{l.config.Metrics.Listen}, l.config.Metrics.Listen != "" && SocketPath(l.config.Metrics.Listen) == ""},
	} {
		for j, address := range c.listen {
			if !c.enabled || isContainerAddress(address) { // one of these may be covered: the address that clients ask says what they get
				continue
			}
			_, port, _ := net.SplitHostPort(address)
			if first, again := seen[address]; again && port != "0" {
				l.wrongElement(c.key, j, "%s is in %s, too; choose another port", address, first)
				continue
			}
			seen[address] = c.key
			if other := noteListener(ports, address); other != "" {
				l.wrongElement(c.key, j, "%s cannot be opened beside %s, which has the same port on the same interface; choose another port", address, other)
			}
		}
	}
	for i := range l.config.Clients {
		for j, address := range l.config.Clients[i].Listen {
			if key := seen[address]; key == controlListenPath || key == consolePath || key == metricsListenPath {
				at := l.clientScopes[i].where(element("listen", j))
				l.problems.add(at, element("clients", i)+".listen", "%s is in %s, too; choose another port", address, key)
				continue
			}
			if other := noteListener(ports, address); other != "" {
				at := l.clientScopes[i].where(element("listen", j))
				l.problems.add(at, element("clients", i)+".listen",
					"%s cannot be opened beside %s, which has the same port on the same interface; choose another port", address, other)
			}
		}
	}
}

// portUse is who uses a port: the first address of all interfaces, and the first other one.
type portUse struct{ all, one string }

// noteListener notes an address, and returns one that it cannot be opened beside; "" if there is none.
func noteListener(ports map[string]*portUse, address string) (other string) {
	host, port, _ := net.SplitHostPort(address)
	if port == "0" {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	families := "4" // names are of IPv4 first
	switch {
	case host == "" || err == nil && ip.Unmap().Is6() && ip.IsUnspecified():
		families = "46" // [::] is of both
	case err == nil && ip.Unmap().Is6():
		families = "6"
	}
	for _, family := range families {
		key := port + "/" + string(family)
		if ports[key] == nil {
			ports[key] = &portUse{}
		}
		use := ports[key]
		if host == "" || err == nil && ip.IsUnspecified() {
			use.all = cmp.Or(use.all, address)
			other = cmp.Or(other, use.one)
		} else {
			use.one = cmp.Or(use.one, address)
			other = cmp.Or(other, use.all)
		}
	}
	return other
}
