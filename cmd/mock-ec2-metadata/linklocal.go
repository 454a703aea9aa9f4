package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/route"
)

const (
	// holdLockTimeout is longer than a daemon that is ending takes to answer its last requests.
	holdLockTimeout = 10 * time.Second
	// holdReady is what route hold prints when the addresses are in place.
	holdReady = "ready"
)

// linkLocal is what --link-local adds to the daemon.
type linkLocal struct {
	listen []string
	stop   func() // takes the addresses away
}

// startLinkLocal puts the service's addresses on this machine, if that is asked for. It has to be root's.
func startLinkLocal(ctx context.Context, f *flags, log *slog.Logger, listen []string) (*linkLocal, error) {
	if !f.linkLocal {
		return &linkLocal{stop: func() {}}, nil
	}
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("--link-local needs Linux, and this is %s; leave it out, and put the address in place by: %s", runtime.GOOS, takeAddress(runtime.GOOS))
	}
	if err := refuseOccupied(ctx, "--link-local"); err != nil {
		return nil, err
	}
	stop, err := startHolder(ctx, log)
	if err != nil {
		return nil, err
	}
	return &linkLocal{listen: linkLocalListen(listen), stop: stop}, nil
}

// refuseOccupied fails if anybody answers at the service's addresses. doing is what wants them.
func refuseOccupied(ctx context.Context, doing string) error {
	for _, a := range route.Addresses() {
		if err := refuseAnswer(ctx, serviceBase(a), doing); err != nil {
			return err
		}
	}
	return nil
}

// refuseAnswer fails if anybody answers at base, and says who.
func refuseAnswer(ctx context.Context, base *url.URL, doing string) error {
	s, err := askStatus(ctx, base.JoinPath("status").String())
	stranger, isStranger := errors.AsType[*strangerError](err)
	switch {
	case err == nil:
		return fmt.Errorf("another mock-ec2-metadata, %s, answers at %s already; stop that, or leave %s out",
			describeInstance(s.InstanceID, s.Role, s.Config.File), base, doing)
	case isStranger && isEC2(ctx, base, stranger):
		return fmt.Errorf("a real EC2's metadata service answers at %s already, and %s would keep this machine from it; leave that out, and tell SDKs where the daemon is, for example: export %s=http://127.0.0.1:5000/",
			base, doing, endpointVariable)
	case isStranger:
		return fmt.Errorf("%w; stop that, or leave %s out", err, doing)
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
			return holdRoute(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// holdRoute keeps the service's addresses in place until in ends. It does not know why it ends: the daemon, which alone has
// the other end, may have stopped or been killed. By then that was not root's any more; this process still is.
func holdRoute(in io.Reader, out io.Writer) error {
	// Those that a terminal or a service manager sends to all, and that of a daemon that does not listen any more.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	ended, end := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		end()
	}()
	locking, stop := context.WithTimeout(ended, holdLockTimeout)
	defer stop()
	lock, err := route.Lock(locking)
	if err != nil {
		return err
	}
	// Until it has gone no other daemon adds what this one removes.
	defer func() { _ = lock.Close() }()
	if _, err := route.Add(ended, netip.AddrPort{}); err != nil {
		return err
	}
	fmt.Fprintln(out, holdReady)
	<-ended.Done()
	_, err = route.Remove(context.WithoutCancel(ended))
	return err
}
