// Package docker finds the container that has an address, and tells about containers, by the Docker Engine API on a Unix
// socket. Docker and Podman serve it.
//
// It follows the engine's events instead of polling, so an address belongs to a container only while that container runs.
//
// A container of `--network host` has no address of its own: its requests come from this machine. A container of
// `--network container:X`, or of a Podman pod, shares the address of X, or of the pod's infra container. A client from
// there gets what X gets, whatever its own label says.
package docker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// Options say which engine is asked, and where a container names its role.
type Options struct {
	// Engine is the socket's URL, such as unix:///var/run/docker.sock.
	Engine string
	// Role holds entries "label:NAME" or "env:NAME". The first that a container has, and that is not empty, names its role.
	Role []string
	Log  *slog.Logger
	Now  func() time.Time
}

// Status says how the engine is.
type Status struct {
	Connected bool
	// Since is when Connected became what it is.
	Since time.Time
	// Error is why the engine cannot be asked, with the fix; "" while connected.
	Error string
	// Containers is the number of running containers that are known.
	Containers int
}

// Locator is a caller.Locator and a caller.Engine over one engine. Run feeds it.
type Locator struct {
	api     *client
	roles   []roleSource
	log     *slog.Logger
	now     func() time.Time
	view    atomic.Pointer[view] // replaced as a whole, by Run only
	current atomic.Pointer[api]  // of the last connection; nil before the first
	misses  chan struct{}        // asks Run to list the containers; one that waits stands for all
	asked   questions
}

var _ caller.Locator = (*Locator)(nil)

// New returns a Locator that knows nothing until Run has reached the engine. It connects to nothing.
func New(o Options) (*Locator, error) {
	socket, err := socketPath(o.Engine)
	if err != nil {
		return nil, err
	}
	roles, err := parseRoleSources(o.Role)
	if err != nil {
		return nil, err
	}
	l := &Locator{roles: roles, log: o.Log, now: o.Now, misses: make(chan struct{}, 1)}
	l.asked.stats.late = maxGap
	l.api = newClient(socket, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	})
	l.view.Store(&view{
		status:  Status{Since: l.now(), Error: socket + ": not asked yet"},
		next:    make(chan struct{}),
		running: func() []caller.Running { return nil },
	})
	return l, nil
}

// socketPath is the path in a URL unix:///PATH.
func socketPath(engine string) (string, error) {
	socket, ok := strings.CutPrefix(engine, "unix://")
	if !ok || !path.IsAbs(socket) {
		return "", fmt.Errorf("engine: %q is not the URL of a Unix socket; write unix:///var/run/docker.sock", engine)
	}
	return path.Clean(socket), nil
}

// Locate implements caller.Locator. While the engine cannot be reached, known containers stay known. Until it has been
// reached once, every address fails.
func (l *Locator) Locate(ctx context.Context, a netip.Addr) (*caller.Workload, error) {
	if w := l.view.Load().find(a); w != nil {
		return w, nil
	}
	return l.wait(ctx, a)
}

// wait looks a up in each new view, until it is known or caller.Wait is over.
func (l *Locator) wait(ctx context.Context, a netip.Addr) (*caller.Workload, error) {
	a = a.WithZone("")
	timer := time.NewTimer(caller.Wait)
	defer timer.Stop()
	asked := false
	for {
		v := l.view.Load()
		if w := v.find(a); w != nil {
			return w, nil
		}
		if v.read && !v.expects(a) {
			return nil, nil
		}
		if v.read && neverListed(a) {
			return nil, v.unknown(a)
		}
		if v.status.Connected && !asked {
			asked = true
			select {
			case l.misses <- struct{}{}:
			default:
			}
		}
		select {
		case <-v.next:
		case <-timer.C:
			return nil, v.unknown(a)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Status says how the engine is now.
func (l *Locator) Status() Status { return l.view.Load().status }
