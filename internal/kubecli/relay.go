package kubecli

import (
	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/relay"
)

func (p *Program) newRelay() *cobra.Command {
	return &cobra.Command{
		Use:    "relay",
		Short:  "Join standard input and output with the daemon in this pod; up runs it by kubectl exec",
		Args:   noArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return relay.Pipe(cmd.Context(), manifest.RelaySocket, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
