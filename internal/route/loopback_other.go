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

// Addresses are those that Add puts on this machine.
func Addresses() []netip.Addr { return []netip.Addr{IPv4()} }

// Add puts the address on the loopback interface and leads its port 80 to target. It returns whether the address was missing.
func Add(ctx context.Context, target netip.AddrPort) (bool, error) {
	place, err := here()
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
	if err = r.all(ctx, commands); err != nil && !place.Ours { // all or nothing
		if undo, undoErr := Commands(runtime.GOOS, true, target, true); undoErr == nil {
			_ = r.each(ctx, undo)
		}
	}
	return err == nil && !place.Ours, explain(err)
}

// Remove undoes what Add has done, and says whether the address was there.
func Remove(ctx context.Context) (bool, error) {
	place, err := here()
	if err != nil {
		return false, err
	}
	commands, err := Commands(runtime.GOOS, true, netip.AddrPort{}, place.Ours)
	if err != nil {
		return false, err
	}
	return place.Ours, explain((&runner{exec: execute}).each(ctx, commands))
}

func execute(ctx context.Context, input string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // what Commands says
	cmd.Stdin = strings.NewReader(input)
	return cmd.CombinedOutput()
}

// here says where the address is, to somebody who may change it.
func here() (Place, error) {
	if os.Geteuid() > 0 { // -1 on Windows
		return Place{}, errors.New("it takes root to change the network of this machine: run it with sudo")
	}
	places, err := Find()
	if err != nil {
		return Place{}, err
	}
	return places[0], nil
}

func explain(err error) error {
	if err != nil && runtime.GOOS == "windows" {
		return fmt.Errorf("%w; run it in a terminal that was started as administrator", err)
	}
	return err
}

// Find says where the addresses are.
func Find() ([]Place, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	places := []Place{{Address: IPv4()}}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == IPv4() {
				places[0] = Place{Address: IPv4(), Interface: i.Name, Ours: i.Flags&net.FlagLoopback != 0}
			}
		}
	}
	return places, nil
}

// Lock is needed only where a daemon takes the address away by itself, on Linux.
func Lock(context.Context) (io.Closer, error) { return io.NopCloser(nil), nil }
