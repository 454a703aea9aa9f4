package cli

import (
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
)

func newIdentityCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "identity",
		Short: "Show the certificate of the key that signs the instance identity document",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "cert",
		Short: "Print the certificate, in PEM, for verifiers of the document",
		Long: `cert prints the certificate of the key that signs dynamic/instance-identity/{pkcs7,rsa2048,signature}, in PEM, by the same
configuration and as the same user as the daemon. It makes the key pair if the daemon has not made it yet. Vault needs it
twice, for pkcs7 and rsa2048, and for document and signature:

  mock-ec2-metadata identity cert > cert.pem
  vault write auth/aws/config/certificate/mock aws_public_cert=@cert.pem
  vault write auth/aws/config/certificate/mock-identity type=identity aws_public_cert=@cert.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(f.sources())
			if err != nil {
				return err
			}
			if err := leaveRootQuietly(cmd.Context(), loaded); err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			id, err := app.OpenIdentity(loaded, log, time.Now)
			if err != nil {
				return err
			}
			cert, err := id.CertificatePEM(cmd.Context())
			if err != nil {
				return err
			}
			persistent, err := id.Persistent(cmd.Context())
			if err != nil {
				return err
			}
			if !persistent {
				return errors.New("the daemon cannot share its key pair, so no certificate is printed: set identity.state_dir to a directory that both can write")
			}
			_, err = cmd.OutOrStdout().Write(cert)
			return err
		},
	})
	return cmd
}
