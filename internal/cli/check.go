package cli

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
)

func newCheck(f *flags) *cobra.Command {
	var withCredentials bool
	var as, at, pod string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration, print it and every path that it serves",
		Long: `check loads and validates the configuration and prints the effective one, with where each value comes from and secrets
redacted, which requests are allowed, who gets what, and every path that it will serve. On a problem it names the file, the line and
the key, and exits 1.

--credentials also gets credentials once and says who you would be: the file's own, and those of each entry of roles. With names of
roles it gets those alone.

--as ADDRESS prints what a client at that address sees instead: the entry of clients that is for it, its instance and its role,
and each path with its value. --at names the listener that the client comes to; without it that is the first of server.listen.
Behind one NAT address, as of Docker Desktop or of a VirtualBox machine without a network of its own, all clients look alike: give
each its own listener or its own role's id.

--pod FILE prints which role each pod of a Kubernetes manifest would get by the block kubernetes, and why.

  mock-ec2-metadata check --credentials web jobs
  mock-ec2-metadata check --as 192.168.56.11`,
		Args: func(cmd *cobra.Command, args []string) error {
			if withCredentials {
				return nil
			}
			return noArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case at != "" && as == "":
				return &usageError{errors.New("--at needs --as, the address of a client")}
			case as != "" && withCredentials:
				return &usageError{errors.New("--as and --credentials exclude each other; leave one out")}
			case pod != "" && (as != "" || withCredentials):
				return &usageError{errors.New("--pod goes with neither --as nor --credentials; leave these out")}
			case pod == "" && cmd.Flags().Changed("pod"):
				return &usageError{errors.New("--pod names no file; write e.g. --pod deployment.yaml")}
			case as == "" && cmd.Flags().Changed("as"):
				return &usageError{errors.New("--as names no address; write e.g. --as 192.168.56.11")}
			}
			if pod != "" {
				return checkPod(cmd, f, pod)
			}
			loaded, err := config.Load(f.sources())
			if err != nil {
				return err
			}
			if err := leaveRootQuietly(cmd.Context(), loaded); err != nil {
				return err
			}
			if as != "" {
				return checkAs(cmd, f, loaded, containerLocator(slog.New(slog.DiscardHandler)), as, at)
			}
			for _, role := range args {
				if err := checkRole(loaded, role, "without names, check --credentials gets it too"); err != nil {
					return &usageError{err}
				}
			}
			if err := printCheck(cmd, f, loaded); err != nil {
				return err
			}
			if withCredentials {
				return checkCredentials(cmd, loaded, args)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&withCredentials, "credentials", false, "also get credentials once and say who you would be; arguments name roles")
	cmd.Flags().StringVar(&as, "as", "", "print what the client at an `ADDRESS` sees")
	cmd.Flags().StringVar(&pod, "pod", "", "print which role each pod of a manifest `FILE` would get, and why; - is standard input")
	cmd.Flags().StringVar(&at, "at", "", "`LISTENER` that the client of --as comes to, as the configuration has it")
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
	if grants := app.DescribeGrants(loaded); len(grants) > 0 {
		fmt.Fprintln(out, "\n# who gets what")
		for _, line := range grants {
			fmt.Fprintln(out, line)
		}
	}
	lines, odd, err := app.DescribeSimulation(loaded)
	if err != nil {
		return err
	}
	for _, w := range odd {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	if len(lines) > 0 {
		fmt.Fprintln(out, "\n# what it simulates, from its start on")
		for _, line := range lines {
			fmt.Fprintln(out, line)
		}
	}
	fmt.Fprintln(out, "\n# the paths it serves")
	for _, path := range snapshot.Paths() {
		fmt.Fprintln(out, path)
	}
	return nil
}
