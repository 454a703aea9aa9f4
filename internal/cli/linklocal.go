package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/route"
	"mock-ec2-metadata/internal/sdkenv"
)

// lockWait is how long --keep-address waits for another daemon that puts addresses in place or takes them away.
const lockWait = 15 * time.Second

// linkLocal is what --link-local adds to the daemon.
type linkLocal struct {
	listen []string
	stop   func() // removes the addresses
}

// startLinkLocal puts the addresses of the metadata service, and of containers' services that are on, on this machine, under
// --link-local. It needs root.
func startLinkLocal(ctx context.Context, f *flags, log *slog.Logger, c *config.Config) (*linkLocal, error) {
	if f.keep && !f.linkLocal {
		return nil, &usageError{errors.New("--keep-address is for --link-local")}
	}
	if !f.linkLocal {
		return &linkLocal{stop: func() {}}, nil
	}
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("--link-local needs Linux, and this is %s; leave it out, and put the address in place with: %s", runtime.GOOS, route.HowTo(runtime.GOOS))
	}
	services := servicesOf(c)
	if err := refuseOccupied(ctx, "--link-local", services.Addresses()); err != nil {
		return nil, err
	}
	put := func() (func(), error) { return route.StartHolder(ctx, log, services) }
	if f.keep {
		put = func() (func(), error) { return func() {}, addServices(ctx, services) }
	}
	stop, err := put()
	if err != nil {
		return nil, err
	}
	return &linkLocal{listen: linkLocalListen(c.Server.Listen), stop: stop}, nil
}

// addServices puts the services' addresses in place, where they stay.
func addServices(ctx context.Context, s route.Services) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := route.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	_, err = route.Add(ctx, netip.AddrPort{}, s)
	return err
}

// servicesOf returns the services that the configuration has on.
func servicesOf(c *config.Config) route.Services {
	return route.Services{ECS: c.ECS.Enabled, PodIdentity: c.PodIdentity.Enabled}
}

// refuseOccupied fails if something answers at one of the services' addresses. It asks at all of them at once. doing is the
// command or flag that needs them.
func refuseOccupied(ctx context.Context, doing string, addresses []netip.Addr) error {
	errs := make([]error, len(addresses))
	var asking sync.WaitGroup
	for i, a := range addresses {
		asking.Go(func() {
			if s, ok := containerServiceAt(a); ok {
				errs[i] = s.refuseAnswer(ctx, route.URL(a), doing)
			} else {
				errs[i] = refuseAnswer(ctx, route.URL(a), doing)
			}
		})
	}
	asking.Wait()
	return cmp.Or(errs...)
}

// refuseAnswer fails if something answers at base, and says what.
func refuseAnswer(ctx context.Context, base *url.URL, doing string) error {
	s, err := probe.Status(ctx, base.JoinPath("status").String())
	stranger, isStranger := errors.AsType[*probe.StrangerError](err)
	switch {
	case err == nil:
		return fmt.Errorf("another mock-ec2-metadata, %s, already answers at %s; stop it, or leave out %s",
			s.Serves(), base, doing)
	case isStranger && probe.IsEC2(ctx, base, stranger):
		return fmt.Errorf("a real EC2 metadata service already answers at %s, and %s would hide it from this machine; leave that out, and tell SDKs where the daemon is, for example: export %s=http://127.0.0.1:5000/",
			base, doing, sdkenv.EndpointVariable)
	case isStranger:
		return fmt.Errorf("%w; stop it, or leave out %s", err, doing)
	default:
		return nil
	}
}

func newRouteHold() *cobra.Command {
	return &cobra.Command{
		Use:    "hold [SERVICE]...",
		Short:  "Keep the addresses on this machine until the input ends; serve --link-local runs this",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			services, err := route.ParseServices(args)
			if err != nil {
				return &usageError{err}
			}
			return route.Hold(cmd.InOrStdin(), cmd.OutOrStdout(), services)
		},
	}
}
