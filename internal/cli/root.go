package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
)

// flags are those that all commands share: they say which daemon is meant.
type flags struct {
	environ   []string
	config    string
	listen    []string
	user      string
	set       []string
	logLevel  string
	logFormat string
	linkLocal bool            // of serve only
	keep      bool            // of serve only: the addresses of linkLocal stay
	staysRoot bool            // of exec only, whose daemon becomes no other user
	also      []config.Option // that a command sets itself
	control   string
	version   string
	extension Extension // nil in the plain program
}

// newRoot builds the command tree. serve is what runs when no command is named.
func newRoot(p Process) *cobra.Command {
	f := &flags{environ: p.Environ, version: p.Version, extension: p.Extension}
	root := &cobra.Command{
		Use:   "mock-ec2-metadata",
		Short: "A local EC2 Instance Metadata Service that hands out real, temporary IAM credentials",
		Long: `mock-ec2-metadata answers like the EC2 Instance Metadata Service (IMDS) and hands out real temporary credentials of an
IAM role, which it gets from STS AssumeRole with a profile of ~/.aws. Without a command it serves.

Without --config it reads conf/config.yaml if that exists, else an embedded default with made-up credentials.
Every key of the file can be set by --set key.path=value, or by the environment:
MOCK_EC2_METADATA__EC2__INSTANCE_ID=i-1 sets ec2.instance_id. --set overrides the environment, which overrides the file.`,
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
			return serve(cmd, f)
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })

	all := root.PersistentFlags()
	all.StringVar(&f.config, "config", "", "configuration `FILE` (default conf/config.yaml if it exists)")
	all.StringArrayVar(&f.listen, "listen", nil, "`ADDRESS` to listen on, host:port; repeatable; replaces server.listen")
	all.StringVar(&f.user, "user", "", "`USER` to become after binding the ports, when started as root: name or number")
	all.StringArrayVar(&f.set, "set", nil, "set one configuration key, `key.path=value`; repeatable")
	all.StringVar(&f.logLevel, "log-level", "", "`LEVEL` of the log: debug, info, warn or error")
	all.StringVar(&f.logFormat, "log-format", "", "`FORMAT` of the log: text or json")

	serveCommand := newServe(f)
	for _, cmd := range []*cobra.Command{root, serveCommand} {
		cmd.Flags().BoolVar(&f.linkLocal, "link-local", false, "put 169.254.169.254 on this machine while serving, and the addresses of ecs and pod_identity if they are enabled, and listen there too; Linux, root")
		cmd.Flags().BoolVar(&f.keep, "keep-address", false, "with --link-local, leave the addresses in place at the end: route remove takes them away")
	}

	root.AddCommand(
		serveCommand,
		newCheck(f),
		newConsole(f),
		newDoctor(f),
		newEnv(f),
		newEvent(f),
		newExec(f),
		newFault(f),
		newHealthcheck(f),
		newIdentityCommand(f),
		newImport(f.environ),
		newMFA(f),
		newNetworks(),
		newReload(f),
		newRequests(f),
		newRoute(f),
		newStatus(f),
		newToken(f),
		newVersion(f),
	)
	if p.Extension != nil {
		p.Extension.Extend(root, p.Environ)
	}
	return root
}

// noArgs refuses arguments. To the root command an argument is an unknown command.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasParent():
		return &usageError{fmt.Errorf("%s takes no arguments, but got %q", cmd.Name(), args[0])}
	default:
		meant := ""
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			meant = "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return &usageError{fmt.Errorf("unknown command %q%s", args[0], meant)}
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
	options = append(options, f.also...)
	src := config.Sources{File: f.config, Environ: f.environ, Set: f.set, Options: options, Profile: f.readProfile, Home: f.home}
	if f.extension != nil {
		src.Node = f.extension.Node
	}
	return src
}

// quoteAll makes YAML strings of values from the command line.
func quoteAll(values []string) []string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return quoted
}
