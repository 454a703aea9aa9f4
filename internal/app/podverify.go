package app

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/identity"
	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/tokenreview"
)

// PodIssuer is the issuer of tokens that the command token signs, unless pod_identity.issuer names another. Nothing is there.
const PodIssuer = "https://mock-ec2-metadata.internal"

// reviewLife is how long a verdict of the Kubernetes API counts: a token of a deleted pod is refused then
// (container-credentials-reference section 5.6).
const reviewLife = time.Minute

// verifyPods makes a new verifier if what it depends on has changed. Else it keeps the one that knows tokens already.
func (in *Inputs) verifyPods(loaded *config.Loaded, log *slog.Logger, now func() time.Time) error {
	c := &loaded.Config.PodIdentity
	inputs := verifierInputsOf(loaded.Config)
	if in.Pods != nil && c.Enabled && in.podInputs == inputs {
		return nil
	}
	in.Pods, in.podInputs = nil, inputs
	if !c.Enabled {
		return nil
	}
	verifier, err := newPodVerifier(loaded, log, now)
	if err != nil {
		return err
	}
	opt := podidentity.MemoryOptions{Now: now}
	if c.Verify == config.VerifyTokenReview {
		opt.Limit, opt.Remote = reviewLife, true
	}
	in.Pods = podidentity.Remember(verifier, opt)
	in.podInputs = verifierInputsOf(loaded.Config) // the daemon's own key exists now
	return nil
}

// verifierInputs are the values that a verifier depends on, and a hash of the files that it reads.
type verifierInputs struct {
	verify, jwks, issuer, audience, kubeconfig string
	files                                      [sha256.Size]byte
}

func verifierInputsOf(c *config.Config) verifierInputs {
	p := &c.PodIdentity
	inputs := verifierInputs{verify: p.Verify, jwks: p.JWKS, issuer: p.Issuer, audience: p.Audience, kubeconfig: p.Kubeconfig}
	var files []string
	switch {
	case p.Verify == config.VerifyTokenReview && p.Kubeconfig != "":
		files = []string{p.Kubeconfig}
	case p.Verify == config.VerifyTokenReview:
		files = filepath.SplitList(os.Getenv("KUBECONFIG"))
	case p.Verify == config.VerifyJWKS && p.JWKS == "":
		files = []string{podidentity.SignerFile(StateDir(c))}
	case p.Verify == config.VerifyJWKS:
		files = []string{p.JWKS} // of a URL there is none
	}
	sum := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // the user's own
		fmt.Fprintf(sum, "%q %v %d ", file, err == nil, len(content))
		_, _ = sum.Write(content)
	}
	copy(inputs.files[:], sum.Sum(nil))
	return inputs
}

func newPodVerifier(l *config.Loaded, log *slog.Logger, now func() time.Time) (podidentity.Verifier, error) {
	c := l.Config.PodIdentity
	switch c.Verify {
	case config.VerifyNone:
		return podidentity.Unverified(now), nil
	case config.VerifyTokenReview:
		v, err := tokenreview.New(tokenreview.Options{Kubeconfig: c.Kubeconfig, Audience: c.Audience, Now: now})
		if err != nil {
			return nil, l.Problem("pod_identity.kubeconfig", "%w; or set pod_identity.verify to jwks", err)
		}
		return v, nil
	default:
		opt := podidentity.JWKSOptions{Source: c.JWKS, Audience: c.Audience, Issuer: c.Issuer, Now: now, Log: log}
		if c.JWKS == "" {
			signer, err := podidentity.OpenSigner(StateDir(l.Config))
			if err != nil {
				return nil, l.Problem("pod_identity.jwks", "%w", err)
			}
			opt.Document, opt.Issuer = signer.JWKS(), cmp.Or(c.Issuer, PodIssuer)
		} else if err := checkKeySet(opt); err != nil {
			return nil, l.Problem("pod_identity.jwks", "%w", err)
		}
		v, err := podidentity.NewJWKS(opt)
		if err != nil {
			return nil, l.Problem("pod_identity.jwks", "%w", err)
		}
		return v, nil
	}
}

// checkKeySet finds what is wrong with a file of keys, which the verifier reads only when a token comes.
func checkKeySet(opt podidentity.JWKSOptions) error {
	if config.IsURL(opt.Source) {
		return nil
	}
	var err error
	if opt.Document, err = os.ReadFile(opt.Source); err != nil {
		return err
	}
	opt.Source = ""
	_, err = podidentity.NewJWKS(opt)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "pod_identity.jwks "))
	}
	return nil
}

// StateDir is where the daemon of a configuration keeps its own files.
func StateDir(c *config.Config) string {
	return cmp.Or(c.Identity.StateDir, identity.DefaultStateDir())
}
