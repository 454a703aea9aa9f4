// Package manifest makes the Kubernetes objects that run the daemon on each node of a cluster: the only source of the plain manifest
// in deploy/kubernetes, and of what the commands up and down create. The Helm chart in deploy/helm renders the same objects, which
// test/charts checks. It talks to no cluster. The rules come from kubernetes.md sections 4, 6.4 and 6.5.
package manifest

import (
	"bytes"
	_ "embed"
	"fmt"
	"path"

	"gopkg.in/yaml.v3"
)

// Ways to give the daemon credentials, the values of Options.Credentials (kubernetes.md section 6.2).
const (
	Relay  = "relay"  // a stream from a laptop; nothing of it is in the objects
	Mount  = "mount"  // a directory of the node with the files of ~/.aws
	Secret = "secret" // a Secret with the files of ~/.aws
	Mock   = "mock"   // made-up ones
)

const (
	// Name is that of all objects, and the value of the label NameLabel.
	Name = "mock-ec2-metadata"
	// ManagedBy is the value of the label ManagedByLabel. Objects that Helm makes say Helm.
	ManagedBy = "mock-ec2-metadata-kube"

	// NameLabel is on all objects.
	NameLabel = "app.kubernetes.io/name"
	// ManagedByLabel is on all objects.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ComponentLabel tells the daemon's pods from those of the clean-up and of the proof.
	ComponentLabel = "app.kubernetes.io/component"

	// StateDir is the directory of a node in which the daemon keeps what must survive an upgrade.
	StateDir = "/var/lib/mock-ec2-metadata"
	// RunDir holds the sockets of a pod, in memory.
	RunDir = "/run/mock-ec2-metadata"
	// RelaySocket is where the stream from a laptop comes in.
	RelaySocket = RunDir + "/relay/relay.sock"
	// Local is where a node's own processes, and probes, reach the daemon.
	Local = "127.0.0.1:5001"

	program   = "/mock-ec2-metadata-kube"
	configDir = "/etc/mock-ec2-metadata"
	home      = "/home/mock"
	awsDir    = home + "/.aws"
)

//go:embed config.yaml
var defaultConfig string

// Options say how the objects differ. The zero value is of no use, see Default.
type Options struct {
	Namespace string
	// Image is the reference of an image of mock-ec2-metadata-kube, PullPolicy one of Always, IfNotPresent and Never.
	Image, PullPolicy string
	// Set are keys of the configuration over those of Config, as the flag --set has them.
	Set []string
	// Region is that of nodes whose zone label names none; "" is the default of the configuration.
	Region string
	// Config is the daemon's configuration. A change of it replaces the pods.
	Config string
	// HostPID lets the daemon find a pod by the node's processes, before the Kubernetes API knows the pod's address.
	HostPID bool
	// Events lets the daemon tell a pod in an Event why it gets no role.
	Events bool
	// ServiceAccounts and Namespaces let the daemon read their annotations.
	ServiceAccounts, Namespaces bool
	// PodIdentity serves EKS Pod Identity too, and lets the daemon verify the tokens of pods.
	PodIdentity bool
	// Credentials is one of Relay, Mount, Secret and Mock.
	Credentials string
	// MountPath is the directory of each node that Mount mounts.
	MountPath string
	// SecretName names the Secret of Secret. Its keys are config and credentials.
	SecretName string
	// User is the uid and gid that the daemon has when it serves. Under Mount it must be able to read MountPath.
	User int64
	// NodeSelector is of the nodes that get a daemon; nil is all.
	NodeSelector map[string]string
	// NetworkPolicies are namespaces that get a NetworkPolicy that allows the way to the daemon. In a namespace without any other
	// policy for egress, it denies all else.
	NetworkPolicies []string
	// Cilium makes them CiliumNetworkPolicies, too: Cilium ignores a NetworkPolicy here, since the address is its node's.
	Cilium bool
}

// Default returns the options of the plain manifest.
func Default() Options {
	return Options{
		Namespace: Name, Image: "mock-ec2-metadata-kube:latest", PullPolicy: "IfNotPresent", Config: defaultConfig,
		HostPID: true, Events: true, ServiceAccounts: true, Namespaces: true, Credentials: Relay, SecretName: Name + "-aws", User: 65534,
	}
}

// Check says what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.Namespace == "" || o.Image == "":
		return fmt.Errorf("manifest: no namespace or no image; name both")
	case o.User <= 0:
		return fmt.Errorf("manifest: the user %d; name one that is not root", o.User)
	case o.Credentials == Mount && !path.IsAbs(o.MountPath):
		return fmt.Errorf("manifest: the directory %q of nodes; name an absolute path", o.MountPath)
	case o.Credentials == Secret && o.SecretName == "":
		return fmt.Errorf("manifest: no name of the Secret; name one")
	}
	switch o.Credentials {
	case Relay, Mount, Secret, Mock:
		return nil
	default:
		return fmt.Errorf("manifest: credentials %q; use relay, mount, secret or mock", o.Credentials)
	}
}

// Objects returns all objects, in the order in which they must be created. Equal options give equal objects.
func Objects(o Options) []Object {
	objects := []Object{namespace(o), serviceAccount(o), clusterRole(o), clusterRoleBinding(o), configMap(o), daemonSet(o)}
	return append(objects, networkPolicies(o)...)
}

// YAML returns Objects as a file for kubectl apply.
func YAML(o Options) []byte { return Encode(Objects(o)...) }

// Encode writes objects as the documents of one YAML file.
func Encode(objects ...Object) []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	for _, object := range objects {
		if err := e.Encode(object); err != nil {
			panic(err) // types of this package alone
		}
	}
	return b.Bytes()
}
