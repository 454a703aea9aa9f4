package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/console"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/sdkenv"
	"mock-ec2-metadata/internal/terminal"
)

// execDaemon is the daemon of a command.
type execDaemon struct {
	url  string
	role rolePlace // with --role
	// authorization is what clients of a container's credentials must send.
	authorization sdkenv.Authorization
	control       *api.Control // nil: it has no control socket, or does not tell
	app           *app.App     // nil: it ran before
	stop          func()       // ends it, unless it ran before
}

// daemonFor returns a daemon that serves what the configuration says, in the way that the command is to have: one that runs already,
// or a new one.
func daemonFor(cmd *cobra.Command, f *flags, way *execWay) (*execDaemon, error) {
	role := way.role
	loaded, err := config.Load(f.sources())
	if err == nil && role != "" {
		err = checkRole(loaded, role, "leave out --role")
	}
	if err != nil {
		return nil, err
	}
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	if way.pod {
		own, err := way.ofPod(f, loaded)
		if err != nil {
			return nil, err
		}
		return startDaemon(ctx, own, way.role, stderr)
	}
	found, s, err := probe.First(ctx, app.Places(f.listen, app.ListenAddress(f.listen, loaded)))
	if err == nil {
		d, unfit := runningDaemon(ctx, f, loaded, found, s, role)
		if missing := noAuthorization(s, loaded); unfit == "" && missing != "" && (way.task || role != "") {
			unfit = missing
		}
		if unfit == "" && way.task && s.ECS == nil {
			unfit = fmt.Sprintf("the daemon at %s tells the ids of tasks to its own machine only", api.URL(found))
		}
		if unfit == "" {
			for _, problem := range problemsFor(s, role) {
				fmt.Fprintf(stderr, "mock-ec2-metadata: the daemon at %s is degraded: %s\n", api.URL(found), problem)
			}
			return d, nil
		}
		fmt.Fprintf(stderr, "mock-ec2-metadata: %s; another one is started for this command%s\n", unfit, noFile(loaded))
	}
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	return startDaemon(ctx, f, role, stderr)
}

// runningDaemon is the daemon that answers at an address. unfit says why the command cannot use it; "" if it can.
func runningDaemon(ctx context.Context, f *flags, loaded *config.Loaded, found string, s *api.Status, role string) (d *execDaemon, unfit string) {
	if unfit = app.Mismatch(loaded, found, s); unfit != "" {
		return nil, unfit
	}
	d = &execDaemon{url: api.URL(found), authorization: authorizationOf(loaded), control: s.Control, stop: func() {}}
	if role == "" {
		return d, ""
	}
	if unfit = app.RoleMismatch(loaded, found, s, role); unfit != "" {
		return nil, unfit
	}
	place, err := placeOf(ctx, s, role, found, addressesOf(f, loaded))
	if e, ok := errors.AsType[*noPlace](err); ok {
		return nil, e.problem
	}
	d.role = place
	d.role.authorization = d.authorization
	return d, ""
}

// problemsFor are the daemon's problems that matter to a command. Those of a role show when exec asks for its credentials.
func problemsFor(s *api.Status, role string) []string {
	switch {
	case role == "":
		return s.Problems()
	case s.Config.Error != "":
		return []string{s.Config.Error}
	default:
		return nil
	}
}

// startDaemon runs a daemon in this process, as the same user: the command is to have all its rights.
func startDaemon(ctx context.Context, f *flags, role string, stderr io.Writer) (*execDaemon, error) {
	own := *f
	own.listen = []string{loopbackHost + ":0"}
	if own.also == nil { // the daemon has no pods, and must not need a cluster
		own.also = []config.Option{{Flag: "exec", Path: "pod_identity.enabled", Value: "false"}}
	}
	if own.logLevel == "" {
		own.logLevel = "warn"
	}
	loaded, err := config.Load(own.sources())
	if err != nil {
		return nil, err
	}
	logs := newLogs(stderr, loaded.Config.Log.Format)
	opt, err := daemonOptions(&own, loaded, logs)
	if err != nil {
		logs.Close()
		return nil, err
	}
	opt.WithoutEntries = true // their listeners belong to the daemon of serve
	opt.Containers = func(config.Containers) (app.Locator, error) { return noContainers{}, nil }
	server := config.Server{Control: loaded.Config.Server.Control, Console: loaded.Config.Server.Console}
	if server.Control != control.Off {
		server.Control = control.Auto // a path belongs to the daemon of serve
	}
	if server.HasConsoleAddress() {
		server.Console = console.Auto // likewise
	}
	opt.Control = newControlPlace().open(server, logs.Logger)
	a, err := app.New(ctx, opt)
	if err != nil {
		logs.Close()
		return nil, err
	}
	d := &execDaemon{url: api.URL(a.Addrs()[0].String()), app: a}
	// Signals are for the command; the daemon ends with it.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(running) }()
	d.stop = func() {
		end()
		if err := <-ended; err != nil {
			logs.Error("the command's daemon failed", "error", err)
		}
		logs.Close()
	}
	if err := d.prepare(ctx, role, stderr); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// prepare waits for the credentials of a new daemon, and asks on the terminal for the MFA codes that this takes. With a role it only
// finds the role.
func (d *execDaemon) prepare(ctx context.Context, role string, stderr io.Writer) error {
	<-d.app.Started() // from now on its secret stays
	d.authorization = authorizationOf(d.app.State().Config)
	d.control = d.app.Status().Control
	if role != "" {
		id := identityOf(d.app.Status(), role)
		if id == nil {
			return fmt.Errorf("the role %q has just been removed from roles; add it again", role)
		}
		d.role = rolePlace{d.url, id.ID, id.Region, d.authorization}
		return nil
	}
	d.app.Settle(ctx)
	if terminal.Attached() {
		terminal.NewPrompt(os.Stdin, stderr).Answer(ctx, d.app)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}

// settleRole waits for the credentials of a role. It asks on the terminal for the MFA codes that this takes, unless another process
// has the daemon. Without credentials it says why.
func (d *execDaemon) settleRole(ctx context.Context, role string, stderr io.Writer) {
	problem := d.role.settle(ctx, d.status)
	if d.app != nil && problem != "" && terminal.Attached() {
		asker := roleAsker{d.app, role}
		if asker.MFASerial() != "" {
			terminal.NewPrompt(os.Stdin, stderr).Answer(ctx, asker)
			problem = d.role.settle(ctx, d.status)
		}
	}
	if problem != "" && ctx.Err() == nil {
		fmt.Fprintf(stderr, "mock-ec2-metadata: no credentials of the role %s: %s\n", role, problem)
	}
}

// status asks the daemon for its status.
func (d *execDaemon) status(ctx context.Context) (*api.Status, error) {
	if d.app != nil {
		return d.app.Status(), nil // without the wait of its page
	}
	return probe.Status(ctx, d.url+"status")
}

// noContainers is the Locator of a daemon whose clients are all on this machine. It asks no engine.
type noContainers struct{}

// Locate finds nothing.
func (noContainers) Locate(context.Context, netip.Addr) (*caller.Workload, error) {
	return nil, nil //nolint:nilnil // no workload, as caller.Locator has it
}

// Running is empty, as all below.
func (noContainers) Running() []caller.Running { return nil }

// Group returns none.
func (noContainers) Group(context.Context, string) ([]*caller.Container, error) { return nil, nil }

// Container returns none.
func (noContainers) Container(context.Context, string) (*caller.Container, error) {
	return nil, nil //nolint:nilnil // none, as caller.Engine has it
}

// Stats returns none.
func (noContainers) Stats(context.Context, string) (*caller.Stats, error) {
	return nil, nil //nolint:nilnil // none, as caller.Engine has it
}

// Run waits.
func (noContainers) Run(ctx context.Context) { <-ctx.Done() }

// Status is none.
func (noContainers) Status() *api.Containers { return nil }

// noFileOf is noFile; "" for a configuration that is wrong.
func noFileOf(loaded *config.Loaded) string {
	if loaded == nil {
		return ""
	}
	return noFile(loaded)
}

// noFile is the way out for a command that runs where the configuration is not; "" with a file.
func noFile(loaded *config.Loaded) string {
	if loaded.File != "" {
		return ""
	}
	return fmt.Sprintf(". There is no %s in this directory: run the command where it is, or name it with --config or MOCK_EC2_METADATA_CONFIG", config.DefaultFile)
}
