package docker

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// The engine's documents, as far as they are used. Addresses are texts here, since engines write "" for none, and Docker
// before 27 writes gateways with a prefix length.

type wireNetwork struct {
	IPAM struct {
		Config []struct{ Subnet, Gateway string }
	}
}

type wireEndpoint struct {
	NetworkID, MacAddress        string
	IPAddress, GlobalIPv6Address string
	IPAMConfig                   *struct{ LinkLocalIPs []string }
}

// wireSettings has an endpoint of its own, the one on the default network: early Podman has no other.
type wireSettings struct {
	wireEndpoint
	Networks map[string]*wireEndpoint
}

type wireSummary struct {
	ID              string `json:"Id"`
	NetworkSettings *wireSettings
}

type wireInspect struct {
	ID    string `json:"Id"`
	Name  string
	State *struct {
		Running, Paused, Restarting bool
		StartedAt                   string
	}
	Config *struct {
		Labels map[string]string
		Env    []string // has secrets: only the role and an endpoint are kept
	}
	HostConfig      *struct{ NetworkMode string }
	NetworkSettings *wireSettings
}

// container is a running one. It never changes.
type container struct {
	id        string
	started   time.Time
	endpoints []endpoint
	shown     []netip.Addr // what the engine showed, sorted; endpoints may have fewer
	workload  *caller.Workload
	project   string // as in caller.Running
	endpoint  string // likewise
}

// endpoint is a container's place in one network.
type endpoint struct {
	network string // its id (Docker) or name (Podman); "" if not told
	addrs   []netip.Addr
	mac     mac // zero if not told
}

// container returns nil if it does not run.
func (d *wireInspect) container(roles []roleSource) *container {
	// Docker calls a container that waits for its next start running as well.
	if d.ID == "" || d.State == nil || d.State.Restarting || !d.State.Running && !d.State.Paused {
		return nil
	}
	c := &container{id: d.ID, workload: &caller.Workload{ID: d.ID}}
	c.started, _ = time.Parse(time.RFC3339Nano, d.State.StartedAt)
	name := strings.TrimPrefix(d.Name, "/")
	c.workload.Name = "container " + printable(cmp.Or(name, d.ID[:min(len(d.ID), 12)]), 2*maxQuoted)
	if d.Config != nil {
		c.workload.Role, c.workload.Source = chooseRole(roles, d.Config.Labels, d.Config.Env)
		c.project, c.endpoint = chooseName(d.Config.Labels, projectLabels), chooseEndpoint(d.Config.Env)
	}
	endpoints := d.NetworkSettings.endpoints()
	c.shown = addresses(endpoints)
	// Podman shows the addresses of the container whose network it shares as its own.
	if d.HostConfig == nil || !strings.HasPrefix(d.HostConfig.NetworkMode, "container:") {
		c.endpoints = endpoints
	}
	return c
}

// endpoints are those with an address, the default one last if no other has its addresses.
func (s *wireSettings) endpoints() []endpoint {
	if s == nil {
		return nil
	}
	var all []endpoint
	seen := map[netip.Addr]bool{}
	add := func(w *wireEndpoint) {
		if w == nil {
			return
		}
		e := endpoint{network: w.NetworkID}
		texts := []string{w.IPAddress, w.GlobalIPv6Address}
		if w.IPAMConfig != nil {
			texts = append(texts, w.IPAMConfig.LinkLocalIPs...)
		}
		for _, text := range texts {
			if a, ok := parseAddr(text); ok && !seen[a] {
				seen[a] = true
				e.addrs = append(e.addrs, a)
			}
		}
		if m, err := net.ParseMAC(w.MacAddress); err == nil && len(m) == len(e.mac) {
			e.mac = mac(m)
		}
		if len(e.addrs) > 0 {
			all = append(all, e)
		}
	}
	for _, w := range s.Networks {
		add(w)
	}
	add(&s.wireEndpoint)
	return all
}

// addresses are all of endpoints, sorted.
func addresses(endpoints []endpoint) []netip.Addr {
	var all []netip.Addr
	for _, e := range endpoints {
		all = append(all, e.addrs...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// without returns c less the endpoints that drop chooses. It returns c itself if there are none.
func (c *container) without(drop func(endpoint) bool) *container {
	if !slices.ContainsFunc(c.endpoints, drop) {
		return c
	}
	less := *c
	less.endpoints = slices.DeleteFunc(slices.Clone(c.endpoints), drop)
	return &less
}

// parseAddr takes an address with or without a prefix length.
func parseAddr(text string) (netip.Addr, bool) {
	text, _, _ = strings.Cut(text, "/")
	a, err := netip.ParseAddr(text)
	if err != nil || a.IsUnspecified() || a.IsLoopback() {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// parseNetworks leaves out what is no subnet.
func parseNetworks(list []wireNetwork) networks {
	n := networks{gateways: map[netip.Addr]bool{}}
	for _, w := range list {
		for _, c := range w.IPAM.Config {
			p, err := netip.ParsePrefix(c.Subnet)
			if err == nil {
				n.subnets = append(n.subnets, p.Masked())
			}
			if a, ok := parseAddr(c.Gateway); ok {
				n.gateways[a] = true
			} else if c.Gateway == "" && err == nil {
				n.gateways[p.Masked().Addr().Next()] = true // Docker does not list the one that it has chosen itself
			}
		}
	}
	return n
}
