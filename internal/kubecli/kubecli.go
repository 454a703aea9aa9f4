// Package kubecli holds what the program for Kubernetes adds to the plain one. Its commands put the daemon into a cluster and give it
// credentials. Its part of the daemon knows the pods of the node.
package kubecli

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/relay"
)

// program is the executable's name, in the image too.
const program = "mock-ec2-metadata-kube"

// Program is what the program for Kubernetes adds to the command line.
type Program struct {
	version string
	environ []string
	socket  string // flag --relay of serve: where a laptop's stream comes in; "" for credentials of the daemon's own profile
	node    *nodeFacts
	hub     *relay.Hub      // nil without --relay
	relay   *relay.Listener // of hub
	retry   chan struct{}   // holds one: the laptop can give what it could not give before
	log     *slog.Logger
}

var _ cli.Extension = (*Program)(nil)

// New returns the Program of a version.
func New(version string) *Program {
	return &Program{version: version, environ: os.Environ(), node: newNodeFacts(), retry: make(chan struct{}, 1)}
}

// Extend adds commands and flags.
func (p *Program) Extend(root *cobra.Command, environ []string) {
	p.environ = environ
	root.Use = program
	p.addServeFlags(root)
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "serve":
			p.addServeFlags(cmd)
		case "status":
			p.extendStatus(cmd)
		}
	}
	root.AddCommand(p.newUp(), p.newDown(), p.newImage(), p.newRelay(), p.newCleanup())
}

func (p *Program) addServeFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.socket, "relay", "", "take credentials from the laptop that connects to this `SOCKET`")
}

// Node tells about the node that the daemon runs on. Outside a cluster nothing is known.
func (p *Program) Node(name string) config.Node { return p.node.get(name) }

// Serve completes the options of a daemon that has kubernetes.enabled. It is called while the process is root, as the laptop's command
// in the pod will be: without CAP_DAC_OVERRIDE, root cannot use the socket of another user.
func (p *Program) Serve(_ context.Context, loaded *config.Loaded, opt *app.Options) error {
	if !loaded.Config.Kubernetes.Enabled {
		return nil
	}
	p.log = opt.Log
	opt.NewCluster = p.newCluster(opt.Log)
	if err := prepareState(loaded.Config); err != nil {
		return err
	}
	if p.socket == "" {
		return nil
	}
	p.hub = relay.NewHub(relay.HubOptions{Version: p.version, Log: opt.Log, Now: time.Now, Connected: func() {
		select {
		case p.retry <- struct{}{}:
		default: // it will be done once for both
		}
	}})
	opt.Provide, opt.Relay = p.hub.Provider, p.hub.Status
	var err error
	p.relay, err = p.hub.Listen(p.socket)
	return err
}

// Started does what a daemon in a cluster does while it runs.
func (p *Program) Started(ctx context.Context, a *app.App) {
	<-a.Started()
	if !a.State().Config.Config.Kubernetes.Enabled {
		return
	}
	if p.relay != nil {
		go p.relay.Run(ctx)
		go p.retryOn(ctx, a)
	}
	p.node.follow(ctx, a.State().Config.Config.Kubernetes.Node, a.Reload, p.log)
}

// retryOn repeats failed calls each time that the laptop can give more.
func (p *Program) retryOn(ctx context.Context, a *app.App) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.retry:
			a.RetryCredentials()
		}
	}
}
