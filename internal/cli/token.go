package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/terminal"
)

// tokenFlags are those of the command token.
type tokenFlags struct {
	namespace, account, pod, uid string
	audience                     string
	duration                     time.Duration
	output                       string
	jwks                         bool
}

func newToken(f *flags) *cobra.Command {
	var t tokenFlags
	cmd := &cobra.Command{
		Use:   "token --namespace NAMESPACE --service-account ACCOUNT",
		Short: "Sign the token of a pod for EKS Pod Identity, where there is no cluster",
		Long: `token signs a token of a service account as Kubernetes gives it to a pod, with a key of the daemon's own. A daemon with the same
identity.state_dir and pod_identity.verify: jwks takes it, unless pod_identity.jwks names other keys. So pods can be rehearsed where
there is no cluster, such as in a Compose file:

  mock-ec2-metadata token --namespace shop --service-account web --output eks-pod-identity-token

The token is a secret. It goes to stdout, or with --output to a file that only this user can read. --jwks prints the public key
instead, as the JSON Web Key Set that other verifiers need.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := t.check(); err != nil {
				return err
			}
			loaded, err := config.Load(f.sources())
			if err != nil {
				return err
			}
			signer, err := podidentity.OpenSigner(app.StateDir(loaded.Config))
			if err != nil {
				return err
			}
			if t.jwks {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", signer.JWKS())
				return err
			}
			if unfit := t.unfitFor(loaded); unfit != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "mock-ec2-metadata: %s%s\n", unfit, noFile(loaded))
			}
			return t.sign(cmd.OutOrStdout(), signer, loaded)
		},
	}
	cmd.Flags().StringVar(&t.namespace, "namespace", "", "the pod's `NAMESPACE`")
	cmd.Flags().StringVar(&t.account, "service-account", "", "the pod's service `ACCOUNT`")
	cmd.Flags().StringVar(&t.pod, "pod", "", "the pod's `NAME`; default: that of the service account")
	cmd.Flags().StringVar(&t.uid, "pod-uid", "", "the pod's `UID`; default: one that follows from its name")
	cmd.Flags().StringVar(&t.audience, "audience", "", "`AUDIENCE` of the token; default: pod_identity.audience")
	cmd.Flags().DurationVar(&t.duration, "duration", podTokenLife, "how long the token is valid")
	cmd.Flags().StringVar(&t.output, "output", "", "`FILE` to write the token to, without the end of a line, which SDKs refuse")
	cmd.Flags().BoolVar(&t.jwks, "jwks", false, "print the public key as a JSON Web Key Set, and no token")
	return cmd
}

// minTokenLife is the shortest that Kubernetes gives.
const minTokenLife = 10 * time.Minute

func (t *tokenFlags) check() error {
	switch {
	case t.jwks && (t.namespace != "" || t.account != "" || t.output != ""):
		return &usageError{errors.New("--jwks prints no token; leave out the other flags")}
	case t.jwks:
		return nil
	case t.namespace == "" || t.account == "":
		return &usageError{errors.New("token needs --namespace and --service-account, for example: mock-ec2-metadata token --namespace shop --service-account web")}
	case t.duration < minTokenLife:
		return &usageError{fmt.Errorf("--duration %s is less than the %s that Kubernetes gives at least", t.duration, minTokenLife)}
	}
	for _, name := range []struct{ flag, value string }{{"--namespace", t.namespace}, {"--service-account", t.account}, {"--pod", t.pod}} {
		if strings.Trim(name.value, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			return &usageError{fmt.Errorf("%s %q is not a name in Kubernetes; it has lower-case letters, digits, hyphens and dots", name.flag, name.value)}
		}
	}
	return nil
}

// unfitFor says why a daemon of a configuration refuses the tokens; "" if it takes them.
func (t *tokenFlags) unfitFor(loaded *config.Loaded) string {
	p := &loaded.Config.PodIdentity
	const fix = "set pod_identity.verify to jwks, without pod_identity.jwks"
	switch {
	case !p.Enabled:
		return loaded.Name() + " has no pod_identity.enabled: true, so a daemon with it takes no tokens"
	case p.Verify == config.VerifyTokenReview:
		return "a daemon with " + loaded.Name() + " asks the Kubernetes API about tokens, which does not know this one; " + fix
	case p.Verify == config.VerifyJWKS && p.JWKS != "":
		return "a daemon with " + loaded.Name() + " takes tokens by the keys of pod_identity.jwks; add those of token --jwks there, or leave it out"
	case t.audience != "" && t.audience != p.Audience:
		return "a daemon with " + loaded.Name() + " takes tokens for the audience " + p.Audience + " only (pod_identity.audience); leave out --audience"
	}
	if _, err := associationOf(loaded, t.namespace, t.account); err != nil {
		return err.Error()
	}
	return ""
}

// sign signs the token and writes it.
func (t *tokenFlags) sign(out io.Writer, signer *podidentity.Signer, loaded *config.Loaded) error {
	p := &loaded.Config.PodIdentity
	token := podidentity.Token{
		Namespace: t.namespace, ServiceAccount: t.account, PodName: cmp.Or(t.pod, t.account), PodUID: t.uid,
		Issuer: cmp.Or(p.Issuer, app.PodIssuer), Audience: cmp.Or(t.audience, p.Audience), IssuedAt: time.Now(), Lifetime: t.duration,
	}
	if t.output != "" {
		return writeToken(t.output, signer, token)
	}
	signed, err := signer.Sign(token)
	if err != nil {
		return err
	}
	if file, ok := out.(*os.File); ok && terminal.Foreground(file) {
		signed += "\n" // a file that a shell makes of it has no end of a line, which SDKs refuse
	}
	_, err = io.WriteString(out, signed)
	return err
}
