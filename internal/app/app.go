// Package app is the daemon as a value: New makes it, Run serves until its context is done. A process can run several.
//
// All that requests are answered from is one immutable State. Package-internal build makes it, without side effects, from
// Inputs; change is the only writer.
package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/journal"
	"mock-ec2-metadata/internal/server"
	"mock-ec2-metadata/internal/sts"
)

// keyDelay is how long after its start the daemon makes the identity key pair, in the background: that takes the processor
// that the first requests need.
const keyDelay = time.Second

// App is one daemon.
type App struct {
	opt     Options
	log     *slog.Logger
	started time.Time
	origin  string // marks the daemon's own requests
	builder builder
	state   atomic.Pointer[State]

	server   *server.Server
	surfaces map[string]surface // of listeners for one service alone, by name
	guard    *guard.Guard
	networks *guard.Networks
	pool     *credentials.Pool
	control  Control
	metrics  Metrics
	unknown  unknown
	changed  chan struct{} // holds one: a change or a reload has ended
	runs     chan struct{} // closed when Run has begun
	journal  journal.Journal
	waiting  *fault.Waiting // of requests in faults
	end      chan struct{}  // closed by exit
	exit     func()         // ends Run without an error

	reloading sync.Mutex // held by Reload, so that its result and its notifications are of one reload

	// mu serialises changes and guards the fields below.
	mu               sync.Mutex
	running          context.Context //nolint:containedctx // Run's background context; nil when it does not run
	phases           *time.Timer     // calls advance; nil: nothing to come
	configWatch      watch
	credentialsWatch watch
	locating         locating

	reloadErr atomic.Pointer[error] // of the last reload; nil when it succeeded
}

// New checks the options, binds the addresses and builds the first state. It starts nothing; on an error nothing is left
// behind. The caller runs the App with Run, or gives it up with Close.
func New(ctx context.Context, opt Options) (*App, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	a := &App{
		opt: opt, log: opt.Log, started: opt.Now(), origin: rand.Text(), changed: make(chan struct{}, 1), runs: make(chan struct{}),
		waiting: new(fault.Waiting), end: make(chan struct{}),
	}
	if opt.Observer != nil {
		a.waiting.OnHit = opt.Observer.FaultHit
	}
	a.exit = sync.OnceFunc(func() { close(a.end) })
	if err := a.bind(ctx); err != nil {
		return nil, err
	}
	if err := a.prepare(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// prepare does the rest of New.
func (a *App) prepare(ctx context.Context) error {
	if a.opt.AfterBind != nil {
		if err := a.opt.AfterBind(ctx); err != nil {
			return err
		}
	}
	a.networks = guard.NewNetworks(a.log, a.opt.Networks...)
	a.guard = guard.New(a.networks, a.log, a.opt.Now)
	a.guard.OnDenial(a.recordDenial)
	a.server.Limit(a.guard.Limit)
	opt := sts.Options{Origin: a.origin, HTTP: a.opt.HTTP, Log: a.log, Now: a.opt.Now}.WithDefaults() // all providers share its sessions
	if a.opt.Observer != nil {
		opt.Observe = a.opt.Observer.Called
	}
	a.pool = credentials.NewPool(credentials.PoolOptions{
		Provide: func(s credentials.Spec) credentials.Provider {
			if a.opt.Provide != nil && !s.Mock {
				return a.opt.Provide(s)
			}
			return sts.NewProvider(s, opt)
		},
		NeedsMFA:  a.needsMFA,
		Observe:   a.observeKeepers(),
		CacheDir:  cacheDir(a.opt.Config.Config),
		IdleAfter: idleAfter(a.opt.Config.Config),
		Issuer:    cmp.Or(os.Getenv("AWS_ENDPOINT_URL_STS"), os.Getenv("AWS_ENDPOINT_URL")),
		Log:       a.log,
		Now:       a.opt.Now,
	})
	a.builder.app = a
	a.builder.pool, a.builder.log, a.builder.now, a.builder.grown = a.pool, a.log, a.opt.Now, a.opt.Grown
	if a.opt.Grown == nil {
		a.builder.grown = func() {}
	}
	c := a.opt.Config.Config
	a.builder.start = &config.Config{ // without thousands of clients
		Server: c.Server, Log: c.Log, ECS: config.ECS{Enabled: c.ECS.Enabled, Listen: c.ECS.Listen},
		PodIdentity: config.PodIdentity{Enabled: c.PodIdentity.Enabled, Listen: c.PodIdentity.Listen},
		Kubernetes:  c.Kubernetes, Metrics: c.Metrics,
	}
	err := a.change(func(in *Inputs) error {
		if err := in.load(a.opt.Config, a.log, a.opt.Now, a.opt.Containers); err != nil {
			return err
		}
		if err := in.configure(nil, a.opt.Now(), a.waiting); err != nil {
			return err
		}
		return a.useCluster(in)
	})
	a.opt.Config, a.opt.AfterBind = nil, nil // the state has the configuration, and the origins of its entries are needed no more
	if err == nil && a.opt.Control != nil {
		a.control, err = a.opt.Control(a)
	}
	if err == nil && a.opt.Metrics != nil {
		a.metrics, err = a.opt.Metrics(a)
	}
	return err
}

// idleAfter is how long after their last use credentials are renewed; 0 for the default.
func idleAfter(c *config.Config) time.Duration {
	if !c.Kubernetes.Enabled {
		return 0
	}
	return c.Kubernetes.Session.Idle
}

// Close gives up an App that has not run.
func (a *App) Close() {
	a.server.Close()
	if a.control != nil {
		a.control.Close()
	}
	if a.metrics != nil {
		a.metrics.Close()
	}
}

// Addrs are the bound addresses: Options.Listeners first, then server.listen, Options.Listen and those of entries of clients.
func (a *App) Addrs() []net.Addr { return a.server.Addrs() }

// Started is closed when Run has begun: from then on Reload works.
func (a *App) Started() <-chan struct{} { return a.runs }

// State is what requests are answered from now.
func (a *App) State() *State { return a.state.Load() }

// Run serves until ctx is done, answers the requests in flight, and undoes in reverse order what it started. It returns the
// error of a listener that failed. An App runs once.
func (a *App) Run(ctx context.Context) error {
	// What runs in the background outlives ctx until the last request is answered.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	ctx, exit := context.WithCancel(ctx)
	defer exit()
	var running sync.WaitGroup
	running.Go(func() {
		select {
		case <-a.end: // by an event
			exit()
		case <-background.Done():
		}
	})
	defer running.Wait()
	defer stop()

	a.networks.Watch(background)
	defer a.stopChanges()
	a.startChanges(background)
	if a.control != nil {
		running.Go(a.control.Serve)
		defer a.control.Close()
	}
	if a.metrics != nil {
		running.Go(a.metrics.Serve)
		defer a.metrics.Close()
	}
	a.logStart()
	if cluster := a.State().Cluster; cluster != nil {
		running.Go(func() { cluster.Run(background) })
	}
	if a.opt.Notify != nil {
		running.Go(func() { a.reportState(ctx, background) })
	}
	prepare := time.AfterFunc(keyDelay, func() { a.State().Identity.Prepare() })
	defer func() {
		prepare.Stop()
		a.State().Identity.Wait()
	}()
	return a.server.Serve(ctx, a.handler())
}

// startChanges starts what the state needs to be alive: the watches on files, before credentials are fetched, so that no
// later change is missed, and the keepers.
func (a *App) startChanges(background context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keepSecret()
	a.running = background
	close(a.runs)
	s := a.State()
	a.watchConfig(s)
	a.watchCredentials(s)
	a.pool.Start(background)
	a.pool.Retain(s.Specs, s.onDemand(nil))
	a.locating.on(background, s.Locator)
	a.schedule(s)
}

// keepSecret saves the secret of the session tokens. It is called with a.mu held, before the first request: another daemon's secret
// may be in the file by now.
func (a *App) keepSecret() {
	old := a.State()
	in := old.Inputs
	if in.Secret = in.Secret.Keep(a.log); in.Secret == old.Secret {
		return
	}
	next, err := a.builder.build(in, old)
	if err != nil { // the same configuration was built before
		a.log.Error("cannot use the secret of session tokens", "error", err)
		return
	}
	a.use(next)
}

// stopChanges refuses further changes and waits for the keepers to end.
func (a *App) stopChanges() {
	a.mu.Lock()
	a.running = nil
	a.schedule(a.State())
	a.locating.stop()
	a.mu.Unlock()
	a.pool.Close()
}

// errNotRunning is the error of a change before or after Run.
var errNotRunning = errors.New("the daemon does not run")

// change is the only writer of the state: it edits a copy of the inputs, builds a new state and swaps it in. On an error
// the old state stays. by are attributes of the log's lines about what is simulated: who has changed it.
func (a *App) change(edit func(*Inputs) error, by ...any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.state.Load()
	if old != nil && a.running == nil {
		return errNotRunning
	}
	var in Inputs
	if old != nil {
		in = old.Inputs
		in.misfits, in.over = nil, nil
	}
	if err := edit(&in); err != nil {
		return err
	}
	in.Now = a.opt.Now()
	next, err := a.builder.build(in, old)
	if err != nil {
		return err
	}
	a.use(next)
	a.announce(old, next, by)
	return nil
}

// use puts a state in force. It is called with a.mu held.
func (a *App) use(s *State) {
	old := a.State()
	if old == nil || s.Config != old.Config || s.Secret != old.Secret || s.Choice != old.Choice {
		a.useConfig(s)
	}
	a.state.Store(s)
	a.guard.Use(s.Rules)
	if old != nil {
		close(old.replaced)
	}
	a.schedule(s)
	a.builder.grown()
}

// useConfig puts in force what depends on the configuration alone. It is called with a.mu held.
func (a *App) useConfig(s *State) {
	if a.running != nil {
		a.watchConfig(s)
		a.watchCredentials(s)
	}
	a.opt.Level.Set(s.Level)
	if a.running != nil {
		a.pool.Retain(s.Specs, s.onDemand(a.State())) // first, so that new keepers take over from those that it stops
		a.locating.on(a.running, s.Locator)
	}
}

// logStart says what is served where.
func (a *App) logStart() {
	s := a.State()
	for i, addr := range a.Addrs() {
		name := a.server.Names()[i]
		if only := a.surfaces[name]; only != everything {
			a.log.Info("serving", "url", api.URL(addr.String()), "listen", addr.String(), "only", only.String(), "config", s.Config.Name(), "version", a.opt.Version)
			continue
		}
		if k := s.cluster; k != nil {
			a.log.Info("serving", "url", api.URL(addr.String()), "listen", addr.String(), "config", s.Config.Name(), "instance_id", s.Instance.ID,
				"node", k.config.Kubernetes.Node, "cluster", k.config.Kubernetes.ClusterName, "version", a.opt.Version)
			continue
		}
		entry := s.listenerEntry(name)
		id := s.identities.of(entry)
		attrs := []any{
			"url", api.URL(addr.String()), "listen", addr.String(), "config", s.Config.Name(),
			"instance_id", s.instanceID(id), "role", id.grant.name, "version", a.opt.Version,
		}
		if entry >= 0 {
			attrs = append(attrs, "identity", s.identities.name(entry))
		}
		a.log.Info("serving", attrs...)
	}
	if n := len(s.Config.Config.Roles); n > 0 {
		a.log.Info("serving further roles when asked for", "roles", n, "clients", len(s.Config.Config.Clients))
	}
	a.logWarnings(s)
}

// logWarnings logs what is unusual about the configuration in use.
func (a *App) logWarnings(s *State) {
	for _, w := range s.Config.Warnings {
		a.log.Warn(w)
	}
	for _, key := range s.Restart {
		a.log.Warn("a changed key takes effect only after a restart", "key", key)
	}
	if s.Config.Config.Credentials.Mock && s.role != "" {
		a.log.Warn("credentials are made up (credentials.mock)", "hint", s.Config.MockHint())
	}
}
