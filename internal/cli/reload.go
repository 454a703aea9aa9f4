package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newReload(f *flags) *cobra.Command {
	return addControl(&cobra.Command{
		Use:   "reload",
		Short: "Have the running daemon read its configuration again",
		Long: `reload has the running daemon read its configuration again, and says whether it is in use. When it is wrong, the old one stays in
use, and reload prints each problem and exits 1. The daemon also reloads by itself when the file changes, and on SIGHUP.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := controlClient(cmd, f)
			if err != nil {
				return err
			}
			c, err := client.Reload(cmd.Context())
			if err != nil {
				return controlError(err)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "reloaded %s\n", c.File)
			for _, w := range c.Warnings {
				fmt.Fprintln(out, "warning:", w)
			}
			for _, key := range c.NeedsRestart {
				fmt.Fprintf(out, "%s takes effect after a restart\n", key)
			}
			return nil
		},
	}, f)
}
