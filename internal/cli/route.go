package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/route"
)

// routeLockTimeout is how long add and remove wait for a daemon that is shutting down.
const routeLockTimeout = 3 * time.Second

func newRoute(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Put 169.254.169.254 on this machine for a running daemon",
		Long: `route puts 169.254.169.254 on this machine, the address that clients of the metadata service have built in. It is for a daemon
that runs without serve --link-local: as an ordinary user, in a container, or on macOS or Windows.

On Linux it makes an interface, ` + route.Interface + `, with that address and, where IPv6 is on, fd00:ec2::254; the daemon must listen there on
port 80. On macOS and Windows it puts the address on the loopback interface and redirects port 80 to the daemon.
It adds no iptables rule and changes no rule of other programs.

With ecs.enabled in the configuration it does the same for 169.254.170.2, where ECS has credentials and metadata for containers. With
pod_identity.enabled, for 169.254.170.23 and, on Linux where IPv6 is on, fd00:ec2::23.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRouteAdd(f), newRouteRemove(f), newRouteStatus(f), newRouteHold())
	return cmd
}

// dryRun holds the flags that show a change instead of making it.
type dryRun struct {
	on bool
	os string
}

func (d *dryRun) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.on, "dry-run", false, "print what would be done, as commands, and do nothing")
	cmd.Flags().StringVar(&d.os, "os", runtime.GOOS, "`SYSTEM` to show it for: linux, darwin or windows; with --dry-run")
}

// show prints the commands. It does not look at this machine: what is to be removed is there, what is to be added is not.
func (d *dryRun) show(cmd *cobra.Command, undo bool, target netip.AddrPort, services route.Services) error {
	change := route.Change{Undo: undo, Addresses: services.Addresses(), Target: target}
	if undo {
		change.Present = change.Addresses
	}
	commands, err := route.Commands(d.os, change)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if d.os == "linux" {
		fmt.Fprintln(out, "# by netlink, without these programs:")
	}
	for _, c := range commands {
		fmt.Fprintln(out, c)
	}
	return nil
}

// check refuses --os without --dry-run.
func (d *dryRun) check(cmd *cobra.Command, _ []string) error {
	if cmd.Flags().Changed("os") && !d.on {
		return &usageError{errors.New("--os goes with --dry-run only")}
	}
	return nil
}

func newRouteAdd(f *flags) *cobra.Command {
	var dry dryRun
	cmd := &cobra.Command{
		Use:     "add",
		Short:   "Put the addresses on this machine until remove or a restart (on Windows: until remove)",
		Args:    noArgs,
		PreRunE: dry.check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(f.sources())
			if err != nil {
				return err
			}
			listen, services := loaded.Config.Server.Listen, servicesOf(loaded.Config)
			target, err := redirectTarget(listen[0])
			if err != nil && dry.os != "linux" {
				return err
			}
			if dry.on {
				return dry.show(cmd, false, target, services)
			}
			if err := addRoute(cmd.Context(), target, services); err != nil {
				return err
			}
			return reportRoute(cmd, listen, target, services)
		},
	}
	dry.flags(cmd)
	return cmd
}

// addRoute puts the addresses in place unless something else answers there.
func addRoute(ctx context.Context, target netip.AddrPort, services route.Services) error {
	unlock, err := lockRoute(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	places, err := route.Find(services)
	if err != nil {
		return err
	}
	ours := ourAddresses(places) // what answers there is the daemon itself, or comes through our own redirect
	free := slices.DeleteFunc(services.Addresses(), func(a netip.Addr) bool { return slices.Contains(ours, a) })
	if err := refuseOccupied(ctx, "route add", free); err != nil {
		return err
	}
	_, err = route.Add(ctx, target, services)
	return err
}

// lockRoute keeps other processes from changing the route.
func lockRoute(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, routeLockTimeout)
	defer cancel()
	lock, err := route.Lock(ctx)
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}

// reportRoute says what add did, and what is left to do.
func reportRoute(cmd *cobra.Command, listen []string, target netip.AddrPort, services route.Services) error {
	places, err := printPlaces(cmd, services)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	s, err := probe.Status(cmd.Context(), route.URL(route.IPv4()).JoinPath("status").String())
	_, isStranger := errors.AsType[*probe.StrangerError](err)
	switch {
	case isStranger:
		return fmt.Errorf("%w; stop it, since clients ask there", err)
	case err == nil:
		fmt.Fprintf(out, "mock-ec2-metadata answers there: %s\n", s.Serves())
		lines, err := askContainerServices(cmd.Context(), services, places)
		for _, line := range lines {
			fmt.Fprintln(out, line)
		}
		if err != nil {
			fmt.Fprintln(out, err)
		}
	case runtime.GOOS == "linux":
		fmt.Fprintf(out, "nothing answers there yet. Start the daemon there; port 80 needs root, which it drops, or CAP_NET_BIND_SERVICE:\n  sudo mock-ec2-metadata serve%s\n", listenFlags(listen))
	default:
		fmt.Fprintf(out, "nothing answers there yet. It redirects to %s; start the daemon: mock-ec2-metadata serve\n", target)
	}
	return nil
}

// printPlaces prints where each address is.
func printPlaces(cmd *cobra.Command, services route.Services) ([]route.Place, error) {
	places, err := wantedPlaces(services)
	for _, p := range places {
		fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", p.Address, p)
	}
	return places, err
}

// listenFlags are those of a daemon that also listens at the service's addresses.
func listenFlags(listen []string) string {
	var b strings.Builder
	for _, address := range slices.Concat(listen, linkLocalListen(listen)) {
		b.WriteString(" --listen ")
		if strings.Contains(address, "[") {
			address = "'" + address + "'" // a shell's pattern
		}
		b.WriteString(address)
	}
	return b.String()
}

// linkLocalListen are the metadata service's addresses, with port 80, that these listeners do not cover. For containers' services
// the daemon has listeners of their own.
func linkLocalListen(listen []string) []string {
	var missing []string
	for _, a := range (route.Services{}).Addresses() {
		address := netip.AddrPortFrom(a, 80)
		if !slices.ContainsFunc(listen, func(l string) bool { return app.Covers(l, address.String()) }) {
			missing = append(missing, address.String())
		}
	}
	return missing
}

// redirectTarget is the address to redirect to for a listener. The systems' tools redirect to IPv4.
func redirectTarget(listen string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ip, err := netip.ParseAddr(host)
	if host == "" || host == "localhost" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	target, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || !target.Addr().Is4() || target.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s cannot be redirected to %s; name an IPv4 address with a port where the daemon listens: --listen 127.0.0.1:5000", route.IPv4(), listen)
	}
	return target, nil
}

func newRouteRemove(f *flags) *cobra.Command {
	var dry dryRun
	cmd := &cobra.Command{
		Use:     "remove",
		Short:   "Remove all the addresses from this machine, also after a daemon was killed",
		Args:    noArgs,
		PreRunE: dry.check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dry.on {
				loaded, err := config.Load(f.sources())
				if err != nil {
					return err
				}
				return dry.show(cmd, true, netip.AddrPort{}, servicesOf(loaded.Config))
			}
			unlock, err := lockRoute(cmd.Context())
			if err != nil {
				return err
			}
			defer unlock()
			places, err := wantedPlaces(route.Services{})
			if err != nil {
				return err
			}
			removed, err := route.Remove(cmd.Context())
			if err != nil {
				return err
			}
			said := "there was nothing to remove"
			if ours := ourAddresses(places); len(ours) > 0 {
				said = "removed " + route.Names(ours)
			} else if removed {
				said = "removed the interface " + route.Interface
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		},
	}
	dry.flags(cmd)
	return cmd
}

func newRouteStatus(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say where the addresses are and what answers there; exit 0 if mock-ec2-metadata does",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var services route.Services
			if loaded, err := config.Load(f.sources()); err == nil { // the daemon may run with what the file was
				services = servicesOf(loaded.Config)
			}
			places, err := printPlaces(cmd, services)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			page := route.URL(route.IPv4()).JoinPath("status").String()
			s, err := probe.Status(cmd.Context(), page)
			stranger, isStranger := errors.AsType[*probe.StrangerError](err)
			switch {
			case isStranger && probe.IsEC2(cmd.Context(), route.URL(route.IPv4()), stranger):
				return fmt.Errorf("a real EC2 metadata service answers at %s", page)
			case isStranger && places[0].Ours:
				return fmt.Errorf("%w; %s", err, takenAway)
			case isStranger:
				return err
			case err != nil:
				return fmt.Errorf("%w; %s", err, nextStep(cmd.Context(), f, places[0]))
			}
			fmt.Fprintf(out, "mock-ec2-metadata answers there: %s\n", s.Serves())
			lines, err := askContainerServices(cmd.Context(), services, places)
			for _, line := range lines {
				fmt.Fprintln(out, line)
			}
			return err
		},
	}
}

// takenAway is what to do where the address is in place and something else is behind it.
const takenAway = "the address is in place, so another program listens there, or a rule of a packet filter redirects requests; to find it: sudo mock-ec2-metadata doctor"

// nextStep says what puts a daemon where the address is or belongs, but for what has been done already.
func nextStep(ctx context.Context, f *flags, p route.Place) string {
	if holder := route.Holder(ctx); holder != "" && p.Ours {
		return fmt.Sprintf("%s holds the address, as a daemon with --link-local does, so that daemon is starting, or a rule of a packet filter takes the requests away; to find out: sudo mock-ec2-metadata doctor", holder)
	}
	loaded, err := config.Load(f.sources())
	if err != nil {
		loaded = nil // the daemon may run with what the file was
	}
	listen := []string{app.ListenAddress(f.listen, loaded)}
	if loaded != nil {
		listen = loaded.Config.Server.Listen
	}
	found, _, err := probe.First(ctx, app.Places(f.listen, listen[0]))
	runs := err == nil
	switch {
	case p.Ours && runtime.GOOS == "linux":
		verb := "start the daemon there"
		if runs {
			verb = "restart the daemon at " + api.URL(found) + " so that it listens there"
		}
		return fmt.Sprintf("the address is in place, so %s: sudo mock-ec2-metadata serve%s", verb, listenFlags(listen))
	case p.Ours && runs:
		return fmt.Sprintf("the address is in place, but does not lead to the daemon at %s: %s", api.URL(found), route.HowTo(runtime.GOOS))
	case p.Ours:
		return "the address is in place, so start the daemon: mock-ec2-metadata serve"
	case runs && runtime.GOOS == "linux":
		return fmt.Sprintf("a daemon runs at %s; to put it there, restart it as: %s", api.URL(found), route.HowTo(runtime.GOOS))
	default:
		return "to put a daemon there: " + route.HowTo(runtime.GOOS)
	}
}
