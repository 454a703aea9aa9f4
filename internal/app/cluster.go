package app

import (
	"context"
	"errors"
	"net/netip"
	"reflect"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
)

// Cluster knows the pods of this node of a Kubernetes cluster. Package kube implements it. Each of its Workloads has a Pod.
type Cluster interface {
	caller.Locator
	// Confirm returns the pod that has a now, of which Locate has said that it is w: w, or another where Locate is behind. It fails as
	// Locate does.
	Confirm(ctx context.Context, a netip.Addr, w *caller.Workload) (*caller.Workload, error)
	// Run follows what happens to pods until ctx is done.
	Run(ctx context.Context)
	// Pods returns the live pods, in no order, with those that have no address yet or are in the node's network.
	Pods() []PodState
	// Status describes the watch; the App adds what pods get.
	Status() *api.Kubernetes
	// Refuse records an Event on a pod that does not get the credentials of the role that it names. There is at most one an hour for the
	// same message. It does not block.
	Refuse(w *caller.Workload, message string)
}

// PodState is a live pod.
type PodState struct {
	Workload    *caller.Workload
	Addresses   []string
	HostNetwork bool
	// Own says what in its own spec keeps the pod from ever asking; "" for most.
	Own string
}

// NewCluster makes the Cluster of a configuration. It starts nothing. bound is called for each new or changed pod of the node, before
// it has an address; it must not block.
type NewCluster func(c *config.Config, bound func(*caller.Workload)) (Cluster, error)

// errNoCluster says that the plain program has no client of the Kubernetes API.
var errNoCluster = errors.New("kubernetes.enabled: this program does not know pods; run mock-ec2-metadata-kube, or set it to false")

// useCluster makes the Cluster when the daemon starts. A change of what it depends on needs a restart.
func (a *App) useCluster(in *Inputs) error {
	c := in.Config.Config
	if !c.Kubernetes.Enabled {
		return nil
	}
	if a.opt.NewCluster == nil {
		return errNoCluster
	}
	var err error
	in.Cluster, err = a.opt.NewCluster(c, a.prefetch)
	return err
}

// watchKeys are the keys of kubernetes that the Cluster depends on, with their values in two configurations.
func watchKeys(then, is *config.Kubernetes) []restartKey {
	return []restartKey{
		{"kubernetes.enabled", then.Enabled, is.Enabled},
		{"kubernetes.node", then.Node, is.Node},
		{"kubernetes.pods.find", then.Pods.Find, is.Pods.Find},
		{"kubernetes.pods.wait", then.Pods.Wait, is.Pods.Wait},
		{"kubernetes.annotations", then.Annotations, is.Annotations},
		{"kubernetes.rules.namespace_annotations", then.Rules.NamespaceAnnotations, is.Rules.NamespaceAnnotations},
		{"kubernetes.session.idle", then.Session.Idle, is.Session.Idle},
	}
}

// restartKey is a key whose change takes effect only after a restart.
type restartKey struct {
	name     string
	then, is any
}

func (k restartKey) changed() bool { return !reflect.DeepEqual(k.then, k.is) }
