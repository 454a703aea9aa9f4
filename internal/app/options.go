package app

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
)

// Options say what a daemon is made of. Config, Log and Level are required.
type Options struct {
	// Config is the configuration to start with. A reload reads its sources again.
	Config *config.Loaded
	// Version is what /status and the log say.
	Version string
	// Log gets the daemon's own lines, at the level that Level has. A reload sets Level.
	Log   *slog.Logger
	Level *slog.LevelVar
	// AccessLog gets the access log's lines; nil discards them.
	AccessLog io.Writer
	// Listen are addresses to bind beside server.listen.
	Listen []string
	// Listeners are open already. With WithoutListen they take the place of server.listen.
	Listeners     []net.Listener
	WithoutListen bool
	// Networks are virtual networks that this process cannot see; see HostNetworks.
	Networks []netip.Prefix
	// WithoutEntries leaves out the listeners of entries of clients, of ecs and of pod_identity.
	WithoutEntries bool
	// Containers makes what knows the containers of this machine; nil: containers.engine is an error.
	Containers NewLocator
	// NewCluster makes what knows the pods of this node; nil: kubernetes.enabled is an error.
	NewCluster NewCluster
	// Provide gets credentials that are not made up; nil: by STS.
	Provide func(credentials.Spec) credentials.Provider
	// Relay describes the stream of credentials from a laptop; nil without one.
	Relay func() *api.Relay
	// AfterBind runs when all addresses are bound and before any file is written, for example to leave root; may be nil.
	AfterBind func(context.Context) error
	// Control makes the control socket; nil for none.
	Control func(*App) (Control, error)
	// Observer is told what happens; nil for none, and nothing is counted then.
	Observer Observer
	// Metrics makes the listener of metrics.listen; nil for none. It needs Observer.
	Metrics func(*App) (Metrics, error)
	// MFAWanted is called when an MFA code is wanted; may be nil. It must not block.
	MFAWanted func()
	// Grown is called after the start, after each reload and for each new identity, all of which leave garbage; may be nil.
	Grown func()
	// Notify tells the service manager a state (sd_notify(3)); nil without one.
	Notify func(state string) error
	// HTTP sends the requests to AWS; nil is the SDK's client.
	HTTP aws.HTTPClient
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Control is the private entrance for the daemon's own commands. Package control implements it.
type Control interface {
	// Status says where it is, or why it could not be made.
	Status() *api.Control
	// Serve answers until Close.
	Serve()
	Close()
}
