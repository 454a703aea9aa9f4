package kubecli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/cluster"
	"mock-ec2-metadata/internal/imagefile"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/terminal"
)

// place says which cluster is meant, and what may be done there.
type place struct {
	context, kubeconfig, namespace string
	yes, onEC2, dryRun             bool
	image, archive                 string
}

func (l *place) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.context, "context", "", "`CONTEXT` of the kubeconfig (default: the current one)")
	cmd.Flags().StringVar(&l.kubeconfig, "kubeconfig", "", "kubeconfig `FILE` (default: kubectl's)")
	cmd.Flags().StringVar(&l.namespace, "namespace", manifest.Default().Namespace, "`NAMESPACE` of the daemon")
}

func (l *place) addChangeFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.yes, "yes", false, "answer all questions with yes")
	cmd.Flags().BoolVar(&l.onEC2, "on-ec2", false, "also on nodes that are EC2 instances")
	cmd.Flags().BoolVar(&l.dryRun, "dry-run", false, "print what would be done, and change nothing")
	cmd.Flags().StringVar(&l.image, "image", "", "`IMAGE` that the nodes pull (default: this program, which is loaded into them)")
	cmd.Flags().StringVar(&l.archive, "image-archive", "", "`FILE` with the image, as the command image writes it")
}

// open finds kubectl.
func (p *Program) open(cmd *cobra.Command, l *place, m manifest.Options) (*cluster.Cluster, error) {
	return p.openObjects(cmd, l, objects{m})
}

func (p *Program) openObjects(cmd *cobra.Command, l *place, m cluster.Manifest) (*cluster.Cluster, error) {
	image, err := p.imageOf(l)
	if err != nil {
		return nil, err
	}
	machine, err := cluster.ThisMachine()
	if err != nil {
		return nil, err
	}
	opt := cluster.Options{
		Runner: cluster.Exec{}, Context: l.context, Kubeconfig: l.kubeconfig, Namespace: l.namespace, Machine: machine,
		Manifest: m, Image: image, Yes: l.yes, OnEC2: l.onEC2, DryRun: l.dryRun, Out: cmd.OutOrStdout(),
		Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})), Now: time.Now,
	}
	if terminal.Attached() {
		opt.Confirm = func(_ context.Context, question string) (bool, error) {
			return confirm(cmd.InOrStdin(), cmd.ErrOrStderr(), question)
		}
	}
	return cluster.New(opt)
}

func confirm(in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprintf(out, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && line == "" {
		return false, nil // no answer is a no
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// imageOf says which image the pods run.
func (p *Program) imageOf(l *place) (cluster.Image, error) {
	image := cluster.Image{Ref: l.image, Archive: l.archive, Arch: runtime.GOARCH}
	if l.image != "" || l.archive != "" || runtime.GOOS != "linux" {
		return image, nil
	}
	opt, err := p.imageOptions()
	if err != nil {
		return image, err
	}
	image.Tag = imagefile.Name + ":" + opt.Tag
	image.Write = func(w io.Writer) error { return imagefile.Write(w, opt) }
	return image, nil
}

func (p *Program) imageOptions() (imagefile.Options, error) {
	executable, err := os.Executable()
	if err != nil {
		return imagefile.Options{}, err
	}
	tag, err := imagefile.Tag(executable)
	return imagefile.Options{Executable: executable, Tag: tag, Version: p.version}, err
}

// objects are those of manifest options as package cluster takes them.
type objects struct{ opt manifest.Options }

func (o objects) rendered(r cluster.Rendered) manifest.Options {
	opt := o.opt
	opt.Namespace, opt.Image, opt.PullPolicy = r.Namespace, r.Image, r.PullPolicy
	if r.User > 0 {
		opt.User = r.User
	}
	return opt
}

// Objects are all that stays in the cluster.
func (o objects) Objects(r cluster.Rendered) ([]byte, error) {
	opt := o.rendered(r)
	if err := opt.Check(); err != nil {
		return nil, err
	}
	return manifest.YAML(opt), nil
}

// Probe is the pod that proves the way to the daemon.
func (o objects) Probe(r cluster.Rendered, node string) ([]byte, error) {
	return manifest.Encode(manifest.Probe(o.rendered(r), node)), nil
}

// Cleanup is the pod that takes away what the daemon has left.
func (o objects) Cleanup(r cluster.Rendered, node string) ([]byte, error) {
	return manifest.Encode(manifest.Cleanup(o.rendered(r), node)), nil
}
