package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// deleteTimeout bounds deleting objects, with the content of a namespace.
const deleteTimeout = 90 * time.Second

// ourKinds are all kinds of objects that up has ever made.
const ourKinds = "namespaces,serviceaccounts,configmaps,secrets,pods,daemonsets.apps,clusterroles.rbac.authorization.k8s.io," +
	"clusterrolebindings.rbac.authorization.k8s.io,networkpolicies.networking.k8s.io"

// ciliumKinds are those that exist in clusters with Cilium alone.
const ciliumKinds = "ciliumnetworkpolicies.cilium.io"

// contentKinds are kinds by which a namespace is in use, where the cluster does not tell all that it has.
const contentKinds = "pods,services,configmaps,secrets,serviceaccounts,persistentvolumeclaims,deployments.apps,statefulsets.apps," +
	"daemonsets.apps,jobs.batch,cronjobs.batch,networkpolicies.networking.k8s.io"

// inventory is what the cluster has of us, in all namespaces.
type inventory struct {
	// objects are those that up has made, without what others own.
	objects []object
	// sets and pods are its DaemonSets and their pods.
	sets []daemonSet
	pods []pod
	// strays are pods of proofs and clean-ups that were interrupted.
	strays []pod
	// others are DaemonSets with our name that something else has made, such as Helm.
	others []daemonSet
}

// inventory lists what is there.
func (c *Cluster) inventory(ctx context.Context, network Network) (*inventory, error) {
	kinds := []string{ourKinds}
	if strings.HasPrefix(network.Name, "Cilium") {
		kinds = append(kinds, ciliumKinds)
	}
	found := &inventory{}
	for _, k := range kinds {
		var raw list[json.RawMessage]
		err := c.kubectl.query(ctx, &raw, "get", k, "--all-namespaces", "--selector="+nameLabel+"="+DaemonSet)
		if k == ciliumKinds && err != nil && isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, item := range raw.Items {
			if err := found.add(item); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (i *inventory) add(item json.RawMessage) error {
	var o object
	if err := json.Unmarshal(item, &o); err != nil {
		return fmt.Errorf("kubectl: cannot read an object: %w", err)
	}
	switch o.Kind {
	case "Pod":
		var p pod
		if err := json.Unmarshal(item, &p); err != nil {
			return fmt.Errorf("kubectl: cannot read %s: %w", o, err)
		}
		switch {
		case p.isDaemon():
			i.pods = append(i.pods, p)
		case p.isOurs() && !p.isOwned():
			i.strays = append(i.strays, p)
		}
		return nil
	case "DaemonSet":
		var d daemonSet
		if err := json.Unmarshal(item, &d); err != nil {
			return fmt.Errorf("kubectl: cannot read %s: %w", o, err)
		}
		if !o.isOurs() {
			i.others = append(i.others, d)
			return nil
		}
		i.sets = append(i.sets, d)
	}
	if o.isOurs() && !o.isOwned() {
		i.objects = append(i.objects, o)
	}
	return nil
}

// isEmpty reports whether nothing is there that up has made.
func (i *inventory) isEmpty() bool { return len(i.objects)+len(i.strays) == 0 }

// namespaces are the objects that are namespaces.
func (i *inventory) namespaces() []object {
	return slices.DeleteFunc(slices.Clone(i.objects), func(o object) bool { return o.Kind != "Namespace" })
}

// remove deletes objects, all at once. Those that are gone already are no error.
func (c *Cluster) remove(ctx context.Context, objects []object, wait bool) error {
	if len(objects) == 0 {
		return nil
	}
	type name struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	}
	type item struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   name   `json:"metadata"`
	}
	items := make([]item, 0, len(objects))
	for _, o := range objects {
		items = append(items, item{o.APIVersion, o.Kind, name{o.Metadata.Name, o.Metadata.Namespace}})
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		return err
	}
	_, err = c.kubectl.run(ctx, deleteTimeout, text, "delete", "--ignore-not-found", fmt.Sprintf("--wait=%t", wait), "--filename=-")
	return err
}

// sweep deletes the pods of proofs and clean-ups that were interrupted. It waits for those on the nodes that are present: new ones have
// the same names. A node that is away ends none.
func (c *Cluster) sweep(ctx context.Context, strays []pod, present []string) error {
	var here, away []object
	for _, p := range strays {
		if slices.Contains(present, p.Spec.NodeName) {
			here = append(here, p.object)
		} else {
			away = append(away, p.object)
		}
	}
	if err := c.remove(ctx, away, false); err != nil {
		return err
	}
	return c.remove(ctx, here, true)
}

// namespacedKinds are all kinds of objects that somebody can make in a namespace, custom ones too. Those that the cluster makes by itself
// are left out.
func (c *Cluster) namespacedKinds(ctx context.Context) string {
	out, err := c.kubectl.run(ctx, queryTimeout, nil, "api-resources", "--namespaced=true", "--verbs=list,delete", "-o", "name")
	kinds := lines(string(out))
	if err != nil || len(kinds) == 0 { // an API behind the server may be away
		return contentKinds
	}
	return strings.Join(slices.DeleteFunc(kinds, func(k string) bool {
		kind, _, _ := strings.Cut(k, ".")
		return slices.Contains([]string{"events", "endpoints", "endpointslices", "controllerrevisions", "leases"}, kind)
	}), ",")
}

// content names what others have in a namespace. It reads names alone.
func (c *Cluster) content(ctx context.Context, namespace string) ([]string, error) {
	out, err := c.kubectl.run(ctx, queryTimeout, nil, "get", c.namespacedKinds(ctx), "--namespace="+namespace,
		"--selector="+nameLabel+"!="+DaemonSet, "-o", "name", requestTimeout)
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, name := range lines(string(out)) {
		made := name == "configmap/kube-root-ca.crt" || name == "serviceaccount/default" || strings.HasPrefix(name, "secret/default-token-") ||
			name == "configmap/openshift-service-ca.crt" || name == "configmap/istio-ca-root-cert"
		if !made {
			foreign = append(foreign, name)
		}
	}
	return foreign, nil
}

// removable splits objects into those that may be deleted and namespaces that must stay, each with why.
func (c *Cluster) removable(ctx context.Context, objects []object) (gone []object, kept []string, err error) {
	for _, o := range objects {
		if o.Kind != "Namespace" {
			gone = append(gone, o)
			continue
		}
		foreign, err := c.content(ctx, o.Metadata.Name)
		if err != nil {
			return nil, nil, err
		}
		if len(foreign) > 0 {
			kept = append(kept, fmt.Sprintf("%s stays, since others use it: %s", o, listed(foreign)))
			continue
		}
		gone = append(gone, o)
	}
	// a namespace goes last, so that what is in it was named before
	slices.SortStableFunc(gone, func(a, b object) int { return order(a) - order(b) })
	return gone, kept, nil
}

func order(o object) int {
	if o.Kind == "Namespace" {
		return 1
	}
	return 0
}
