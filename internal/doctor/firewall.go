package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/netfilter"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/route"
)

// examineFirewall looks for rules of others that take the service's addresses away: from this machine's own requests, and
// from those of containers and virtual machines.
func (d *doctor) examineFirewall(ctx context.Context) Finding {
	if d.filters == nil {
		return Finding{Mark: Skip, Text: "not tried: only Linux's packet filters are known"}
	}
	places, err := d.machine.places(d.services())
	if err != nil {
		return failure(err)
	}
	var fails, notes []string
	takings, complete := netfilter.Find(d.filters.chains, d.machine.netfilter(places))
	for _, t := range takings {
		switch {
		case d.isOurs(ctx, &t):
		case t.Sure:
			fails = append(fails, t.String())
		default:
			notes = append(notes, t.String())
		}
	}
	if !complete {
		d.filters.failed(fmt.Errorf("there are too many rules"), "sudo nft list ruleset")
	}
	if note := d.filters.note(); note != "" {
		notes = append(notes, note)
	}
	note := Finding{Mark: Note, Text: strings.Join(notes, "\n")}
	switch {
	case len(fails) > 0 && len(notes) > 0:
		return Finding{Mark: Fail, Text: strings.Join(fails, "\n"), also: &note}
	case len(fails) > 0:
		return Finding{Mark: Fail, Text: strings.Join(fails, "\n")}
	case len(notes) > 0:
		return note
	default:
		return Finding{Mark: OK, Text: "no rule of nft or iptables takes the service's addresses away"}
	}
}

// services are those whose addresses clients ask, by the configuration.
func (d *doctor) services() route.Services {
	if d.loaded == nil {
		return route.Services{}
	}
	return route.Services{ECS: d.loaded.Config.ECS.Enabled, PodIdentity: d.loaded.Config.PodIdentity.Enabled}
}

// netfilter describes this machine to the walk through its rules.
func (m machine) netfilter(places []route.Place) netfilter.Machine {
	n := netfilter.Machine{
		Virtual:  slices.DeleteFunc(m.virtual(), func(name string) bool { return name == route.Interface }),
		LeadsOut: func(name string) bool { return m.exists("sys/class/net/" + name + "/device") },
	}
	for _, p := range places {
		n.Service = append(n.Service, netfilter.Place{Address: p.Address, Local: p.Interface != ""})
	}
	return n
}

// isOurs tells whether a rule is nat.sh's, or leads to the daemon.
func (d *doctor) isOurs(ctx context.Context, t *netfilter.Taking) bool {
	target, ours, redirects := t.Redirects()
	a := target.Addr()
	switch {
	case !redirects:
		return false
	case ours:
		return true
	case !target.IsValid():
		return false
	case (a.IsUnspecified() || a.IsLoopback() || d.machine.has(a)) && slices.Contains(d.ports(), target.Port()):
		return true
	case d.daemon == nil || d.daemon.StartedAt.IsZero():
		return false
	}
	there, err := probe.Status(ctx, "http://"+target.String()+"/status") // in a container of this machine, maybe
	return err == nil && there.StartedAt.Equal(d.daemon.StartedAt)
}

// ports are those where the daemon listens.
func (d *doctor) ports() []uint16 {
	listen := []string{d.found}
	if d.loaded != nil {
		listen = append(listen, d.loaded.Config.Server.Listen...)
	}
	var ports []uint16
	for _, address := range listen {
		_, port, _ := net.SplitHostPort(address)
		if p, err := strconv.ParseUint(port, 10, 16); err == nil {
			ports = append(ports, uint16(p))
		}
	}
	return ports
}
