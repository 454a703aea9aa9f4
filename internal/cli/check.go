package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/terminal"
)

// checkTimeout bounds each call of check --credentials, SSO and credential_process included.
const checkTimeout = 30 * time.Second

func newCheck(f *flags) *cobra.Command {
	var withCredentials bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration, print it and every path that it serves",
		Long: `check loads and validates the configuration and prints the effective one, with where each value comes from and secrets
redacted, which requests are allowed, and every path that it will serve. With --credentials it also gets credentials once and
says who you would be. On a problem it names the file, the line and the key, and exits 1.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(f.sources())
			if err != nil {
				return err
			}
			if err := leaveRootQuietly(cmd.Context(), loaded); err != nil {
				return err
			}
			if err := printCheck(cmd, f, loaded); err != nil {
				return err
			}
			if withCredentials {
				return checkCredentials(cmd, loaded.Config)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&withCredentials, "credentials", false, "also get credentials once and say who you would be")
	return cmd
}

func printCheck(cmd *cobra.Command, f *flags, loaded *config.Loaded) error {
	snapshot, err := app.Check(loaded)
	if err != nil {
		return err
	}
	for _, w := range loaded.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "# the effective configuration, from %s\n%s", loaded.Name(), loaded.YAML())
	fmt.Fprintln(out, "\n# which requests are allowed")
	also, err := app.HostNetworks(f.environ)
	if err != nil {
		return err
	}
	networks := guard.NewNetworks(slog.New(slog.DiscardHandler), also...)
	for _, rule := range app.DescribeRules(loaded.Config, networks.Virtual()) {
		fmt.Fprintln(out, rule)
	}
	fmt.Fprintln(out, "\n# the paths it serves")
	for _, path := range snapshot.Paths() {
		fmt.Fprintln(out, path)
	}
	return nil
}

// checkCredentials gets credentials once, as the daemon would, and asks STS whose they are.
func checkCredentials(cmd *cobra.Command, c *config.Config) error {
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, "\n# the credentials it hands out")
	if instance.RoleOf(&c.Instance) == "" {
		fmt.Fprintln(out, "none: neither credentials.iam_role nor credentials.source_profile is set")
		return nil
	}
	ctx := cmd.Context()
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	got, err := retrieve(ctx, cmd, sts.NewProvider(app.SpecOf(c), sts.Options{Log: log}))
	if err != nil {
		return fmt.Errorf("no credentials: %w", err)
	}
	if c.Credentials.Mock {
		fmt.Fprintf(out, "made up (credentials.mock), as %s\n", lasting(got.ARN, got.Expiration))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	arn, err := sts.New(app.SpecOf(c), sts.Options{Log: log}).CallerIdentity(ctx, got)
	if err != nil {
		return fmt.Errorf("STS issued credentials, but refuses them: %w", err)
	}
	fmt.Fprintf(out, "you would be %s\n", lasting(arn, got.Expiration))
	return nil
}

// retrieve gets credentials once. It asks on the terminal for the MFA codes that this needs.
func retrieve(ctx context.Context, cmd *cobra.Command, p credentials.Provider) (*credentials.Credentials, error) {
	call := func(ctx context.Context) (*credentials.Credentials, error) {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		return p.Retrieve(ctx)
	}
	got, err := call(ctx)
	if needs, ok := errors.AsType[*credentials.NeedsMFA](err); ok && !terminal.Attached() {
		return nil, fmt.Errorf("a code of the MFA device %s is needed; run this on a terminal, where it asks for the code", needs.Serial)
	}
	ask := terminal.NewPrompt(os.Stdin, cmd.ErrOrStderr())
	for range 5 {
		needs, ok := errors.AsType[*credentials.NeedsMFA](err)
		if !ok {
			return got, err
		}
		code, ok := ask.Ask(ctx, needs.Serial)
		if !ok {
			return nil, err
		}
		if err := credentials.CheckMFACode(strings.TrimSpace(code)); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), err)
			continue
		}
		got, err = call(credentials.WithMFACode(ctx, strings.TrimSpace(code)))
		if needs, ok := errors.AsType[*credentials.NeedsMFA](err); ok {
			fmt.Fprintln(cmd.ErrOrStderr(), needs)
		}
	}
	return nil, err
}

// lasting says what is valid, and until when.
func lasting(what string, end time.Time) string {
	return what + " until " + end.UTC().Format(time.RFC3339)
}
