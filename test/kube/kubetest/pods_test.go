//go:build linux

package kubetest

import (
	"encoding/json"
	"net/netip"
	"testing"
)

func TestPodOf_IsAsLargeAsARealPod(t *testing.T) {
	text, err := json.Marshal(podOf("node1", "web-00001", 1, map[string]string{"iam.amazonaws.com/role": "app"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(text) < 7000 || len(text) > 9000 {
		t.Errorf("%d bytes, want about 8,000", len(text))
	}
}

func TestPodAddress_IsDifferentForEachPod(t *testing.T) {
	network, seen := netip.MustParsePrefix("10.244.0.0/16"), map[netip.Addr]bool{}
	for i := range 10_000 {
		a := PodAddress(i)
		if !network.Contains(a) || seen[a] {
			t.Fatalf("pod %d: %s", i, a)
		}
		seen[a] = true
	}
}
