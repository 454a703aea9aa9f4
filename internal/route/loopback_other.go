//go:build !linux

package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// hasIPv6 returns false: the systems' tools redirect IPv4 only.
func hasIPv6() bool { return false }

// Add adds the services' addresses to the loopback interface and redirects their port 80 to target. It reports whether one was
// missing.
func Add(ctx context.Context, target netip.AddrPort, s Services) (bool, error) {
	wanted := s.Addresses()
	there, elsewhere, err := present(wanted)
	if err = cmp.Or(err, elsewhere); err != nil {
		return false, err
	}
	commands, err := Commands(runtime.GOOS, Change{Addresses: wanted, Target: target, Present: there})
	if err != nil {
		return false, err
	}
	r := &runner{exec: execute}
	if err = r.untilError(ctx, commands); err != nil && len(there) == 0 { // all or nothing
		if undo, undoErr := Commands(runtime.GOOS, Change{Undo: true, Addresses: wanted, Present: wanted}); undoErr == nil {
			_ = r.all(ctx, undo)
		}
	}
	return err == nil && len(there) < len(wanted), explain(err)
}

// Remove undoes Add for all services and reports whether any address was present.
func Remove(ctx context.Context) (bool, error) {
	all := known().Addresses()
	ours, _, err := present(all)
	if err != nil {
		return false, err
	}
	commands, err := Commands(runtime.GOOS, Change{Undo: true, Addresses: all, Present: ours})
	if err != nil {
		return false, err
	}
	return len(ours) > 0, explain((&runner{exec: execute}).all(ctx, commands))
}

func execute(ctx context.Context, input string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // from Commands
	cmd.Stdin = strings.NewReader(input)
	return cmd.CombinedOutput()
}

// present returns those of the addresses that the loopback interface has, and an error for the first that another one has. It
// returns nothing else if this process may not change the network.
func present(wanted []netip.Addr) (ours []netip.Addr, elsewhere, err error) {
	if os.Geteuid() > 0 { // -1 on Windows
		return nil, nil, errors.New("cannot change the network of this machine: not root; run it with sudo")
	}
	all, err := places(wanted)
	for _, p := range all {
		switch {
		case p.Ours:
			ours = append(ours, p.Address)
		case p.Interface != "" && elsewhere == nil:
			elsewhere = occupied(p.Address, p.Interface, "in the system's network settings")
		}
	}
	return ours, elsewhere, err
}

// explain adds the remedy to an error on Windows, where missing rights are not known before.
func explain(err error) error {
	if err != nil && runtime.GOOS == "windows" {
		return fmt.Errorf("%w; run it in a terminal with administrator rights", err)
	}
	return err
}

func places(wanted []netip.Addr) ([]Place, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	all := make([]Place, len(wanted))
	for i, address := range wanted {
		all[i].Address = address
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface has just been removed
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			if n := slices.Index(wanted, p.Addr().Unmap()); n >= 0 {
				all[n] = Place{Address: wanted[n], Interface: i.Name, Ours: i.Flags&net.FlagLoopback != 0}
			}
		}
	}
	return all, nil
}

// Lock does nothing: only on Linux does a daemon remove the address itself.
func Lock(context.Context) (io.Closer, error) { return io.NopCloser(nil), nil }

// Holder returns "": only on Linux does a daemon hold the address.
func Holder(context.Context) string { return "" }
