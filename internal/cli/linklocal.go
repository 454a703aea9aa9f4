package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/route"
	"mock-ec2-metadata/internal/sdkenv"
)

// linkLocal is what --link-local adds to the daemon.
type linkLocal struct {
	listen []string
	stop   func() // removes the addresses
}

// startLinkLocal puts the service's addresses on this machine, under --link-local. It needs root.
func startLinkLocal(ctx context.Context, f *flags, log *slog.Logger, listen []string) (*linkLocal, error) {
	if !f.linkLocal {
		return &linkLocal{stop: func() {}}, nil
	}
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("--link-local needs Linux, and this is %s; leave it out, and put the address in place with: %s", runtime.GOOS, route.HowTo(runtime.GOOS))
	}
	if err := refuseOccupied(ctx, "--link-local"); err != nil {
		return nil, err
	}
	stop, err := route.StartHolder(ctx, log)
	if err != nil {
		return nil, err
	}
	return &linkLocal{listen: linkLocalListen(listen), stop: stop}, nil
}

// refuseOccupied fails if something answers at the service's addresses. doing is the command or flag that needs them.
func refuseOccupied(ctx context.Context, doing string) error {
	for _, a := range route.Addresses() {
		if err := refuseAnswer(ctx, route.URL(a), doing); err != nil {
			return err
		}
	}
	return nil
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
		Use:    "hold",
		Short:  "Keep the address on this machine until the input ends; serve --link-local runs this",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return route.Hold(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
