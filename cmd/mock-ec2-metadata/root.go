package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
)

// flags are those that all commands share, since they say which daemon is meant.
type flags struct {
	environ   []string
	config    string
	listen    []string
	user      string
	set       []string
	logLevel  string
	logFormat string
	linkLocal bool // of serve alone
}

// newRoot builds the command tree. serve is what runs when no command is named.
func newRoot(environ []string) *cobra.Command {
	f := &flags{environ: environ}
	root := &cobra.Command{
		Use:   "mock-ec2-metadata",
		Short: "The EC2 Instance Metadata Service for wherever EC2 is not, with real credentials of an IAM role",
		Long: `mock-ec2-metadata answers like the EC2 Instance Metadata Service (IMDS) and hands out real temporary credentials of an
IAM role, got by STS AssumeRole with a profile of ~/.aws. Without a command it serves.

Without --config it reads conf/config.yaml if that exists, else an embedded default with made-up credentials.
Every key of the file can be set by --set key.path=value, or by the environment:
MOCK_EC2_METADATA__EC2__INSTANCE_ID=i-1 sets ec2.instance_id. --set wins over the environment, that over the file.`,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("config") && f.config == "" {
				return &usageError{errors.New("--config names no file; leave it out for conf/config.yaml or the embedded default")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })

	p := root.PersistentFlags()
	p.StringVar(&f.config, "config", "", "configuration `FILE` (default conf/config.yaml if it exists)")
	p.StringArrayVar(&f.listen, "listen", nil, "`ADDRESS` to listen on, host:port; repeatable; replaces server.listen")
	p.StringVar(&f.user, "user", "", "`USER` to become after binding the ports, when started as root: name or number")
	p.StringArrayVar(&f.set, "set", nil, "set one configuration key, `key.path=value`; repeatable")
	p.StringVar(&f.logLevel, "log-level", "", "`LEVEL` of the log: debug, info, warn or error")
	p.StringVar(&f.logFormat, "log-format", "", "`FORMAT` of the log: text or json")

	serveCommand := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon (the default command)",
		Args:  noArgs,
		RunE:  root.RunE,
	}
	for _, cmd := range []*cobra.Command{root, serveCommand} {
		cmd.Flags().BoolVar(&f.linkLocal, "link-local", false, "put 169.254.169.254 on this machine while serving, and listen there too; Linux, root")
	}

	root.AddCommand(
		serveCommand,
		newCheck(f),
		newDoctor(f),
		newEnv(f),
		newExec(f),
		newHealthcheck(f),
		newIdentityCommand(f),
		newMFA(f),
		newNetworks(),
		newRoute(f),
		newVersion(),
	)
	return root
}

// noArgs refuses arguments as wrong usage; on the root command they can only be an unknown command.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasParent():
		return &usageError{fmt.Errorf("%s takes no arguments, but got %q", cmd.Name(), args[0])}
	default:
		return &usageError{fmt.Errorf("unknown command %q", args[0])}
	}
}

// sources says where the configuration comes from.
func (f *flags) sources() config.Sources {
	var options []config.Option
	if len(f.listen) > 0 {
		options = append(options, config.Option{Flag: "--listen", Path: "server.listen", Value: "[" + strings.Join(quoteAll(f.listen), ", ") + "]"})
	}
	if f.user != "" {
		options = append(options, config.Option{Flag: "--user", Path: "server.user", Value: f.user})
	}
	if f.logLevel != "" {
		options = append(options, config.Option{Flag: "--log-level", Path: "log.level", Value: f.logLevel})
	}
	if f.logFormat != "" {
		options = append(options, config.Option{Flag: "--log-format", Path: "log.format", Value: f.logFormat})
	}
	return config.Sources{File: f.config, Environ: f.environ, Set: f.set, Options: options}
}

// quoteAll makes YAML strings of whatever was given on the command line.
func quoteAll(values []string) []string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return quoted
}
