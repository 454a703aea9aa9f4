package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func newStatus(f *flags) *cobra.Command {
	return addControl(&cobra.Command{
		Use:   "status",
		Short: "Print the running daemon's status",
		Long: `status prints the status document of the running daemon, as /status shows it to its own machine. It uses the daemon's control
socket, so that it works whatever the daemon listens on. It exits 3 when no daemon is found.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := controlClient(cmd, f)
			if err != nil {
				return err
			}
			s, err := client.Status(cmd.Context())
			if err != nil {
				return controlError(err)
			}
			text, err := json.MarshalIndent(s, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
			return err
		},
	}, f)
}
