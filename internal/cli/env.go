package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/sdkenv"
)

func newEnv(f *flags) *cobra.Command {
	var shellName, role string
	var task bool
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print what makes a shell's SDKs use the running daemon: eval \"$(mock-ec2-metadata env)\"",
		Long: `env prints shell commands that make all AWS SDKs and tools take their credentials from one daemon only: the one that the same
configuration and flags would start.

  eval "$(mock-ec2-metadata env)"                                       sh, bash, zsh, …
  mock-ec2-metadata env --shell fish | source
  mock-ec2-metadata env --shell powershell | Out-String | Invoke-Expression
  for /f "delims=" %i in ('mock-ec2-metadata env --shell cmd') do @%i

It sets AWS_EC2_METADATA_SERVICE_ENDPOINT, time-outs that are long enough for a slow STS and, where a proxy is set, NO_PROXY. It
unsets the variables that SDKs prefer to the metadata service, such as AWS_PROFILE and AWS_ACCESS_KEY_ID. SDKs no longer read
~/.aws, since they would prefer its default profile. So the region comes from AWS_REGION or AWS_DEFAULT_REGION, which stay as they
are, or from the metadata service, for clients that ask it. Start the daemon in another shell: it needs ~/.aws.

With --role NAME, clients get the credentials of that entry of roles, and the metadata service no longer. It sets
AWS_CONTAINER_CREDENTIALS_FULL_URI, whose value is a secret, and AWS_REGION. The daemon must listen at 127.0.0.1.

  eval "$(mock-ec2-metadata env --role web)"

With --ecs, the shell's processes are as in a container of ECS: they get what its agent sets, for their credentials, those of the
instance or with --role those of a role, and for task metadata. At 169.254.170.2 if the daemon listens there, else at 127.0.0.1.

  eval "$(mock-ec2-metadata env --ecs)"; curl "$ECS_CONTAINER_METADATA_URI_V4/task"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sh, err := sdkenv.ShellNamed(shellName)
			if err != nil {
				return &usageError{fmt.Errorf("--shell %w", err)}
			}
			if err := checkRoleFlag(cmd, role); err != nil {
				return err
			}
			loaded, err := config.Load(f.sources())
			listen := app.ListenAddress(f.listen, loaded)
			if err != nil && len(f.listen) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "the configuration is wrong, so %s is asked: %v\n", listen, err)
			}
			found, s, err := probe.First(cmd.Context(), app.Places(f.listen, listen))
			if err != nil {
				own := "exec"
				if task {
					own += " --ecs"
				}
				if role != "" {
					own += " --role " + sdkenv.QuotePOSIX(role)
				}
				return fmt.Errorf("%w; start the daemon, or run one command with its own: mock-ec2-metadata %s -- COMMAND", err, own)
			}
			if other := app.Mismatch(loaded, found, s); other != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "mock-ec2-metadata: "+other+noFile(loaded))
			}
			if missing := noAuthorization(s, loaded); missing != "" && (role != "" || task) {
				fmt.Fprintln(cmd.ErrOrStderr(), "mock-ec2-metadata: "+missing+noFileOf(loaded))
			}
			changes := sdkenv.New(api.URL(found), f.environ)
			if role != "" {
				place, err := placeOf(cmd.Context(), s, role, found, addressesOf(f, loaded))
				if err != nil {
					return err
				}
				place.authorization = authorizationOf(loaded)
				changes = place.changes(f.environ)
			}
			if task {
				t, err := taskOf(cmd.Context(), s, role, found, addressesOf(f, loaded))
				if err != nil {
					return err
				}
				t.Authorization = authorizationOf(loaded)
				changes = sdkenv.NewTask(t, f.environ)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), sh.Lines(changes))
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "`NAME` of an entry of roles whose credentials clients are to get")
	cmd.Flags().BoolVar(&task, "ecs", false, "print what a container of ECS has: its credentials and its task metadata")
	cmd.Flags().StringVar(&shellName, "shell", "posix", "`SHELL` to print for: posix, fish, powershell or cmd")
	return cmd
}
