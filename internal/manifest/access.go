package manifest

import (
	"fmt"
	"io"
)

// labels are those of all objects.
func labels() map[string]string {
	return map[string]string{NameLabel: Name, ManagedByLabel: ManagedBy}
}

// componentLabels are those of pods.
func componentLabels(component string) map[string]string {
	l := labels()
	l[ComponentLabel] = component
	return l
}

// named is the metadata of an object of the namespace.
func named(o Options) Metadata { return Metadata{Name: Name, Namespace: o.Namespace, Labels: labels()} }

// namespace admits pods with a host's network. Its level is for enforcement, and for warnings and the audit log.
func namespace(o Options) Object {
	m := Metadata{Name: o.Namespace, Labels: labels()}
	for _, mode := range []string{"enforce", "warn", "audit"} {
		m.Labels["pod-security.kubernetes.io/"+mode] = "privileged"
	}
	return Object{APIVersion: "v1", Kind: "Namespace", Metadata: m}
}

func serviceAccount(o Options) Object {
	no := false
	return Object{APIVersion: "v1", Kind: "ServiceAccount", Metadata: named(o), Automount: &no}
}

// clusterRole has no right to read a secret, and none to write anything but events and reviews of tokens.
func clusterRole(o Options) Object {
	reads := func(verbs []string, resources ...string) rule {
		return rule{APIGroups: []string{""}, Resources: resources, Verbs: verbs}
	}
	follow := []string{"list", "watch"}
	rules := []rule{reads(follow, "pods")}
	var annotated []string
	if o.ServiceAccounts {
		annotated = append(annotated, "serviceaccounts")
	}
	if o.Namespaces {
		annotated = append(annotated, "namespaces")
	}
	if len(annotated) > 0 {
		rules = append(rules, reads(follow, annotated...))
	}
	rules = append(rules, reads([]string{"get"}, "nodes"))
	cluster := reads([]string{"get"}, "namespaces") // its UID names the cluster
	cluster.ResourceNames = []string{"kube-system"}
	rules = append(rules, cluster)
	if o.Events {
		rules = append(rules, reads([]string{"create", "patch"}, "events"))
	}
	if o.PodIdentity {
		rules = append(rules, rule{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}})
	}
	return Object{
		APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Metadata: Metadata{Name: Name, Labels: labels()}, Rules: rules,
	}
}

func clusterRoleBinding(o Options) Object {
	return Object{
		APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding", Metadata: Metadata{Name: Name, Labels: labels()},
		RoleRef:  &roleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: Name},
		Subjects: []subject{{Kind: "ServiceAccount", Name: Name, Namespace: o.Namespace}},
	}
}

func configMap(o Options) Object {
	return Object{APIVersion: "v1", Kind: "ConfigMap", Metadata: named(o), Data: map[string]string{"config.yaml": o.Config}}
}

// secretData holds keys. Only Encode writes them.
type secretData map[string]string

// Format redacts the data under every verb.
func (secretData) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// AWSFiles returns the Secret of Options.SecretName, with the text of files config and credentials as in ~/.aws; "" leaves a file
// out.
func AWSFiles(o Options, config, credentials string) Object {
	m := named(o)
	m.Name = o.SecretName
	files := secretData{}
	if config != "" {
		files["config"] = config
	}
	if credentials != "" {
		files["credentials"] = credentials
	}
	return Object{APIVersion: "v1", Kind: "Secret", Metadata: m, Type: "Opaque", StringData: files}
}

// networkPolicies are those of Options.NetworkPolicies.
func networkPolicies(o Options) []Object {
	addresses := []peer{{ipBlock{"169.254.169.254/32"}}}
	if o.PodIdentity {
		addresses = append(addresses, peer{ipBlock{"169.254.170.23/32"}})
	}
	var objects []Object
	for _, name := range o.NetworkPolicies {
		m := named(o)
		m.Namespace = name
		objects = append(objects, Object{
			APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Metadata: m,
			Spec: networkPolicySpec{
				PolicyTypes: []string{"Egress"},
				Egress:      []egress{{To: addresses, Ports: []port{{"TCP", 80}}}},
			},
		})
		if o.Cilium {
			objects = append(objects, Object{
				APIVersion: "cilium.io/v2", Kind: "CiliumNetworkPolicy", Metadata: m,
				Spec: ciliumSpec{Egress: []ciliumEgress{{
					ToEntities: []string{"host"}, ToPorts: []ciliumPorts{{[]ciliumPort{{"80", "TCP"}}}},
				}}},
			})
		}
	}
	return objects
}
