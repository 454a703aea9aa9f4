package kubecli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/cluster"
	"mock-ec2-metadata/internal/imagefile"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/terminal"
)

func (p *Program) newDown() *cobra.Command {
	var l place
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Take the daemon out of a Kubernetes cluster",
		Long: `down deletes the DaemonSet, then takes away what it has left on each node, and then deletes the other objects that up has made. It
works after an up or a down that was interrupted, too, and does nothing where there is nothing.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.open(cmd, &l, manifest.Default())
			if err != nil {
				return err
			}
			return c.Down(cmd.Context())
		},
	}
	l.addFlags(cmd)
	l.addChangeFlags(cmd)
	return cmd
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.UsageError(fmt.Errorf("%s takes no arguments, but got %q", cmd.Name(), args[0]))
	}
	return nil
}

// extendStatus makes status print that of a cluster. In a pod, --daemon prints that of its daemon.
func (p *Program) extendStatus(cmd *cobra.Command) {
	var l place
	var daemon, asJSON bool
	plain := cmd.RunE
	cmd.Short = "Print what the pods of a cluster get, or the status of a daemon of this machine (--control, --daemon)"
	cmd.Long = `status asks the daemon on each node of a Kubernetes cluster, and prints the nodes, the roles and sessions of pods, and who is refused
why. --json prints the same as JSON. It exits 1 if a node is not well, and 3 if the cluster has no daemon.

With --daemon it prints the status document of the daemon in the same pod, and with --control that of a daemon of this machine, as
mock-ec2-metadata status does.`
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case daemon:
			s, err := probe.Status(cmd.Context(), api.StatusPage(manifest.Local))
			if err != nil {
				return err
			}
			return cli.PrintStatus(cmd.OutOrStdout(), s)
		case cmd.Flags().Changed("control") || cmd.Flags().Changed("listen") || cmd.Flags().Changed("table"):
			return plain(cmd, args)
		}
		c, err := p.open(cmd, &l, manifest.Default())
		if err != nil {
			return err
		}
		err = c.Status(cmd.Context(), asJSON)
		if errors.Is(err, cluster.ErrNotInstalled) {
			return cli.NoDaemonError(err)
		}
		return err
	}
	l.addFlags(cmd)
	cmd.Flags().BoolVar(&daemon, "daemon", false, "print the status of the daemon in this pod")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
}

func (p *Program) newImage() *cobra.Command {
	var opt imagefile.Options
	cmd := &cobra.Command{
		Use:   "image > FILE",
		Short: "Write the container image of this program as an archive",
		Long: `image writes an archive with this program as a container image, for clusters into which up cannot load it. Docker, containerd, CRI-O
and Podman import it. The same program makes the same bytes. Linux only: the image holds the program itself.

  mock-ec2-metadata-kube image > image.tar
  ctr -n k8s.io images import image.tar
  mock-ec2-metadata-kube up --image-archive image.tar`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			own, err := p.imageOptions()
			if err != nil {
				return err
			}
			own.CABundle, own.Zoneinfo = opt.CABundle, opt.Zoneinfo
			if f, ok := cmd.OutOrStdout().(*os.File); ok && terminal.Foreground(f) {
				return cli.UsageError(errors.New("the archive would go to the terminal; write: " + program + " image > image.tar"))
			}
			return imagefile.Write(cmd.OutOrStdout(), own)
		},
	}
	cmd.Flags().StringVar(&opt.CABundle, "ca-bundle", "", "`FILE` with trusted certificates (default: this machine's)")
	cmd.Flags().StringVar(&opt.Zoneinfo, "zoneinfo", "", "zoneinfo.zip `FILE`, for logs in local time (default: none)")
	return cmd
}
