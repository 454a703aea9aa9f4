package app

import (
	"log/slog"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/identity"
	"mock-ec2-metadata/internal/lifecycle"
	"mock-ec2-metadata/internal/podidentity"
)

// Inputs are all that a State is built from. Files have been read before.
type Inputs struct {
	Config   *config.Loaded
	LoadedAt time.Time
	// Identity signs the identity document.
	Identity *identity.Identity
	// Secret keys the session tokens.
	Secret *identity.Secret
	// Locator knows the containers of this machine; nil without containers.engine.
	Locator Locator
	// Cluster knows the pods of this node; nil without kubernetes.enabled.
	Cluster Cluster
	// Pods verifies the tokens of pods; nil without pod_identity.enabled.
	Pods      podidentity.Verifier
	podInputs verifierInputs // that it was made of
	// Events and Faults are what is simulated.
	Events  lifecycle.Set
	Faults  *fault.Set
	misfits map[string]error // events that have just ended, since they do not fit
	over    []string         // faults of the configuration whose time is over
	// Choice is the entry of roles whose credentials clients get in place of the file's own; "" for none.
	Choice string
	// Now is the time of the build.
	Now time.Time
}

// load takes a configuration and opens the key pair that it names. A key pair that the daemon made itself stays as long as
// identity keeps its value, and so does the secret of the session tokens.
func (in *Inputs) load(loaded *config.Loaded, log *slog.Logger, now func() time.Time, containers NewLocator) error {
	if err := in.locate(loaded, containers); err != nil {
		return err
	}
	if err := in.verifyPods(loaded, log, now); err != nil {
		return err
	}
	c := loaded.Config.Identity
	if in.Secret == nil || c.StateDir != in.Config.Config.Identity.StateDir {
		in.Secret = identity.OpenSecret(c.StateDir)
	}
	if in.Identity == nil || c.KeyFile != "" || c != in.Config.Config.Identity {
		id, err := OpenIdentity(loaded, log, now)
		if err != nil {
			return err
		}
		in.Identity = id
	}
	in.Config, in.LoadedAt = loaded, now()
	return nil
}

// OpenIdentity opens the key pair that a configuration names.
func OpenIdentity(l *config.Loaded, log *slog.Logger, now func() time.Time) (*identity.Identity, error) {
	c := l.Config.Identity
	id, err := identity.New(identity.Options{KeyFile: c.KeyFile, CertFile: c.CertFile, StateDir: c.StateDir, Log: log, Now: now})
	if err == nil {
		return id, nil
	}
	for _, key := range []string{"identity.key_file", "identity.cert_file"} {
		if reason, ok := strings.CutPrefix(err.Error(), key+" "); ok {
			return nil, l.Problem(key, "%s", reason)
		}
	}
	return nil, err
}
