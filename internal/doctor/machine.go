package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/route"
)

// listTimeout bounds each program that lists a packet filter.
const listTimeout = 5 * time.Second

// machine is what the steps look at on this machine. Tests have one of their own.
type machine struct {
	root string // prefix of the paths of the kernel's files
	// list runs a program that lists something and changes nothing. It fails with exec.ErrNotFound if there is no such program.
	list    func(ctx context.Context, program string, args ...string) (string, error)
	places  func(route.Services) ([]route.Place, error)
	virtual func() []string // names of virtual interfaces
	links   func() []net.Interface
	has     func(netip.Addr) bool // whether it is an address of this machine
}

func thisMachine(log *slog.Logger) machine {
	return machine{root: "/", list: list, places: route.Find, virtual: func() []string { return virtual(log) }, links: links, has: hasAddress}
}

// virtual names the virtual interfaces that are up, as the guard sees them.
func virtual(log *slog.Logger) []string {
	var names []string
	for _, network := range guard.NewNetworks(log).Virtual() {
		name, _, _ := strings.Cut(network, " ")
		names = append(names, name)
	}
	return names
}

func links() []net.Interface {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	return all
}

func hasAddress(a netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(all, func(n net.Addr) bool {
		p, err := netip.ParsePrefix(n.String())
		return err == nil && p.Addr().Unmap() == a
	})
}

// list looks for a program where administrators' programs are, too: the PATH of ordinary users lacks these.
func list(ctx context.Context, program string, args ...string) (string, error) {
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if errors.Is(err, exec.ErrNotFound) {
			path, err = exec.LookPath(filepath.Join(dir, program))
		}
	}
	if err != nil {
		return "", exec.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // from filters
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Stderr = &complaint
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return "", fmt.Errorf("%s: %w: %s", program, err, first)
	}
	return string(out), nil
}

// read is a file of the kernel's, without blanks around it; "" if it cannot be read.
func (m machine) read(path string) string {
	text, err := os.ReadFile(filepath.Join(m.root, path)) //nolint:gosec // from hardware and filters
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (m machine) exists(path string) bool {
	_, err := os.Stat(filepath.Join(m.root, path))
	return err == nil
}
