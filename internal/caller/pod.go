package caller

// Pod is a pod of Kubernetes, as far as it decides what its processes get. It never changes.
type Pod struct {
	UID            string `json:"uid,omitempty"`
	Namespace      string `json:"namespace,omitempty"`
	Name           string `json:"name,omitempty"`
	ServiceAccount string `json:"service_account,omitempty"`
	// Annotations, AccountAnnotations and NamespaceAnnotations are those of the pod, of its ServiceAccount and of its namespace: only
	// the ones that kubernetes.annotations names.
	Annotations          map[string]string `json:"annotations,omitempty"`
	AccountAnnotations   map[string]string `json:"account_annotations,omitempty"`
	NamespaceAnnotations map[string]string `json:"namespace_annotations,omitempty"`
}

// String names the pod.
func (p *Pod) String() string { return "pod " + p.Namespace + "/" + p.Name }

// Ways by which a Subject has come to its credentials.
const (
	ViaAddress = "address" // a pod, found by its address
	ViaHost    = "host"    // a process of the node, or a pod of the node's network
	ViaToken   = "token"   // a pod, by its token of EKS Pod Identity
)

// Subject is whom a cluster's credentials are for.
type Subject struct {
	Via  string `json:"via"`
	Node string `json:"node"`
	Pod  Pod    `json:"pod"` // zero under ViaHost
}
