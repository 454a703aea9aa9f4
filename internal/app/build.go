package app

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// State is all that requests are answered from. Its identities are made on demand; otherwise it never changes.
type State struct {
	Inputs
	// Instance, Target and Keeper are the file's own, for clients that no entry of clients is for, with the events that are for
	// all clients. Keeper is nil without an instance profile.
	Instance *instance.Instance
	Target   *imds.Target
	Keeper   *credentials.Keeper
	role     string // of the file's own credentials, also while an event hides them
	// Specs are the file's own credentials: none, or one.
	Specs   []credentials.Spec
	Rules   *guard.Rules
	Level   slog.Level
	Restart []string // keys whose change waits for a restart

	router     *caller.Router
	identities *identities
	ids        *ecs.IDs
	ecs        *ecsState
	pods       *podState     // nil without pod_identity.enabled
	cluster    *clusterState // nil without kubernetes.enabled
	signed     *signatures   // of the file's own document
	base       *signatures   // of that document without events; nil until there has been a state without
	kept       map[[sha256.Size]byte]*signatures
	modified   []string // header
	// orphans are listeners that were opened for entries of clients alone, of which there are none now.
	orphans map[string]bool
	simulated
	*builder
}

// builder holds what all states of a daemon share.
type builder struct {
	app       *App // whose states they are
	pool      *credentials.Pool
	log       *slog.Logger
	now       func() time.Time
	start     *config.Config // as of the daemon's start: the keys that need a restart
	grown     func()         // see Options.Grown
	listeners []string       // that are open, as the configuration names them
	ofEntries []string       // those of listeners that were opened for entries of clients alone
}

// build makes a state. It does no I/O, starts no goroutine and reads no clock: equal inputs give equal bytes. It takes the
// signatures from old, nil at first, when they are of the same document.
func (b *builder) build(in Inputs, old *State) (*State, error) {
	if old != nil && in.differsInFaults(&old.Inputs) {
		return old.withFaults(in.Faults), nil
	}
	if old == nil || in.Config != old.Config {
		if err := checkInstances(in.Config); err != nil {
			return nil, err
		}
		in.Config = in.Config.Checked()
	}
	c := in.Config.Config
	s := &State{Inputs: in, Rules: RulesOf(c), Restart: b.needRestart(c), builder: b, modified: imds.LastModified(in.LoadedAt)}
	if err := s.Level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return nil, in.Config.Problem("log.level", "%w", err)
	}
	s.simulated = s.simulate(old)
	inst, snapshot, err := treeOf(in.Config, caller.None, &s.own.Instance, s.own.UserData)
	if err != nil {
		return nil, err
	}
	s.Instance = inst
	if old != nil && old.Identity == in.Identity {
		s.kept, s.base = old.signaturesToKeep(), old.base
	}
	s.signed = s.signaturesOf(snapshot.Document())
	if len(s.Events.Events()) == 0 {
		s.base = s.signed
	}
	s.Target = s.target(&s.own, snapshot, imds.NewTokens(in.Secret.Key(), inst.ID, b.now), s.signed)
	var source *credentialSource
	own, _ := s.ownInstance()
	s.role = instance.RoleOf(&own)
	if s.role != "" && in.Cluster == nil { // each pod has a role of its own
		spec := in.ownGrant().spec(&own)
		s.Specs = []credentials.Spec{spec}
		s.Keeper = b.pool.Keeper(spec)
		source = newCredentialSource(s.Keeper, &own)
		s.Target.Credentials = source
	}
	s.identities = newIdentities(c, in.ownGrant())
	if old != nil && old.Config == in.Config {
		s.identities.asked = old.identities.asked
	}
	s.cluster = s.clusterStateOf()
	s.identities.cluster = s.cluster
	s.identities.file.set(&served{s.role, s.Keeper, source}, &metadata{target: s.Target, signed: s.signed})
	s.orphans = b.orphans(c)
	s.router = routerOf(c)
	s.ids = s.idsOf(old)
	s.ecs = s.ecsStateOf(old)
	s.pods = s.podStateOf()
	return s, nil
}

// orphans returns the listeners that were opened for entries which are no more. What served one role must not serve another.
func (b *builder) orphans(c *config.Config) map[string]bool {
	orphans := map[string]bool{}
	for _, name := range b.ofEntries {
		orphans[name] = !slices.Contains(c.Server.Listen, name) &&
			!slices.ContainsFunc(c.Clients, func(e config.Client) bool { return slices.Contains(e.Listen, name) })
	}
	return orphans
}

// routerOf makes the router of clients.
func routerOf(c *config.Config) *caller.Router {
	rules := make([]caller.Rule, len(c.Clients))
	for i := range c.Clients {
		rules[i] = caller.Rule{From: c.Clients[i].From, Listen: c.Clients[i].Listen}
	}
	return caller.NewRouter(rules)
}

// checkInstances checks the instance and the tree that a configuration describes, and those of all entries of clients. Its errors name
// file, line and key.
func checkInstances(l *config.Loaded) error {
	if _, _, err := treeOf(l, caller.None, &l.Config.Instance, l.UserData); err != nil {
		return err
	}
	all := []error{checkEntry(l, caller.None)}
	for i := range l.Config.Clients {
		if l.Config.Clients[i].Overlaid() {
			all = append(all, checkEntry(l, i))
		}
	}
	return errors.Join(all...)
}

// treeOf makes the instance and the tree of an entry of clients, or the file's own.
func treeOf(l *config.Loaded, entry int, c *config.Instance, userData []byte) (*instance.Instance, *tree.Snapshot, error) {
	if err := l.Problems(entry, instance.Check(c)); err != nil {
		return nil, nil, err
	}
	in := instance.New(c, userData)
	snapshot, err := tree.New(in, c.Metadata)
	return in, snapshot, pathProblem(l, entry, err)
}

// checkTree returns the error of treeOf without making the tree.
func checkTree(l *config.Loaded, entry int, c *config.Instance, userData []byte) error {
	if err := l.Problems(entry, instance.Check(c)); err != nil {
		return err
	}
	return pathProblem(l, entry, tree.Check(instance.New(c, userData), c.Metadata))
}

// pathProblem names the key of metadata that an error of package tree is about.
func pathProblem(l *config.Loaded, entry int, err error) error {
	if e, ok := errors.AsType[*tree.PathError](err); ok {
		return l.EntryProblem(entry, "metadata."+e.Path, "%s", e.Reason)
	}
	return err
}

// checkEntry checks the instance of an entry of clients, or the file's own. Without values of metadata its tree always exists. With
// some it is checked both with an instance profile and without, where clients may get either.
func checkEntry(l *config.Loaded, entry int) error {
	c, userData := l.InstanceOf(entry, nil)
	if len(c.Metadata) == 0 {
		if entry == caller.None {
			return nil // checked before
		}
		return l.Problems(entry, instance.Check(&c))
	}
	if len(l.Config.Roles) == 0 && l.Config.Containers.Engine == "" && entry == caller.None {
		return nil
	}
	if err := checkTree(l, entry, &c, userData); err != nil {
		return err
	}
	c, userData = l.InstanceOf(entry, &config.Credentials{IAMRole: "arn:aws:iam::" + c.AWS.AccountID + ":role/any"})
	return checkTree(l, entry, &c, userData)
}

// Check finds what is wrong with a configuration beyond its values, and returns the tree that it serves.
func Check(loaded *config.Loaded) (*tree.Snapshot, error) {
	if err := checkInstances(loaded); err != nil {
		return nil, err
	}
	_, snapshot, err := treeOf(loaded, caller.None, &loaded.Config.Instance, loaded.UserData)
	if err != nil {
		return nil, err
	}
	if _, err := checkSimulation(loaded); err != nil {
		return nil, err
	}
	silent := slog.New(slog.DiscardHandler)
	if _, err := OpenIdentity(loaded, silent, time.Now); err != nil {
		return nil, err
	}
	if p := loaded.Config.PodIdentity; p.Enabled && (p.Verify != config.VerifyJWKS || p.JWKS != "") { // the daemon makes its own key
		if _, err := newPodVerifier(loaded, silent, time.Now); err != nil {
			return nil, err
		}
	}
	return snapshot, nil
}

// needRestart names the keys that changed since the start and take effect only after a restart.
func (b *builder) needRestart(c *config.Config) []string {
	start, keys := b.start, []string(nil)
	for _, key := range append(watchKeys(&start.Kubernetes, &c.Kubernetes), []restartKey{
		{"server.listen", start.Server.Listen, c.Server.Listen},
		{"ecs.enabled", start.ECS.Enabled, c.ECS.Enabled},
		{"ecs.listen", start.ECS.Listen, c.ECS.Listen},
		{"pod_identity.enabled", start.PodIdentity.Enabled, c.PodIdentity.Enabled},
		{"pod_identity.listen", start.PodIdentity.Listen, c.PodIdentity.Listen},
		{"server.user", start.Server.User, c.Server.User},
		{"server.control", start.Server.Control, c.Server.Control},
		{"server.control_listen", start.Server.ControlListen, c.Server.ControlListen},
		{"server.console", start.Server.Console, c.Server.Console},
		{"log.format", start.Log.Format, c.Log.Format},
		{"metrics.listen", start.Metrics.Listen, c.Metrics.Listen},
	}...) {
		if key.changed() {
			keys = append(keys, key.name)
		}
	}
	for i := range c.Clients {
		for _, address := range c.Clients[i].Listen {
			if !slices.Contains(b.listeners, address) {
				return append(keys, "clients[].listen")
			}
		}
	}
	for _, orphan := range b.orphans(c) {
		if orphan {
			return append(keys, "clients[].listen")
		}
	}
	return keys
}
