package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/route"
)

// containerService is a service that containers ask instead of the metadata service.
type containerService struct {
	name, block string // block is the one of the configuration
	real        string // what answers outside of this program
	answers     func(ctx context.Context, base *url.URL) bool
}

// containerServiceAt returns the service of an address; false for the metadata service's own.
func containerServiceAt(a netip.Addr) (containerService, bool) {
	switch a {
	case route.ECS():
		return containerService{name: "ECS", block: "ecs", real: "ECS agent", answers: probe.ServesECS}, true
	case route.PodIdentityIPv4(), route.PodIdentityIPv6():
		return containerService{
			name: "EKS Pod Identity", block: "pod_identity", real: "agent of EKS Pod Identity", answers: probe.ServesPodIdentity,
		}, true
	default:
		return containerService{}, false
	}
}

// refuseAnswer fails if something answers at base, and says what. A daemon answers /status where a redirect leads to it, and not
// where it listens at the address itself; there it looks like the real agent.
func (s containerService) refuseAnswer(ctx context.Context, base *url.URL, doing string) error {
	remedy := fmt.Sprintf("stop it, or set %s.enabled: false", s.block)
	status, err := probe.Status(ctx, base.JoinPath("status").String())
	_, isStranger := errors.AsType[*probe.StrangerError](err)
	switch {
	case err == nil:
		return fmt.Errorf("another mock-ec2-metadata, %s, already answers at %s; %s", status.Serves(), base, remedy)
	case isStranger && s.answers(ctx, base):
		return fmt.Errorf("a real %s, or an imitation, already answers at %s, and %s would hide it from this machine; %s",
			s.real, base, doing, remedy)
	case isStranger:
		return fmt.Errorf("%w; %s", err, remedy)
	default:
		return nil
	}
}

// askContainerServices asks each of the services for containers at its places. It returns a line for each that answers, and an
// error with the remedy for the first that does not.
func askContainerServices(ctx context.Context, wanted route.Services, places []route.Place) (lines []string, err error) {
	addresses := wanted.Addresses()
	for _, p := range places {
		s, ok := containerServiceAt(p.Address)
		if !ok || !slices.Contains(addresses, p.Address) {
			continue
		}
		base := route.URL(p.Address)
		switch {
		case s.answers(ctx, base):
			lines = append(lines, fmt.Sprintf("%s answers at %s", s.name, base))
		case err == nil && p.Ours:
			err = fmt.Errorf("nothing answers as %s at %s; start or restart the daemon with %s.enabled: true and %s in %[3]s.listen",
				s.name, base, s.block, netip.AddrPortFrom(p.Address, 80))
		case err == nil:
			err = fmt.Errorf("nothing answers as %s at %s; restart the daemon if it has --link-local, else put the address in place with: sudo mock-ec2-metadata route add",
				s.name, base)
		}
	}
	return lines, err
}

// wantedPlaces returns the places of the services' addresses, and of others that an earlier configuration has left.
func wantedPlaces(s route.Services) (places []route.Place, err error) {
	all, err := route.Find(route.Services{ECS: true, PodIdentity: true})
	wanted := s.Addresses()
	for _, p := range all {
		if p.Ours || slices.Contains(wanted, p.Address) {
			places = append(places, p)
		}
	}
	return places, err
}

// ourAddresses returns the addresses that route has put in place.
func ourAddresses(places []route.Place) (ours []netip.Addr) {
	for _, p := range places {
		if p.Ours {
			ours = append(ours, p.Address)
		}
	}
	return ours
}
