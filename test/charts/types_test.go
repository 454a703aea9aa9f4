package charts

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	sigsjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// typed returns an empty object of a kind; nil for kinds that the Kubernetes API does not have itself.
func typed(kind string) any {
	return map[string]any{
		"v1 Namespace": &corev1.Namespace{}, "v1 ServiceAccount": &corev1.ServiceAccount{}, "v1 ConfigMap": &corev1.ConfigMap{},
		"v1 Secret": &corev1.Secret{}, "v1 Pod": &corev1.Pod{}, "apps/v1 DaemonSet": &appsv1.DaemonSet{}, "batch/v1 Job": &batchv1.Job{},
		"rbac.authorization.k8s.io/v1 ClusterRole":        &rbacv1.ClusterRole{},
		"rbac.authorization.k8s.io/v1 ClusterRoleBinding": &rbacv1.ClusterRoleBinding{},
		"rbac.authorization.k8s.io/v1 Role":               &rbacv1.Role{},
		"rbac.authorization.k8s.io/v1 RoleBinding":        &rbacv1.RoleBinding{},
		"networking.k8s.io/v1 NetworkPolicy":              &networkingv1.NetworkPolicy{},
	}[kind]
}

// everything is all objects of the source, and the hooks of the chart.
func everything(t *testing.T) map[string]object {
	t.Helper()
	all := allObjects(t)
	for _, o := range hooksOf(t, mustRender(t, "default", "aws")) {
		all["hook: "+o.key()] = o
	}
	return all
}

func TestObjects_HaveFieldsOfTheKubernetesAPIAlone(t *testing.T) {
	for key, o := range everything(t) {
		version, _ := o["apiVersion"].(string)
		if version == "cilium.io/v2" {
			continue // its types are in no module that we need
		}
		into := typed(version + " " + o.kind())
		if into == nil {
			t.Errorf("%s has the unknown type %s %s", key, version, o.kind())
			continue
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		// As the API server decodes, by the case of names too.
		strict, err := sigsjson.UnmarshalStrict(text, into)
		if err := errors.Join(append(strict, err)...); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// podOf returns the pod of an object, or its template; nil if it has none.
func podOf(t *testing.T, o object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	t.Helper()
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	switch o.kind() {
	case "Pod":
		pod := &corev1.Pod{}
		if err := yaml.Unmarshal(text, pod); err != nil {
			t.Fatal(err)
		}
		return &pod.ObjectMeta, &pod.Spec
	case "DaemonSet", "Job":
		set := &appsv1.DaemonSet{} // a Job's template is at the same place
		if err := yaml.Unmarshal(text, set); err != nil {
			t.Fatal(err)
		}
		return &set.Spec.Template.ObjectMeta, &set.Spec.Template.Spec
	default:
		return nil, nil
	}
}

// forbidden are the reasons why a level of Pod Security refuses a pod, sorted.
func forbidden(t *testing.T, level api.Level, meta *metav1.ObjectMeta, spec *corev1.PodSpec) []string {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, result := range evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, meta, spec) {
		if !result.Allowed {
			reasons = append(reasons, result.ForbiddenReason)
		}
	}
	slices.Sort(reasons)
	return reasons
}

func TestPods_BreakNoMoreOfPodSecurityThanTheyMust(t *testing.T) {
	for key, want := range map[string]struct{ baseline, restricted string }{
		"default: DaemonSet mock-ec2-metadata/mock-ec2-metadata": {
			"host namespaces; hostPath volumes; non-default capabilities",
			"host namespaces; restricted volume types; runAsNonRoot != true; runAsUser=0; unrestricted capabilities",
		},
		"oneshot: Pod mock-ec2-metadata/mock-ec2-metadata-probe-": {"", ""},
		"oneshot: Pod mock-ec2-metadata/mock-ec2-metadata-cleanup-": {
			"host namespaces; hostPath volumes; non-default capabilities",
			"host namespaces; restricted volume types; runAsNonRoot != true; runAsUser=0; unrestricted capabilities",
		},
		"hook: Job aws/mock-ec2-metadata-cleanup": {"", ""},
	} {
		t.Run(key, func(t *testing.T) {
			found := false
			for name, o := range everything(t) {
				if !strings.HasPrefix(name, key) {
					continue
				}
				found = true
				meta, spec := podOf(t, o)
				if got := strings.Join(forbidden(t, api.LevelBaseline, meta, spec), "; "); got != want.baseline {
					t.Errorf("baseline: %s, want %s", got, want.baseline)
				}
				if got := strings.Join(forbidden(t, api.LevelRestricted, meta, spec), "; "); got != want.restricted {
					t.Errorf("restricted: %s, want %s", got, want.restricted)
				}
			}
			if !found {
				t.Error("no such pod")
			}
		})
	}
}

// TestPods_EachContainerIsLocked holds for every pod there is: no port, which would be the node's too, nor more capabilities than named.
func TestPods_EachContainerIsLocked(t *testing.T) {
	for key, o := range everything(t) {
		_, spec := podOf(t, o)
		if spec == nil {
			continue
		}
		for _, c := range append(slices.Clone(spec.InitContainers), spec.Containers...) {
			s := c.SecurityContext
			switch {
			case len(c.Ports) > 0:
				t.Errorf("%s, %s has ports", key, c.Name)
			case s == nil || s.Privileged != nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
				t.Errorf("%s, %s: security context %v", key, c.Name, s)
			case !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}):
				t.Errorf("%s, %s drops %v", key, c.Name, s.Capabilities.Drop)
			case *s.RunAsUser != 0 && len(s.Capabilities.Add) > 0:
				t.Errorf("%s, %s has capabilities as uid %d", key, c.Name, *s.RunAsUser)
			}
			if _, limited := c.Resources.Limits[corev1.ResourceCPU]; limited || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s, %s: limits %v", key, c.Name, c.Resources.Limits)
			}
		}
	}
}
