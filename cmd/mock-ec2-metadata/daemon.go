package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// daemon holds what is served now and replaces it as a whole when the configuration changes.
type daemon struct {
	log     *slog.Logger
	level   *slog.LevelVar
	now     func() time.Time
	sources config.Sources
	started time.Time
	secret  []byte // keys the session tokens of this process
	atStart *config.Config

	current atomic.Pointer[generation]

	// mu serialises reloads and guards what they leave behind.
	mu        sync.Mutex
	reloadErr error
	keepers   sync.WaitGroup
}

// generation is everything made from one configuration. It never changes.
type generation struct {
	loaded   *config.Loaded
	loadedAt time.Time
	instance *instance.Instance
	target   *imds.Target
	keeper   *credentials.Keeper // nil: no instance profile
	stop     context.CancelFunc  // ends the keeper
	access   bool
	restart  []string // keys whose change waits for a restart
}

// newDaemon loads the configuration for the first time and begins to fetch credentials, until ctx is done.
func newDaemon(ctx context.Context, log *slog.Logger, level *slog.LevelVar, sources config.Sources, loaded *config.Loaded) *daemon {
	d := &daemon{
		log: log, level: level, now: time.Now, sources: sources, started: time.Now(),
		secret: make([]byte, 32), atStart: loaded.Config,
	}
	_, _ = rand.Read(d.secret) // never fails
	if loaded.File != "" {
		// That it goes away is a mistake, not the wish for the embedded default.
		d.sources.File = loaded.File
	}
	d.use(ctx, loaded)
	return d
}

// Target gives every client the same instance.
func (d *daemon) Target(*http.Request) *imds.Target { return d.current.Load().target }

// wait returns when the goroutines that ctx's end stops have ended.
func (d *daemon) wait() { d.keepers.Wait() }

// reload reads the configuration again and uses it; when it is wrong the old one stays.
func (d *daemon) reload(ctx context.Context, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	loaded, err := config.Load(d.sources)
	d.reloadErr = err
	if err != nil {
		d.log.Error("configuration not reloaded, the old one stays in use", "why", why, "error", err)
		return
	}
	d.use(ctx, loaded)
	d.log.Info("configuration reloaded", "why", why, "config", fileName(loaded))
	d.logWarnings()
	if g := d.current.Load(); g.keeper != nil {
		g.keeper.Retry()
	}
}

// use makes a generation and swaps it in. The keeper stays if the credentials are to be the same.
func (d *daemon) use(ctx context.Context, loaded *config.Loaded) {
	c := loaded.Config
	now := d.now()
	in := instance.New(c)
	g := &generation{loaded: loaded, loadedAt: now, instance: in, access: c.Log.Access, restart: needRestart(d.atStart, c)}
	old := d.current.Load()
	switch {
	case in.Role == "":
		g.stop = func() {}
	case old != nil && old.keeper != nil && reflect.DeepEqual(credentialInputs(old.loaded.Config), credentialInputs(c)):
		g.keeper, g.stop = old.keeper, old.stop
	default:
		keeperCtx, cancel := context.WithCancel(ctx)
		g.stop = cancel
		g.keeper = credentials.NewKeeper(newProvider(c, d.log, d.now), c.Credentials.RefreshBefore, d.log, d.now)
		d.keepers.Go(func() { g.keeper.Run(keeperCtx) })
	}
	g.target = &imds.Target{
		Tree:           tree.New(in),
		Modified:       now,
		Tokens:         imds.NewTokens(d.secret, in.ID, d.now),
		TokensRequired: c.EC2.MetadataOptions.HTTPTokens == "required",
		Disabled:       c.EC2.MetadataOptions.HTTPEndpoint == "disabled",
	}
	if g.keeper != nil {
		g.target.Credentials = &credentialSource{keeper: g.keeper}
	}
	var level slog.Level
	if level.UnmarshalText([]byte(c.Log.Level)) == nil { // validated
		d.level.Set(level)
	}
	d.current.Store(g)
	if old != nil && old.keeper != g.keeper {
		old.stop()
	}
}

// inputs are all that decides which credentials are got.
type inputs struct {
	config.Credentials
	sessionName string
	region      string
}

func credentialInputs(c *config.Config) inputs {
	return inputs{c.Credentials, sessionName(c), c.AWS.Region}
}

// needRestart names the keys that have changed since the start and take effect only at the next.
func needRestart(start, c *config.Config) []string {
	var keys []string
	if !reflect.DeepEqual(start.Server.Listen, c.Server.Listen) {
		keys = append(keys, "server.listen")
	}
	if start.Log.Format != c.Log.Format {
		keys = append(keys, "log.format")
	}
	return keys
}

// logWarnings logs what is odd about the configuration in use.
func (d *daemon) logWarnings() {
	g := d.current.Load()
	for _, w := range g.loaded.Warnings {
		d.log.Warn(w)
	}
	for _, key := range g.restart {
		d.log.Warn("a changed key takes effect only after a restart", "key", key)
	}
	if g.loaded.Config.Credentials.Mock && g.instance.Role != "" {
		d.log.Warn("credentials are made up (credentials.mock): no AWS service accepts them; for real ones copy conf/sample-config.yaml to conf/config.yaml and set credentials.source_profile and credentials.iam_role")
	}
}

// watch reloads on changes of the configuration file and hurries a failing keeper on changes of the profile files.
func (d *daemon) watch(ctx context.Context) error {
	file := d.sources.Path()
	if file == "" {
		file = config.DefaultFile // it may yet be made
	}
	err := config.Watch(ctx, d.log, []string{file}, func() { d.reload(ctx, "the file has changed") })
	return errors.Join(err, config.Watch(ctx, d.log, credentials.ProfileFiles(), func() {
		if g := d.current.Load(); g.keeper != nil {
			g.keeper.Retry()
		}
	}))
}

// fileName names where a configuration was read from.
func fileName(l *config.Loaded) string {
	if l.File == "" {
		return "embedded default"
	}
	return l.File
}
