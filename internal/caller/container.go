package caller

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"
)

// An Engine tells what runs in its containers. Package docker implements it. It may be called concurrently. What it returns is
// shared, up to a second old, and must not be changed.
type Engine interface {
	// Running returns the containers that run, as far as they are known now. It sends no request.
	Running() []Running
	// Group returns the containers of a Compose project, those that have ended too, in the order of their creation. It fails with
	// the context's error, or one that says why the engine cannot be asked.
	Group(ctx context.Context, project string) ([]*Container, error)
	// Container returns one container, which may have ended, by its full id; nil if there is none.
	Container(ctx context.Context, id string) (*Container, error)
	// Stats returns the engine's statistics of a container; nil if it is not known to run.
	Stats(ctx context.Context, id string) (*Stats, error)
}

// Running is a container that runs: enough to find it.
type Running struct {
	ID       string // the engine's, 64 hexadecimal digits
	Workload *Workload
	Project  string // of Compose; "" without
	// Endpoint is the last segment of the URL in its own ECS_CONTAINER_METADATA_URI_V4, else ECS_CONTAINER_METADATA_URI; "" without.
	Endpoint string
	Addrs    []netip.Addr
}

// Container is what an engine tells about a container. It never changes. What an engine does not tell is zero.
type Container struct {
	ID               string // the engine's, 64 hexadecimal digits
	Name             string // the engine's, without its slash
	Image, ImageID   string
	Project, Service string // of Compose; "" without
	Endpoint         string // see Running
	Labels           map[string]string
	// Status is the engine's word: created, running, paused, restarting, removing, exited, stopped or dead.
	Status                     string
	ExitCode                   *int // nil while it has not ended
	Created, Started, Finished time.Time
	Health                     *Health // nil without a health check
	// CPUShares are relative; CPUs is a limit in processors. Memory is a limit in bytes. 0: none.
	CPUShares    int64
	CPUs         float64
	Memory       int64
	Ports        []Port
	Volumes      []Volume  // sorted by destination
	Networks     []Network // sorted by name
	LogDriver    string
	LogOptions   map[string]string
	RestartCount *int // nil without a restart policy
}

// Health is the outcome of a container's health checks.
type Health struct {
	Status string // starting, healthy or unhealthy
	// Since is when the status began, or the start of the oldest of the few checks that an engine keeps, if it is older.
	Since time.Time
	// ExitCode and Output, at most 1 KiB, are of the last check.
	ExitCode int
	Output   string
}

// Port is a port of a container. HostPort is 0 if it is not published.
type Port struct {
	ContainerPort, HostPort uint16
	Protocol                string // tcp, udp or sctp
	HostIP                  string
}

// Volume is a volume or a bind mount. Name is "" for a bind mount.
type Volume struct{ Name, Source, Destination string }

// Network is a network that a container is in.
type Network struct {
	Name             string
	Mode             string // bridge, host, none, or the driver's name
	IPv4, IPv6       []string
	MAC              string
	Gateway4         string // with the prefix length, such as 10.0.0.1/24
	Gateway6         string
	Subnet4, Subnet6 string
}

// Stats are the figures of a container at one time.
type Stats struct {
	// Docker is the object that the engine's API returns, with the figures before as precpu_stats.
	Docker json.RawMessage
	// Rates is false until there are two figures.
	Rates                    bool
	RxPerSecond, TxPerSecond float64 // bytes
}
