package cli

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/guard"
)

// newNetworks is for run-docker.sh only.
func newNetworks() *cobra.Command {
	return &cobra.Command{
		Use:    "networks",
		Short:  "Print the networks of this machine's virtual interfaces",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []string
			for _, p := range guard.NewNetworks(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))).Prefixes() {
				all = append(all, p.String())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(all, ","))
			return err
		},
	}
}
