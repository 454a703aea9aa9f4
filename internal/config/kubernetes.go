package config

import "time"

// OwnRole stands for the profile's own credentials where kubernetes.rules names a role. NoRole stands for none there.
const OwnRole = "own"

// Ways to find the pod of an address, the values of kubernetes.pods.find.
const (
	FindWatch = "watch" // the watch on the Kubernetes API
	FindProc  = "proc"  // the network namespaces of the node's processes
)

// Values of kubernetes.session.scope, of which each says what gets a session of its own.
const (
	ScopeRole           = "role"
	ScopeServiceAccount = "service_account"
	ScopePod            = "pod"
)

// Kubernetes says how the pods of a node get roles (kubernetes.md section 6.3).
type Kubernetes struct {
	Enabled bool `yaml:"enabled"`
	// Node is the node's name; "" is NODE_NAME.
	Node string `yaml:"node" is:"Kubernetes name"`
	// ClusterName is in tags and derived ids; "" is the first 8 digits of the UID of the namespace kube-system.
	ClusterName string                `yaml:"cluster_name" is:"cluster name"`
	Pods        KubernetesPods        `yaml:"pods"`
	Annotations KubernetesAnnotations `yaml:"annotations"`
	// BaseRoleARN is put before a role that is named without an ARN. If it is not set, it is that of the account, and "" if no source
	// tells the account.
	BaseRoleARN string            `yaml:"base_role_arn" is:"base role ARN"`
	Rules       KubernetesRules   `yaml:"rules"`
	Session     KubernetesSession `yaml:"session"`
}

// KubernetesPods says how pods are found, and what of the metadata they get.
type KubernetesPods struct {
	// Find lists the ways to find the pod of an address, see FindWatch and FindProc.
	Find []string `yaml:"find" oneof:"watch, proc" scalar:"true"`
	// Wait bounds how long a request waits for its pod to become known, 0 to 10 seconds.
	Wait time.Duration `yaml:"wait"`
	// Metadata is node for all metadata, or none for credentials and what SDKs need alone.
	Metadata string `yaml:"metadata" oneof:"node, none"`
}

// KubernetesAnnotations are names of annotations, in the order in which they are looked up. The first hit on the pod, then its
// ServiceAccount, then its namespace counts. AllowedRoles are of namespaces alone.
type KubernetesAnnotations struct {
	Role         []string `yaml:"role" is:"annotation" scalar:"true"`
	ExternalID   []string `yaml:"external_id" is:"annotation" scalar:"true"`
	SessionName  []string `yaml:"session_name" is:"annotation" scalar:"true"`
	AllowedRoles []string `yaml:"allowed_roles" is:"annotation" scalar:"true"`
}

// KubernetesRules say which pods get which role. Roles are names of roles, names or paths of IAM roles behind BaseRoleARN, ARNs, or
// OwnRole.
type KubernetesRules struct {
	// DefaultRole is of known pods that name none; "" is none.
	DefaultRole string `yaml:"default_role" is:"pod role"`
	// HostNetwork is of pods in the node's network, and of the node's own processes; "" is none.
	HostNetwork string `yaml:"host_network" is:"pod role"`
	// ServiceAccounts maps namespace/name to a role.
	ServiceAccounts map[string]string `yaml:"service_accounts" key:"service account" is:"pod role"`
	// Namespaces maps names and patterns of namespaces to what their pods may name. The most specific one counts alone.
	Namespaces map[string]NamespaceRule `yaml:"namespaces" key:"namespace pattern"`
	// NamespaceAnnotations applies the annotations AllowedRoles too.
	NamespaceAnnotations bool `yaml:"namespace_annotations"`
}

// NamespaceRule is what the pods of a namespace get.
type NamespaceRule struct {
	// Allow lists the roles that pods may name: names and patterns behind BaseRoleARN, ARN patterns, and re: expressions.
	Allow []string `yaml:"allow" is:"role pattern" scalar:"true"`
	// DefaultRole takes the place of that of KubernetesRules.
	DefaultRole string `yaml:"default_role" is:"pod role"`
	// ExternalID is for all roles of the namespace's pods; an annotation takes its place.
	ExternalID Secret `yaml:"external_id" is:"external id"`
}

// KubernetesSession says how sessions are made.
type KubernetesSession struct {
	// Scope says what gets a session of its own, see ScopeRole and its siblings.
	Scope string `yaml:"scope" oneof:"role, service_account, pod"`
	// Name is a template of the session name, see Placeholders; "" is that of the credentials, and by default the instance id.
	Name string  `yaml:"name" is:"session template"`
	Tags PodTags `yaml:"tags"`
	// Prefetch gets a pod's credentials before it asks.
	Prefetch bool `yaml:"prefetch"`
	// Idle is how long after its last use a session is renewed.
	Idle time.Duration `yaml:"idle"`
}

// PodTags are the session tags of pods: none, EKS's six, or templates by key. Templates have the placeholders of Placeholders.
type PodTags struct {
	EKS       bool
	Templates map[string]string `key:"session tag key" is:"tag template"`
}

// Any reports whether there are any, so that each pod has a session of its own.
func (t PodTags) Any() bool { return t.EKS || len(t.Templates) > 0 }

func defaultKubernetes() Kubernetes {
	return Kubernetes{
		Pods: KubernetesPods{Find: []string{FindWatch, FindProc}, Wait: 900 * time.Millisecond, Metadata: "node"},
		Annotations: KubernetesAnnotations{
			Role:         []string{"mock-ec2-metadata/role", "iam.amazonaws.com/role", "eks.amazonaws.com/role-arn"},
			ExternalID:   []string{"mock-ec2-metadata/external-id", "iam.amazonaws.com/external-id"},
			SessionName:  []string{"mock-ec2-metadata/session-name", "iam.amazonaws.com/session-name"},
			AllowedRoles: []string{"mock-ec2-metadata/allowed-roles", "iam.amazonaws.com/allowed-roles", "iam.amazonaws.com/permitted"},
		},
		Session: KubernetesSession{Scope: ScopeRole, Prefetch: true, Idle: 15 * time.Minute},
	}
}
