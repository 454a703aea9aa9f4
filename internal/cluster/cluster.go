// Package cluster puts the daemon into a Kubernetes cluster from a laptop, watches it there and takes it away again
// (kubernetes.md sections 4 and 6). It runs kubectl and the tools of local clusters, and asks no API by itself.
package cluster

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Names in the cluster. The manifest has them too.
const (
	// DaemonSet is the name of the DaemonSet, container that of its container.
	DaemonSet = "mock-ec2-metadata"
	container = "daemon"
	// DefaultNamespace is where the DaemonSet is unless --namespace says otherwise.
	DefaultNamespace = "mock-ec2-metadata"
	// program is the executable, in the image and on the laptop.
	program = "mock-ec2-metadata-kube"

	nameLabel    = "app.kubernetes.io/name"
	managedLabel = "app.kubernetes.io/managed-by"
	// ourLabels select what up has made, and nothing else.
	ourLabels = nameLabel + "=" + DaemonSet + "," + managedLabel + "=" + program
)

// Rendered is what the objects depend on that this package decides.
type Rendered struct {
	Namespace string
	// Image and PullPolicy are those of all containers.
	Image      string
	PullPolicy string
	// User is the uid that the daemon has when it serves; 0 for the one of the Manifest.
	User int64
}

// Manifest makes the objects as YAML or JSON that kubectl reads. All of them carry both labels of kubernetes.md section 6.4.
type Manifest interface {
	// Objects are all that stays in the cluster.
	Objects(r Rendered) ([]byte, error)
	// Probe is a pod on a node that succeeds if the daemon answers pods there.
	Probe(r Rendered, node string) ([]byte, error)
	// Cleanup is a pod on a node that takes away what the daemon has left there.
	Cleanup(r Rendered, node string) ([]byte, error)
}

// Image says which image the pods run.
type Image struct {
	// Ref is an image of a registry that the nodes pull; "" for one that is loaded.
	Ref string
	// Archive is a file that holds the image; "" for the one that Write writes.
	Archive string
	// Tag, Arch and Write are of this program's own image: its name, its Go architecture and what writes the archive. Write is nil
	// where the program cannot be in an image, which is elsewhere than on Linux.
	Tag, Arch string
	Write     func(io.Writer) error
}

// Options are what all commands need.
type Options struct {
	Runner Runner
	// Context and Kubeconfig are kubectl's; "" for its defaults.
	Context, Kubeconfig string
	// Namespace is where to install; "" is DefaultNamespace. Down and Status find what is installed elsewhere too.
	Namespace string
	Machine   Machine
	Manifest  Manifest
	Image     Image
	// Yes answers all questions. OnEC2 allows nodes that are EC2 instances. DryRun prints what would be done, and changes nothing.
	Yes, OnEC2, DryRun bool
	// Confirm asks the user; nil without a terminal.
	Confirm func(ctx context.Context, question string) (bool, error)
	// Out gets what the user is to read.
	Out io.Writer
	Log *slog.Logger
	Now func() time.Time
}

// Cluster is one run of a command on one cluster.
type Cluster struct {
	opt     Options
	kubectl *Kubectl
	out     *printer
}

// New finds kubectl. Its error says how to get it.
func New(opt Options) (*Cluster, error) {
	k, err := FindKubectl(opt.Runner, opt.Context, opt.Kubeconfig)
	if err != nil {
		return nil, err
	}
	c := &Cluster{opt: opt, kubectl: k, out: &printer{w: opt.Out}}
	if opt.Namespace == "" {
		c.opt.Namespace = DefaultNamespace
	}
	if opt.DryRun {
		c.out.prefix = "# "
	}
	return c, nil
}

// Kubectl runs kubectl as the commands do.
func (c *Cluster) Kubectl() *Kubectl { return c.kubectl }

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
