package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/probe"
)

func newHealthcheck(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running daemon's /status; exit 0 if it serves, 1 if not",
		Long: `healthcheck asks the /status page of the daemon that the same configuration and flags would start, and prints its status.
Without --listen, if nothing answers there, it asks the default address too: a changed server.listen needs a
restart. It exits 0 as long as the daemon serves, ok or degraded, and 1 otherwise. For Docker's HEALTHCHECK and systemd.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(f.sources())
			listen := app.ListenAddress(f.listen, loaded)
			if err != nil && len(f.listen) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "the configuration is wrong, so %s is asked: %v\n", listen, err)
			}
			_, s, err := probe.First(cmd.Context(), app.Places(f.listen, listen))
			if err != nil {
				return fmt.Errorf("%w; start the daemon, or name its address with --listen", err)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintln(out, s.Status)
			for _, problem := range s.Problems() {
				fmt.Fprintln(out, problem)
			}
			return nil
		},
	}
}
