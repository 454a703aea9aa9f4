package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pull policies.
const (
	pullNever     = "Never"
	pullIfMissing = "IfNotPresent"
)

// archivePlace stands for the archive's path in a loader's arguments, nodePlace for a node.
const (
	archivePlace = "FILE"
	nodePlace    = "NODE"
)

// dockerTimeout bounds the question whether docker has a context.
const dockerTimeout = 10 * time.Second

// loader is how an archive gets into a cluster.
type loader struct {
	args []string
	env  []string
	// stdin says that the program reads the archive from stdin.
	stdin bool
	// nodes are those to run it for, one after the other; nil runs it once for all.
	nodes []string
}

// commands are those for an archive.
func (l loader) commands(archive string) []Command {
	nodes := l.nodes
	if nodes == nil {
		nodes = []string{""}
	}
	var all []Command
	for _, node := range nodes {
		c := Command{Args: slices.Clone(l.args), Env: l.env}
		for i, arg := range c.Args {
			switch arg {
			case archivePlace:
				c.Args[i] = archive
			case nodePlace:
				c.Args[i] = node
			}
		}
		all = append(all, c)
	}
	return all
}

// shown is a command as a user types it.
func (l loader) shown(c Command, archive string) string {
	text := c.String()
	if l.stdin {
		text += " < " + archive
	}
	return text
}

func load(args ...string) loader { return loader{args: args} }

func loadStdin(args ...string) loader { return loader{args: args, stdin: true} }

// containerdSockets are where containerd listens, each with what loads archives there.
var containerdSockets = []string{
	"/run/k3s/containerd/containerd.sock", "/var/snap/microk8s/common/run/containerd.sock", "/run/containerd/containerd.sock",
}

// loaderFor chooses by the kind of the cluster and its container runtime.
func (c *Cluster) loaderFor(ctx context.Context, info *Info) (loader, error) {
	runtime, _, _ := strings.Cut(info.nodes[0].Status.NodeInfo.ContainerRuntimeVersion, ":")
	var l loader
	switch info.Kind {
	case Minikube:
		l = load("minikube", "--profile="+info.Name, "image", "load", archivePlace)
	case KindCluster:
		l = load("kind", "load", "image-archive", archivePlace, "--name", info.Name)
		if provider := kindProvider(info.nodes[0].Spec.ProviderID); provider != "docker" {
			l.env = []string{"KIND_EXPERIMENTAL_PROVIDER=" + provider}
		}
	case K3d:
		l = load("k3d", "image", "import", archivePlace, "--cluster", info.Name)
	case DockerDesktop:
		l = c.dockerLoad(ctx, "desktop-linux")
		if strings.HasPrefix(info.nodes[0].Spec.ProviderID, "kind://") {
			// its nodes are containers, and have what docker has only if they can pull it
			l = loadStdin(append(l.args[:len(l.args)-3], "exec", "--interactive", nodePlace, "ctr", "--namespace", "k8s.io", "images", "import", "-")...)
			l.nodes, _ = info.present()
		}
	case OrbStack:
		l = c.dockerLoad(ctx, "orbstack")
	case RancherDesktop:
		l = load("nerdctl", "--namespace", "k8s.io", "load", "--input", archivePlace)
		if runtime == "docker" {
			l = c.dockerLoad(ctx, "rancher-desktop")
		}
	case Colima:
		profile := info.nodes[0].Metadata.Name // colima, or colima-NAME
		l = loadStdin("colima", "nerdctl", "--profile", strings.TrimPrefix(profile, "colima-"), "--", "--namespace", "k8s.io", "load")
		if runtime == "docker" {
			l = c.dockerLoad(ctx, profile)
		}
	case MicroK8s:
		l = loadStdin("microk8s", "images", "import")
	default:
		return c.loaderHere(ctx, info, runtime)
	}
	if !c.opt.Runner.Find(l.args[0]) {
		return loader{}, fmt.Errorf("image: %s is not on the PATH, which loads images into this cluster; install it\n%s", l.args[0], otherWays)
	}
	return l, nil
}

// otherWays are what a user can do where this program cannot load the image.
const otherWays = "Or load the image by hand on each node: " + program + " image > FILE, and there: ctr -n k8s.io images import FILE\n" +
	"Or push it to a registry that the nodes can pull from, and name it: " + program + " up --image REF"

// loaderHere is for a cluster whose only node is this machine.
func (c *Cluster) loaderHere(ctx context.Context, info *Info, runtime string) (loader, error) {
	named := c.opt.Machine.Getenv("CONTAINERD_ADDRESS")
	if len(info.nodes) != 1 || !info.ThisMachine && named == "" {
		return loader{}, fmt.Errorf("image: this program knows no way to load it into a cluster of %s with %s\n%s",
			info, nodeCount(len(info.nodes)), otherWays)
	}
	if runtime == "docker" && named == "" && c.opt.Runner.Find("docker") {
		return c.dockerLoad(ctx, ""), nil
	}
	for _, socket := range append([]string{strings.TrimPrefix(named, "unix://")}, containerdSockets...) {
		if socket == "" || !c.opt.Machine.Answers(socket) {
			continue
		}
		switch {
		case strings.HasPrefix(socket, "/run/k3s/") && c.opt.Runner.Find("k3s"):
			return load("k3s", "ctr", "images", "import", archivePlace), nil
		case c.opt.Runner.Find("ctr"):
			return load("ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", archivePlace), nil
		}
		return loader{}, fmt.Errorf("image: ctr is not on the PATH, which loads images into containerd at %s; install it\n%s", socket, otherWays)
	}
	return loader{}, fmt.Errorf("image: no socket of containerd answers here; run this as root, or name the socket with CONTAINERD_ADDRESS\n%s", otherWays)
}

// dockerLoad loads into the engine of a docker context, or the default one where docker has no such context.
func (c *Cluster) dockerLoad(ctx context.Context, name string) loader {
	args := []string{"docker"}
	if name != "" && c.opt.Runner.Find("docker") {
		ctx, cancel := context.WithTimeout(ctx, dockerTimeout)
		defer cancel()
		if _, err := c.opt.Runner.Run(ctx, Command{Args: []string{"docker", "context", "inspect", name}}); err == nil {
			args = append(args, "--context", name)
		}
	}
	return load(append(args, "load", "--input", archivePlace)...)
}

// kindProvider is PROVIDER in kind://PROVIDER/NAME/NODE.
func kindProvider(providerID string) string {
	if parts := strings.Split(providerID, "/"); len(parts) == 5 && parts[2] != "" {
		return parts[2]
	}
	return "docker"
}
