package kubecli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/cluster"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/probe"
)

// upFlags are those of up.
type upFlags struct {
	place
	credentials, role, profile, mount string
	longLived, detach, feedOnly       bool
}

func (p *Program) newUp() *cobra.Command {
	var u upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Put the daemon into a Kubernetes cluster, and give it credentials",
		Long: `up runs the daemon on each node of a Kubernetes cluster, so that pods reach 169.254.169.254, each with its role. It finds out which
cluster the kubeconfig names, loads the image, applies the objects, proves from a pod on each node that the daemon answers, and then
gives it credentials of your profile until you press Ctrl-C. Your keys stay on this machine. A second up is an upgrade.

A pod names its role by an annotation (iam.amazonaws.com/role, or eks.amazonaws.com/role-arn of its ServiceAccount). For pods that name
none:

  mock-ec2-metadata-kube up --role own            your profile's own credentials, under its name
  mock-ec2-metadata-kube up --role ARN            this role
  mock-ec2-metadata-kube up                       no role

--config names a file with the block kubernetes and the others that the cluster's daemons get; --set sets single keys, as of the plain
program. Without --config any pod may name any role: conf/config.yaml is not read. --credentials says where keys are:

  relay    on this machine; the cluster gets credentials of the roles that pods may have (the default)
  mount    in a directory of each node, --mount DIRECTORY
  secret   in a Secret, with the keys of one profile; long-lived ones need --allow-long-lived-keys
  mock     nowhere: credentials are made up`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.up(cmd, &u) },
	}
	u.bind(cmd)
	return cmd
}

// bind adds the flags of up.
func (u *upFlags) bind(cmd *cobra.Command) {
	u.addFlags(cmd)
	u.addChangeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&u.credentials, "credentials", manifest.Relay, "where keys are: relay, mount, secret or mock (`MODE`)")
	f.StringVar(&u.role, "role", "", "`ROLE` of pods that name none: an ARN, or own")
	f.StringVar(&u.profile, "profile", "", "`PROFILE` of ~/.aws that makes the calls (default AWS_PROFILE, else default)")
	f.StringVar(&u.mount, "mount", "", "`DIRECTORY` of each node with the files of ~/.aws")
	f.BoolVar(&u.longLived, "allow-long-lived-keys", false, "put long-lived keys into the Secret of --credentials secret")
	f.BoolVar(&u.feedOnly, "feed-only", false, "give credentials to daemons that Helm or kubectl has installed, and change no object")
	f.BoolVar(&u.detach, "detach", false, "return when the daemon runs, without giving it credentials")
}

// check refuses flags that do not go together.
func (u *upFlags) check(cmd *cobra.Command) error {
	switch u.credentials {
	case manifest.Relay, manifest.Mount, manifest.Secret, manifest.Mock:
	default:
		return cli.UsageError(fmt.Errorf("--credentials: %q is none of relay, mount, secret, mock", u.credentials))
	}
	switch {
	case u.feedOnly && u.credentials != manifest.Relay:
		return cli.UsageError(errors.New("--feed-only is for --credentials relay alone"))
	case u.feedOnly && (u.detach || u.dryRun || u.image != "" || u.archive != ""):
		return cli.UsageError(errors.New("--feed-only changes no object: --detach, --dry-run, --image and --image-archive do not go with it"))
	case u.mount == "" && u.credentials == manifest.Mount:
		return cli.UsageError(errors.New("--credentials mount: the directory is missing; name it with --mount DIRECTORY"))
	case u.mount != "" && u.credentials != manifest.Mount:
		return cli.UsageError(errors.New("--mount is for --credentials mount alone"))
	case u.longLived && u.credentials != manifest.Secret:
		return cli.UsageError(errors.New("--allow-long-lived-keys is for --credentials secret alone"))
	case u.profile != "" && u.credentials == manifest.Mock:
		return cli.UsageError(errors.New("--profile: --credentials mock uses none; leave one of them out"))
	case u.role == "" && cmd.Flags().Changed("role"):
		return cli.UsageError(errors.New("--role names no role; write an ARN or own, or leave it out"))
	case u.role == config.OwnRole && u.credentials == manifest.Mock:
		return cli.UsageError(errors.New("--role own: made-up credentials are of a role; write --role with an ARN"))
	case u.image != "" && u.archive != "":
		return cli.UsageError(errors.New("--image and --image-archive exclude each other; leave one out"))
	default:
		return nil
	}
}

func (p *Program) up(cmd *cobra.Command, u *upFlags) error {
	if err := u.check(cmd); err != nil {
		return err
	}
	ctx := cmd.Context()
	plan, err := p.plan(ctx, cmd, u)
	if err != nil {
		return err
	}
	for _, w := range plan.loaded.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	if plan.secret != "" {
		plan.manifest.SecretName = manifest.Name + "-aws"
	}
	c, err := p.openPlan(cmd, u, plan)
	if err != nil {
		return err
	}
	opt := plan.upOptions(p, cmd)
	if u.feedOnly {
		err := c.Feed(ctx, opt.Feed)
		if errors.Is(err, cluster.ErrNotInstalled) {
			return cli.NoDaemonError(err)
		}
		return err
	}
	opt.Detach = u.detach
	opt.Occupied = occupied
	return c.Up(ctx, opt)
}

// occupied says what answers at the address of the metadata service on this machine; "" for nothing.
func occupied(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := probe.Status(ctx, "http://169.254.169.254/status")
	if err == nil {
		return "another mock-ec2-metadata, " + s.Serves() + ","
	}
	if _, ok := errors.AsType[*probe.StrangerError](err); ok {
		return "something else"
	}
	return ""
}

// profileName is the profile that makes the calls: of the flag, the configuration, the environment, or the default one.
func (p *Program) profileName(u *upFlags, configured string) string {
	for _, name := range []string{u.profile, configured, p.lookup("AWS_PROFILE"), p.lookup("AWS_DEFAULT_PROFILE")} {
		if name != "" {
			return name
		}
	}
	return "default"
}

func (p *Program) lookup(name string) string {
	value := ""
	for _, e := range p.environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// readConfig returns the configuration that --config or the environment names, or the default one.
func (p *Program) readConfig(cmd *cobra.Command) (file string, text []byte, err error) {
	file, err = cmd.Flags().GetString("config")
	if err != nil {
		return "", nil, err
	}
	if file == "" {
		file = p.lookup("MOCK_EC2_METADATA_CONFIG")
	}
	if file == "" {
		return "", []byte(manifest.Default().Config), nil
	}
	text, err = os.ReadFile(file) //nolint:gosec // the user names it
	return file, text, err
}
