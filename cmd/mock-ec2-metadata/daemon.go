package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/identity"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
)

// daemon holds what is served now and replaces it as a whole when the configuration changes.
type daemon struct {
	log     *slog.Logger
	level   *slog.LevelVar
	now     func() time.Time
	started time.Time
	secret  []byte // keys the session tokens of this process
	origin  string // marks what this process sends
	atStart *config.Config
	codes   *codeDesk
	guard   *guard.Guard
	pool    *credentials.Pool

	current atomic.Pointer[generation]
	// reloaded has room for one; see tellManager.
	reloaded chan struct{}

	// mu serialises reloads and guards what they leave behind.
	mu           sync.Mutex
	reloadErr    error
	configWatch  watch
	profileWatch watch
}

// generation is everything made from one configuration. It never changes.
type generation struct {
	loaded   *config.Loaded
	loadedAt time.Time
	instance *instance.Instance
	target   *imds.Target
	identity *identity.Identity
	signed   *signatures
	keeper   *credentials.Keeper // nil: no instance profile
	restart  []string            // keys whose change waits for a restart
}

// newDaemon uses a configuration for the first time and begins to fetch credentials and to watch files, until ctx is done.
func newDaemon(ctx context.Context, log *slog.Logger, level *slog.LevelVar, sources config.Sources, loaded *config.Loaded) (*daemon, error) {
	d := &daemon{
		log: log, level: level, now: time.Now, started: time.Now(),
		secret: make([]byte, 32), origin: rand.Text(), atStart: loaded.Config,
		reloaded: make(chan struct{}, 1),
	}
	d.codes = newCodeDesk(log, d.answerMFA)
	d.pool = credentials.NewPool(credentials.PoolOptions{
		Options:  credentials.Options{Origin: d.origin, Log: log, Now: d.now},
		NeedsMFA: func(_ *credentials.Keeper, n *credentials.NeedsMFA) { d.codes.wanted(n) },
	})
	networks, err := hostNetworks(sources.Environ)
	if err != nil {
		return nil, err
	}
	d.guard = guard.New(guard.NewNetworks(ctx, log, networks...), log, d.now)
	_, _ = rand.Read(d.secret) // never fails
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.use(ctx, loaded); err != nil {
		return nil, err
	}
	d.pool.Start(ctx)
	d.watchConfig(ctx)
	return d, nil
}

// Target gives every client the same instance.
func (d *daemon) Target(*http.Request) *imds.Target { return d.current.Load().target }

// wait returns when the goroutines that ctx's end stops have ended, and no key pair is being made any more.
func (d *daemon) wait() {
	d.pool.Close()
	d.codes.close()
	d.current.Load().identity.Wait()
}

// reload reads the configuration again and uses it; when it is wrong the old one stays.
func (d *daemon) reload(ctx context.Context, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() != nil {
		return // stopping
	}
	d.notify(reloading())
	defer d.noteReload()
	keeper := d.current.Load().keeper
	loaded, err := d.current.Load().loaded.Reload()
	if err == nil {
		err = d.use(ctx, loaded)
	}
	d.reloadErr = err
	if err != nil {
		d.log.Error("configuration not reloaded, the old one stays in use", "why", why, "error", err)
		return
	}
	d.watchConfig(ctx)
	d.log.Info("configuration reloaded", "why", why, "config", loaded.Name())
	d.logWarnings()
	if keeper != nil && keeper == d.current.Load().keeper {
		keeper.Retry() // a new one is calling already
	}
}

// use makes a generation and swaps it in; when that fails nothing has changed. The keeper stays if the credentials are to
// be the same, the identity if its files are. It is called with d.mu held.
func (d *daemon) use(ctx context.Context, loaded *config.Loaded) error {
	c := loaded.Config
	now := d.now()
	in, snapshot, err := build(loaded)
	if err != nil {
		return err
	}
	g := &generation{loaded: loaded, loadedAt: now, instance: in, restart: needRestart(d.atStart, c)}
	old := d.current.Load()
	if old != nil && old.loaded.Config.Identity == c.Identity && c.Identity.KeyFile == "" {
		g.identity = old.identity
	} else if g.identity, err = newIdentity(loaded, d.log, d.now); err != nil {
		return err
	}
	signed := &signatures{identity: g.identity, document: snapshot.Document()}
	if old != nil && old.identity == g.identity && bytes.Equal(old.signed.document, signed.document) {
		signed = old.signed // the same bytes over reloads
	}
	g.signed = signed
	g.target = &imds.Target{
		Tree:           snapshot,
		Modified:       imds.LastModified(now),
		Tokens:         imds.NewTokens(d.secret, in.ID, d.now),
		Signatures:     signed,
		TokensRequired: c.EC2.MetadataOptions.HTTPTokens == "required",
		Disabled:       c.EC2.MetadataOptions.HTTPEndpoint == "disabled",
		HopLimit:       c.EC2.MetadataOptions.HTTPPutResponseHopLimit,
	}
	d.watchProfile(ctx, c.Credentials.SourceProfile) // before credentials are fetched: what is mended later is noticed
	var specs []credentials.Spec
	if in.Role != "" {
		specs = append(specs, specOf(c))
		g.keeper = d.pool.Keeper(specs[0])
		g.target.Credentials = newCredentialSource(g.keeper, c.AWS.AccountID)
	}
	var level slog.Level
	if level.UnmarshalText([]byte(c.Log.Level)) == nil { // validated
		d.level.Set(level)
	}
	d.current.Store(g)
	d.guard.Use(rulesOf(c))
	d.pool.Retain(specs)
	return nil
}

// needRestart names the keys that have changed since the start and take effect only at the next.
func needRestart(start, c *config.Config) []string {
	var keys []string
	if !reflect.DeepEqual(start.Server.Listen, c.Server.Listen) {
		keys = append(keys, "server.listen")
	}
	if start.Server.User != c.Server.User {
		keys = append(keys, "server.user")
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
