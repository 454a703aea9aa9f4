package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The values are those of kubernetes.md section 6.3.
func TestKubernetes_DefaultsAreThoseOfTheDesign(t *testing.T) {
	want := Kubernetes{
		Pods: KubernetesPods{Find: []string{"watch", "proc"}, Wait: 900 * time.Millisecond, Metadata: "node"},
		Annotations: KubernetesAnnotations{
			Role:         []string{"mock-ec2-metadata/role", "iam.amazonaws.com/role", "eks.amazonaws.com/role-arn"},
			ExternalID:   []string{"mock-ec2-metadata/external-id", "iam.amazonaws.com/external-id"},
			SessionName:  []string{"mock-ec2-metadata/session-name", "iam.amazonaws.com/session-name"},
			AllowedRoles: []string{"mock-ec2-metadata/allowed-roles", "iam.amazonaws.com/allowed-roles", "iam.amazonaws.com/permitted"},
		},
		Session: KubernetesSession{Scope: "role", Prefetch: true, Idle: 15 * time.Minute},
	}
	if diff := cmp.Diff(want, mustLoad(t, "", nil, nil).Config.Kubernetes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKubernetes_WaitIsFromNoneToTenSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"0s": 0, "1ms": time.Millisecond, "10s": 10 * time.Second} {
		if got := mustLoad(t, "kubernetes: {pods: {wait: "+text+"}}", nil, nil).Config.Kubernetes.Pods.Wait; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
