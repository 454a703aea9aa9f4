package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/credentials"
)

func newMFA(f *flags) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "mfa CODE",
		Short: "Give the running daemon the MFA code that it waits for",
		Long: `mfa gives the running daemon the code that an MFA device shows now, 6 digits, and says whether STS accepts it. A refused code
changes nothing: run it again with the next one. status says whether a code is wanted, and of which device.

If several roles wait, the code is for the first, the file's own before those of roles; others of the same device need no code of
their own. --role chooses the role, for a code of another device.

It uses the daemon's control socket, which only the daemon's user and root may write to.
In Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{errors.New("mfa takes one argument, the code: mock-ec2-metadata mfa 123456")}
			}
			if err := credentials.CheckMFACode(args[0]); err != nil {
				return &usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := controlClient(cmd, f)
			if err != nil {
				return err
			}
			result, err := client.MFA(cmd.Context(), role, args[0])
			if err != nil {
				return controlError(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), result)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "`NAME` of the role that the code is for, if several wait")
	return addControl(cmd, f)
}
