package app

import (
	"bytes"
	"errors"
	"log/slog"
	"reflect"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// State is all that requests are answered from. It never changes.
type State struct {
	Inputs
	Instance *instance.Instance
	Target   *imds.Target
	Rules    *guard.Rules
	// Specs are the credentials that the instance hands out: none, or one.
	Specs []credentials.Spec
	// Keeper has them; nil without an instance profile.
	Keeper  *credentials.Keeper
	Level   slog.Level
	Restart []string // keys whose change waits for a restart

	signed *signatures
}

// builder holds what all states of a daemon share.
type builder struct {
	pool  *credentials.Pool
	now   func() time.Time
	start *config.Config // as of the daemon's start
}

// build makes a state. It does no I/O, starts no goroutine and reads no clock: equal inputs give equal bytes. It takes the
// signatures from old, nil at first, when they are of the same document.
func (b *builder) build(in Inputs, old *State) (*State, error) {
	c := in.Config.Config
	inst, snapshot, err := instanceOf(in.Config)
	if err != nil {
		return nil, err
	}
	s := &State{Inputs: in, Instance: inst, Rules: RulesOf(c), Restart: needRestart(b.start, c)}
	if err := s.Level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return nil, in.Config.Problem("log.level", "%w", err)
	}
	s.signed = &signatures{identity: in.Identity, document: snapshot.Document()}
	if old != nil && old.Identity == in.Identity && bytes.Equal(old.signed.document, s.signed.document) {
		s.signed = old.signed
	}
	options := c.EC2.MetadataOptions
	s.Target = &imds.Target{
		Tree:           snapshot,
		Modified:       imds.LastModified(in.LoadedAt),
		Tokens:         imds.NewTokens(in.Secret.Key(), inst.ID, b.now),
		Signatures:     s.signed,
		TokensRequired: options.HTTPTokens == "required",
		Disabled:       options.HTTPEndpoint == "disabled",
		HopLimit:       options.HTTPPutResponseHopLimit,
	}
	if inst.Role != "" {
		spec := SpecOf(c)
		s.Specs = []credentials.Spec{spec}
		s.Keeper = b.pool.Keeper(spec)
		s.Target.Credentials = newCredentialSource(s.Keeper, c.AWS.AccountID)
	}
	return s, nil
}

// instanceOf makes the instance and the tree that a configuration describes. Its errors name file, line and key.
func instanceOf(l *config.Loaded) (*instance.Instance, *tree.Snapshot, error) {
	if err := l.Problems(instance.Check(&l.Config.Instance)); err != nil {
		return nil, nil, err
	}
	in := instance.New(&l.Config.Instance, l.UserData)
	snapshot, err := tree.New(in, l.Config.Metadata)
	if e, ok := errors.AsType[*tree.PathError](err); ok {
		err = l.Problem("metadata."+e.Path, "%s", e.Reason)
	}
	return in, snapshot, err
}

// Check finds what is wrong with a configuration beyond its values, and returns the tree that it serves.
func Check(loaded *config.Loaded) (*tree.Snapshot, error) {
	_, snapshot, err := instanceOf(loaded)
	if err != nil {
		return nil, err
	}
	if _, err := OpenIdentity(loaded, slog.New(slog.DiscardHandler), time.Now); err != nil {
		return nil, err
	}
	return snapshot, nil
}

// needRestart names the keys that changed since the start and take effect only after a restart.
func needRestart(start, c *config.Config) []string {
	var keys []string
	for _, key := range []struct {
		name     string
		then, is any
	}{
		{"server.listen", start.Server.Listen, c.Server.Listen},
		{"server.user", start.Server.User, c.Server.User},
		{"server.control", start.Server.Control, c.Server.Control},
		{"log.format", start.Log.Format, c.Log.Format},
	} {
		if !reflect.DeepEqual(key.then, key.is) {
			keys = append(keys, key.name)
		}
	}
	return keys
}
