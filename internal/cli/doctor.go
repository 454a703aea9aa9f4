package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/doctor"
)

func newDoctor(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out what keeps clients from their credentials; run this first when something fails",
		Long: `doctor follows the whole way that credentials take, with the same configuration and flags as the daemon. It prints a line for
each step: the configuration, the profile, its credentials, whose they are, the role, each of roles (the first 20), the clock, the
container engine if one is set, the running daemon, which clients can reach it, and whether 169.254.169.254 (or AWS_EC2_METADATA_SERVICE_ENDPOINT) leads to it. It also looks for
rules of nft and iptables (as root), variables of this shell and hardware values that keep clients away.

  ok    the step succeeded
  note  it works, but you should know
  FAIL  what is wrong, and how to fix it
  skip  not tried, because of an earlier step

It changes nothing and prints no secret. It takes at most 45 seconds, and exits 1 if a step fails.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			failed, steps, err := doctor.Run(cmd.Context(), doctor.Options{
				Sources:   f.sources(),
				Listen:    f.listen,
				LeaveRoot: leaveRootQuietly,
				Log:       slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
				Now:       time.Now,
			}, func(step string, found doctor.Finding) {
				for _, line := range found.Lines() {
					fmt.Fprintf(out, "%-4s  %-13s  %s\n", found.Mark, step, line)
				}
			})
			if err == nil && failed > 0 {
				err = fmt.Errorf("%d of %d steps failed; each says what to do", failed, steps)
			}
			return err
		},
	}
}

// leaveRootQuietly is leaveRoot without a log, for commands that only look.
func leaveRootQuietly(ctx context.Context, loaded *config.Loaded) error {
	return leaveRoot(ctx, loaded, slog.New(slog.DiscardHandler), nil)
}
