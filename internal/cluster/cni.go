package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Network is the CNI plugin of a cluster, as far as it decides whether pods reach an address of their node.
type Network struct {
	// Name is the plugin's, with its mode; "" if it is unknown.
	Name string
	// Advice says what to do if pods do not reach 169.254.169.254; "" if nothing is known to stand in the way.
	Advice string
}

// String names the plugin.
func (n Network) String() string { return cmp.Or(n.Name, "bridge, or one that is not known") }

// Advice of kubernetes.md section 4.
const (
	policyAdvice = "A NetworkPolicy must allow 169.254.169.254/32, port 80."
	calicoAdvice = "Calico drops packets to the node if defaultEndpointToHostAction of its FelixConfiguration is Drop: set it to Accept. " + policyAdvice
	calicoBPF    = "Calico's eBPF data plane was not tried with addresses of the node. " + calicoAdvice
	ciliumAdvice = "Cilium takes 169.254.169.254 for the host: its NetworkPolicies must allow the entity host, which ipBlock never matches."
	ciliumBPF    = "Cilium's BPF host routing must know 169.254.169.254 as an address of the host:\n" +
		"  kubectl -n kube-system exec ds/cilium -- cilium-dbg bpf endpoint list | grep 169.254.169.254\n" +
		"If it shows nothing, restart its agents (kubectl -n kube-system rollout restart ds/cilium), or set bpf.hostLegacyRouting=true."
	awsAdvice = "The VPC CNI is for EC2, where a real metadata service answers at 169.254.169.254."
)

// plugins are DaemonSets by the beginning of their names. The first that is found counts: canal is Calico and flannel.
var plugins = []struct{ daemonSet, name, advice string }{
	{"cilium", "Cilium", ciliumAdvice},
	{"canal", "Canal", calicoAdvice},
	{"calico-node", "Calico", calicoAdvice},
	{"aws-node", "AWS VPC CNI", awsAdvice},
	{"kindnet", "kindnet", policyAdvice},
	{"kube-flannel", "flannel", ""},
	{"weave-net", "Weave Net", policyAdvice},
	{"antrea-agent", "Antrea", policyAdvice},
	{"kube-router", "kube-router", policyAdvice},
}

// network finds the CNI plugin. What it may not read is as if it were not there: nothing but advice depends on it.
func (c *Cluster) network(ctx context.Context, nodes []node) Network {
	var sets list[daemonSet]
	if err := c.kubectl.query(ctx, &sets, "get", "daemonsets.apps", "--all-namespaces"); err != nil {
		c.opt.Log.Debug("cannot list daemonsets", "error", err)
	}
	for _, p := range plugins {
		at := slices.IndexFunc(sets.Items, func(d daemonSet) bool { return strings.HasPrefix(d.Metadata.Name, p.daemonSet) })
		if at < 0 {
			continue
		}
		found := sets.Items[at]
		switch {
		case p.name == "Cilium" && c.ciliumByBPF(ctx, found.Metadata.Namespace):
			return Network{Name: "Cilium with BPF host routing", Advice: ciliumBPF}
		case p.name == "Calico" && c.calicoByBPF(ctx, &found):
			return Network{Name: "Calico with eBPF", Advice: calicoBPF}
		}
		return Network{Name: p.name, Advice: p.advice}
	}
	// k3s and its like have flannel in their own binary
	if nodes[0].Metadata.Annotations["flannel.alpha.coreos.com/backend-type"] != "" {
		return Network{Name: "flannel"}
	}
	return Network{}
}

// ciliumByBPF reports whether Cilium routes packets past the host's own tables.
func (c *Cluster) ciliumByBPF(ctx context.Context, namespace string) bool {
	var settings struct {
		Data map[string]string `json:"data"`
	}
	if err := c.kubectl.query(ctx, &settings, "get", "configmap", "cilium-config", "--namespace="+namespace); err != nil {
		c.opt.Log.Debug("cannot read settings of cilium", "error", err)
		return false
	}
	on := func(key string, values ...string) bool { return slices.Contains(values, settings.Data[key]) }
	return on("kube-proxy-replacement", "true", "strict") && on("enable-bpf-masquerade", "true") && !on("enable-host-legacy-routing", "true")
}

// calicoByBPF reports whether Calico's eBPF data plane is on: by a variable of its pods, or its FelixConfiguration.
func (c *Cluster) calicoByBPF(ctx context.Context, d *daemonSet) bool {
	for _, container := range d.Spec.Template.Spec.Containers {
		for _, v := range container.Env {
			if strings.EqualFold(v.Name, "FELIX_BPFENABLED") {
				return strings.EqualFold(v.Value, "true")
			}
		}
	}
	var felix struct {
		Spec struct {
			BPFEnabled bool `json:"bpfEnabled"`
		} `json:"spec"`
	}
	if err := c.kubectl.query(ctx, &felix, "get", "felixconfigurations.crd.projectcalico.org", "default"); err != nil {
		c.opt.Log.Debug("cannot read settings of calico", "error", err)
	}
	return felix.Spec.BPFEnabled
}
