package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/server"
	"mock-ec2-metadata/internal/web"
)

// surface is what an address of the daemon serves. A request that software is tricked into reaches one service only, as in AWS
// (container-credentials-reference section 10.2).
type surface int

const (
	everything surface = iota // each service under its own paths
	metadataOnly
	ecsOnly
	podIdentityOnly
)

// String names what an address serves alone.
func (s surface) String() string {
	return [...]string{everything: "all", metadataOnly: "instance metadata", ecsOnly: "ECS", podIdentityOnly: "EKS Pod Identity"}[s]
}

// surfaceOf returns what a client can ask at the address that it has connected to.
func (a *App) surfaceOf(r *http.Request) surface { return a.surfaceAt(web.Local(r), web.Listener(r)) }

// surfaceAt returns what a listener serves at one of its addresses.
func (a *App) surfaceAt(local netip.Addr, listener string) surface {
	switch {
	case isServiceAddress(local):
		return metadataOnly
	case guard.IsECS(local):
		return ecsOnly
	case guard.IsPodIdentity(local):
		return podIdentityOnly
	default:
		return a.surfaces[listener]
	}
}

// serviceIPv4 and serviceIPv6 are EC2's addresses of the metadata service (imds-reference section 1).
var (
	serviceIPv4 = netip.MustParseAddr("169.254.169.254")
	serviceIPv6 = netip.MustParseAddr("fd00:ec2::254")
)

func isServiceAddress(a netip.Addr) bool {
	return a == serviceIPv4 || a.WithZone("") == serviceIPv6
}

// bind opens the listeners.
func (a *App) bind(ctx context.Context) error {
	c := a.opt.Config.Config
	var addresses []string
	if !a.opt.WithoutListen {
		addresses = append(addresses, c.Server.Listen...)
	}
	addresses = append(addresses, a.opt.Listen...)
	open := slices.Clone(addresses)
	for _, l := range a.opt.Listeners {
		open = append(open, l.Addr().String())
	}
	for i := range c.Clients {
		for _, address := range c.Clients[i].Listen {
			if slices.Contains(open, address) {
				continue
			}
			open = append(open, address) // without entries, too: no restart would open it
			if !a.opt.WithoutEntries {
				addresses, a.builder.ofEntries = append(addresses, address), append(a.builder.ofEntries, address)
			}
		}
	}
	a.builder.listeners = open
	var err error
	if a.server, err = server.Listen(ctx, a.log, addresses, a.opt.Listeners...); err != nil || a.opt.WithoutEntries {
		return err
	}
	a.surfaces = map[string]surface{}
	if c.ECS.Enabled {
		err = a.bindService(ctx, "ecs", c.ECS.Listen, ecsOnly)
	}
	if err == nil && c.PodIdentity.Enabled {
		err = a.bindService(ctx, "pod_identity", c.PodIdentity.Listen, podIdentityOnly)
	}
	if err != nil {
		a.server.Close()
	}
	return err
}

// bindService opens the listeners for one service alone. An address that containers have built in is left out where this process cannot
// have it: the service is at the addresses of server.listen, too, from where redirects and SDKs on this machine reach it.
func (a *App) bindService(ctx context.Context, block string, addresses []string, serves surface) error {
	for _, address := range addresses {
		if slices.ContainsFunc(a.server.Names(), func(name string) bool { return Covers(name, address) }) {
			continue // the local address of a connection says what it may ask
		}
		name, err := a.server.Add(ctx, address)
		switch {
		case err == nil:
			a.surfaces[name] = serves
		case server.IsUnavailable(err) && isContainerListener(address):
			hint := "to put the address on this machine and listen there, start as root with --link-local"
			if strings.HasPrefix(address, "[") {
				hint += "; where IPv6 is off, leave it out of " + block + ".listen"
			}
			a.log.Warn("not listening at an address of containers", "key", block+".listen", "error", errors.Unwrap(err), "hint", hint)
		default:
			return fmt.Errorf("%s.listen: %w", block, err)
		}
	}
	return nil
}

// Covers reports whether a listener is open at an address: the same one, or that of all interfaces.
func Covers(listener, address string) bool {
	host, port, err := net.SplitHostPort(listener)
	wanted, parseErr := netip.ParseAddrPort(address)
	switch {
	case strings.HasSuffix(address, ":0"):
		return false // another port
	case err != nil || parseErr != nil || port != fmt.Sprint(wanted.Port()):
		return listener == address
	}
	all, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return true
	case err != nil:
		return false
	default:
		return all == wanted.Addr() || all.IsUnspecified() && (all.Is6() || wanted.Addr().Is4())
	}
}

// isContainerListener reports whether a listener is at an address that containers have built in.
func isContainerListener(hostPort string) bool {
	a, err := netip.ParseAddrPort(hostPort)
	return err == nil && (guard.IsECS(a.Addr()) || guard.IsPodIdentity(a.Addr()))
}
