//go:build !linux

package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Addresses returns the addresses that Add adds to this machine.
func Addresses() []netip.Addr { return []netip.Addr{IPv4()} }

// Add adds the address to the loopback interface and redirects its port 80 to target. It reports whether the address was
// missing.
func Add(ctx context.Context, target netip.AddrPort) (bool, error) {
	place, err := locate()
	if err != nil {
		return false, err
	}
	if place.Interface != "" && !place.Ours {
		return false, occupied(IPv4(), place.Interface, "in the system's network settings")
	}
	commands, err := Commands(runtime.GOOS, false, target, place.Ours)
	if err != nil {
		return false, err
	}
	r := &runner{exec: execute}
	if err = r.untilError(ctx, commands); err != nil && !place.Ours { // all or nothing
		if undo, undoErr := Commands(runtime.GOOS, true, target, true); undoErr == nil {
			_ = r.all(ctx, undo)
		}
	}
	return err == nil && !place.Ours, explain(err)
}

// Remove undoes Add and reports whether the address was present.
func Remove(ctx context.Context) (bool, error) {
	place, err := locate()
	if err != nil {
		return false, err
	}
	commands, err := Commands(runtime.GOOS, true, netip.AddrPort{}, place.Ours)
	if err != nil {
		return false, err
	}
	return place.Ours, explain((&runner{exec: execute}).all(ctx, commands))
}

func execute(ctx context.Context, input string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // from Commands
	cmd.Stdin = strings.NewReader(input)
	return cmd.CombinedOutput()
}

// locate returns the place of the address. It fails if this process may not change the network.
func locate() (Place, error) {
	if os.Geteuid() > 0 { // -1 on Windows
		return Place{}, errors.New("cannot change the network of this machine: not root; run it with sudo")
	}
	places, err := Find()
	if err != nil {
		return Place{}, err
	}
	return places[0], nil
}

// explain adds the remedy to an error on Windows, where missing rights are not known before.
func explain(err error) error {
	if err != nil && runtime.GOOS == "windows" {
		return fmt.Errorf("%w; run it in a terminal with administrator rights", err)
	}
	return err
}

// Find returns the places of the addresses.
func Find() ([]Place, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	places := []Place{{Address: IPv4()}}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface has just been removed
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == IPv4() {
				places[0] = Place{Address: IPv4(), Interface: i.Name, Ours: i.Flags&net.FlagLoopback != 0}
			}
		}
	}
	return places, nil
}

// Lock does nothing: only on Linux does a daemon remove the address itself.
func Lock(context.Context) (io.Closer, error) { return io.NopCloser(nil), nil }

// Holder returns "": only on Linux does a daemon hold the address.
func Holder(context.Context) string { return "" }
