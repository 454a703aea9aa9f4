package kube

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestReadNode_TellsNodeAndCluster(t *testing.T) {
	f := newFake()
	f.put("nodes", &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node, Labels: map[string]string{
			"topology.kubernetes.io/zone": "eu-west-1b", "node.kubernetes.io/instance-type": "m5.large",
		}},
		Spec: corev1.NodeSpec{PodCIDRs: []string{"10.0.0.0/24", "fd00:10::/64"}},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: "192.0.2.7"},
			{Type: corev1.NodeHostName, Address: "192.0.2.9"},
			{Type: corev1.NodeInternalIP, Address: "2001:db8::7"},
		}},
	})
	f.put("namespaces", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"}})
	api := &rest.Config{Host: "http://api.test", Transport: memory{f}}
	got, err := ReadNode(t.Context(), api, node)
	if err != nil {
		t.Fatal(err)
	}
	want := Node{
		Name: node, Cluster: "0a1b2c3d", Zone: "eu-west-1b", InstanceType: "m5.large",
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")},
		PodCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00:10::/64")},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}

	_, err = ReadNode(t.Context(), api, "node9")
	if want := `node node9: the Kubernetes API does not tell about it: nodes "node9" not found; check kubernetes.node and the ClusterRole`; err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	tests := []struct{ name, node, find, want string }{
		{"no node", "", "watch", "kubernetes.node: the name of the node is not known; set it, or NODE_NAME by the downward API"},
		{"no way", node, "guess", "kubernetes.pods.find: no way to find pods; name watch, proc or both"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(Options{Node: test.node, Find: []string{test.find}, API: &rest.Config{Host: "http://api.test"}})
			if err == nil || err.Error() != test.want {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestInCluster_SaysWhatIsMissingOutsideAPod(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := InCluster()
	want := "kubernetes: the service account of a pod cannot be read: unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and " +
		"KUBERNETES_SERVICE_PORT must be defined; run it as a pod of the cluster, or set kubernetes.enabled to false"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
}
