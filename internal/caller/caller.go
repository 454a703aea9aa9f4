// Package caller decides who asks: which workload, such as a container, runs at a client's address, and which entry of the
// configuration is for it. It makes no network calls; a Locator does.
package caller

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Wait bounds how long a Locator waits for an address that should be known. SDKs give up after one second.
const Wait = 900 * time.Millisecond

// ErrUnknown says that something should run at an address, but that it is not known what. The client must get no identity: not
// another's, and not the default one.
var ErrUnknown = errors.New("no running container is known to have this address")

// ErrElsewhere says that an address is of another node of the cluster, or of the network that it is in: no pod of this one. The
// client is refused.
var ErrElsewhere = errors.New("the address is not that of a pod of this node")

// Workload is what runs at an address, such as a container. It never changes.
type Workload struct {
	// Name names it in logs and messages, such as "container shop-web-1".
	Name string
	// ID is the container's, 64 hexadecimal digits; "" for what is no container.
	ID string
	// Role is the role that the workload asks for: a name of roles, or an ARN. It is "" if the workload asks for none.
	Role string
	// Source says where Role stands, such as "label mock-ec2-metadata.role"; "" without a Role.
	Source string
	// Pod is the pod that the workload is, which rules give its role; nil for what is no pod. Role is "" then.
	Pod *Pod
}

// A Locator says what runs at an address. It may be called concurrently, and a hit takes no lock.
type Locator interface {
	// Locate returns the workload that runs at a now. The same pointer means the same workload, unchanged. It returns nil if no
	// workload can run at a, such as outside the networks of a container engine. If a workload should run at a but none is
	// known, it waits until one is, at most Wait, and then fails with an error that wraps ErrUnknown and says why. It fails with
	// the context's error if ctx is done first.
	//
	// a is neither a loopback address nor an address of this machine, is no IPv4-mapped address, and may have a zone.
	Locate(ctx context.Context, a netip.Addr) (*Workload, error)
}
