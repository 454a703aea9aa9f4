package kube

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Node is what a node tells about itself.
type Node struct {
	Name string
	// Cluster names the cluster: the first 8 hexadecimal digits of the UID of its namespace kube-system.
	Cluster string
	// Zone and InstanceType are of the well-known labels; "" without.
	Zone, InstanceType string
	// Addresses are the InternalIPs.
	Addresses []netip.Addr
	// PodCIDRs are the networks of the node's pods; empty if the network plug-in has others, or none yet.
	PodCIDRs []netip.Prefix
}

// ReadNode asks the API for a node and for the namespace kube-system, with one request each.
func ReadNode(ctx context.Context, api *rest.Config, name string) (Node, error) {
	client, err := newClient(api)
	if err != nil {
		return Node{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var node corev1.Node
	if err := client.Get().Resource("nodes").Name(name).Do(ctx).Into(&node); err != nil {
		return Node{}, fmt.Errorf("node %s: the Kubernetes API does not tell about it: %w; check kubernetes.node and the ClusterRole", name, err)
	}
	var system metav1.PartialObjectMetadata
	request := client.Get().Resource("namespaces").Name(metav1.NamespaceSystem).SetHeader("Accept", acceptMetadata("PartialObjectMetadata"))
	if err := request.Do(ctx).Into(&system); err != nil {
		return Node{}, fmt.Errorf("namespace kube-system: its UID cannot be read: %w; allow get of it in the ClusterRole", err)
	}
	n := Node{
		Name: name, Cluster: string(system.UID),
		Zone: node.Labels[corev1.LabelTopologyZone], InstanceType: node.Labels[corev1.LabelInstanceTypeStable],
	}
	if len(n.Cluster) > 8 {
		n.Cluster = n.Cluster[:8]
	}
	for _, address := range node.Status.Addresses {
		if a, err := netip.ParseAddr(address.Address); err == nil && address.Type == corev1.NodeInternalIP {
			n.Addresses = append(n.Addresses, a.Unmap())
		}
	}
	networks := node.Spec.PodCIDRs
	if len(networks) == 0 && node.Spec.PodCIDR != "" {
		networks = []string{node.Spec.PodCIDR}
	}
	for _, network := range networks {
		if p, err := netip.ParsePrefix(network); err == nil {
			n.PodCIDRs = append(n.PodCIDRs, p.Masked())
		}
	}
	return n, nil
}
