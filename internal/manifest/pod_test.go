package manifest

import (
	"maps"
	"slices"
	"testing"
)

// Each value is of kubernetes.md section 6.4.
func TestDaemonSet_PodIsOnEveryNodeInItsNetwork(t *testing.T) {
	pod := daemonPod(t, Default())
	if !pod.HostNetwork || !pod.HostPID || pod.DNSPolicy != "ClusterFirstWithHostNet" || pod.PriorityClassName != "system-node-critical" {
		t.Errorf("hostNetwork %v, hostPID %v, dnsPolicy %s, priorityClassName %s", pod.HostNetwork, pod.HostPID, pod.DNSPolicy, pod.PriorityClassName)
	}
	if want := []toleration{{Operator: "Exists"}}; !slices.Equal(pod.Tolerations, want) { // without a key it tolerates all taints
		t.Errorf("tolerations %v, want %v", pod.Tolerations, want)
	}
	if pod.SecurityContext.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("seccompProfile %s", pod.SecurityContext.SeccompProfile.Type)
	}
	if o := changed(func(o *Options) { o.HostPID = false }); daemonPod(t, o).HostPID {
		t.Error("hostPID cannot be off")
	}
}

func TestDaemonSet_UpgradeReplacesOneDaemonAfterItHasEnded(t *testing.T) {
	spec, _ := daemonSet(Default()).Spec.(daemonSetSpec)
	if got, want := spec.UpdateStrategy, (updateStrategy{"RollingUpdate", rollingUpdate{MaxSurge: 0, MaxUnavailable: 1}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A probe over the network would ask the node's address, where the daemon does not listen.
func TestDaemonSet_ProbesRunHealthcheckInThePod(t *testing.T) {
	c := daemonPod(t, Default()).Containers[0]
	want := []string{"/mock-ec2-metadata-kube", "healthcheck", "--listen", "127.0.0.1:5001"}
	for name, p := range map[string]*probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		if p == nil || !slices.Equal(p.Exec.Command, want) {
			t.Errorf("%s: %+v, want %q", name, p, want)
		}
	}
}

func TestDaemonSet_LimitsMemoryAndNotTheProcessor(t *testing.T) {
	got := daemonPod(t, Default()).Containers[0].Resources
	requests, limits := map[string]string{"cpu": "5m", "memory": "16Mi"}, map[string]string{"memory": "96Mi"}
	if !maps.Equal(got.Requests, requests) || !maps.Equal(got.Limits, limits) {
		t.Errorf("%+v, want %v and %v", got, requests, limits)
	}
}
