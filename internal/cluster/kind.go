package cluster

import (
	"slices"
	"strings"
)

// Kind is a kind of cluster.
type Kind string

// Kinds of clusters that are known, by what makes them.
const (
	Minikube       Kind = "minikube"
	KindCluster    Kind = "kind"
	K3d            Kind = "k3d"
	K3s            Kind = "k3s"
	DockerDesktop  Kind = "Docker Desktop"
	RancherDesktop Kind = "Rancher Desktop"
	OrbStack       Kind = "OrbStack"
	Colima         Kind = "colima"
	MicroK8s       Kind = "MicroK8s"
	Kubeadm        Kind = "kubeadm"
	EC2            Kind = "EC2"
	Unknown        Kind = "unknown"
)

// identify tells the kind of a cluster, and the name that its tool gives it, by its nodes. Tools put marks of their own on nodes of
// tools that they are made of, so the order matters.
func identify(kubeContext string, nodes []node) (kind Kind, name string) {
	first := nodes[0]
	id, label := first.Spec.ProviderID, first.Metadata.Labels
	for _, n := range nodes {
		if strings.HasPrefix(n.Spec.ProviderID, "aws://") {
			return EC2, ""
		}
	}
	switch {
	case label["minikube.k8s.io/name"] != "":
		return Minikube, label["minikube.k8s.io/name"]
	case first.Metadata.Name == "docker-desktop", first.Metadata.Name == "desktop-control-plane":
		return DockerDesktop, ""
	case strings.HasPrefix(id, "kind://"):
		return KindCluster, kindName(kubeContext, id)
	case first.Metadata.Name == "lima-rancher-desktop", kubeContext == "rancher-desktop":
		return RancherDesktop, ""
	case first.Metadata.Name == "orbstack":
		return OrbStack, ""
	case first.Metadata.Name == "colima", strings.HasPrefix(first.Metadata.Name, "colima-"):
		return Colima, strings.TrimPrefix(strings.TrimPrefix(first.Metadata.Name, "colima"), "-")
	case strings.HasPrefix(first.Metadata.Name, "k3d-"):
		return K3d, k3dName(first.Metadata.Name)
	case label["microk8s.io/cluster"] == "true":
		return MicroK8s, ""
	case strings.HasPrefix(id, "k3s://"):
		return K3s, ""
	case first.Metadata.Annotations["kubeadm.alpha.kubernetes.io/cri-socket"] != "":
		return Kubeadm, ""
	}
	return Unknown, ""
}

// kindName is the name of a cluster in kind://PROVIDER/NAME/NODE; older ones have none, and their context is kind-NAME.
func kindName(kubeContext, providerID string) string {
	if parts := strings.Split(providerID, "/"); len(parts) == 5 {
		return parts[3]
	}
	return strings.TrimPrefix(kubeContext, "kind-")
}

// k3dName is NAME in k3d-NAME-server-0 and k3d-NAME-agent-0.
func k3dName(node string) string {
	parts := strings.Split(strings.TrimPrefix(node, "k3d-"), "-")
	return strings.Join(parts[:max(1, len(parts)-2)], "-")
}

// isLocal reports whether such clusters run on laptops alone.
func (k Kind) isLocal() bool {
	return slices.Contains([]Kind{Minikube, KindCluster, K3d, DockerDesktop, RancherDesktop, OrbStack, Colima}, k)
}
