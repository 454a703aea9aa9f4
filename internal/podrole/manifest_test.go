package podrole

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
)

func TestParsePods_ReadsPodsAndWhatBelongsToThem(t *testing.T) {
	const manifest = `
# a comment
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, annotations: {x: of-namespace}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: 0a1b, annotations: {x: of-pod, empty: }}
spec: {serviceAccountName: checkout, hostNetwork: true, containers: [{name: a, image: b}]}
---
apiVersion: v1
kind: List
items:
  - {kind: ServiceAccount, metadata: {name: checkout, namespace: shop, annotations: {x: of-account}}}
  - {kind: Service, metadata: 1}
  - kind: CronJob
    metadata: {name: night, namespace: shop}
    spec: {jobTemplate: {spec: {template: {metadata: {annotations: {x: of-template}}, spec: {serviceAccount: old}}}}}
---
kind: Deployment
metadata: {name: api, annotations: {x: of-the-deployment}}
spec:
  template:
    metadata: {labels: {a: b}, namespace: ignored}
    spec: &spec {hostNetwork: false}
---
kind: Pod
metadata: {generateName: job-}
`
	got, err := ParsePods([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	ofNamespace := annotations{"x": "of-namespace"}
	want := []ManifestPod{
		{Kind: "Pod", HostNetwork: true, Pod: caller.Pod{
			UID: "0a1b", Namespace: "shop", Name: "web", ServiceAccount: "checkout", Annotations: annotations{"x": "of-pod", "empty": ""},
			AccountAnnotations: annotations{"x": "of-account"}, NamespaceAnnotations: ofNamespace,
		}},
		{Kind: "CronJob", Pod: caller.Pod{Namespace: "shop", Name: "night", ServiceAccount: "old", Annotations: annotations{"x": "of-template"}, NamespaceAnnotations: ofNamespace}},
		{Kind: "Deployment", Pod: caller.Pod{Namespace: "default", Name: "api", ServiceAccount: "default"}},
		{Kind: "Pod", Pod: caller.Pod{Namespace: "default", Name: "job-", ServiceAccount: "default"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParsePods_EveryKindWithPods(t *testing.T) {
	for _, kind := range []string{"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"} {
		got, err := ParsePods([]byte("kind: " + kind + "\nspec: {template: {metadata: {annotations: {a: b}}}}"))
		if err != nil || len(got) != 1 || got[0].Kind != kind || got[0].Annotations["a"] != "b" {
			t.Errorf("%s: got %v, %v", kind, got, err)
		}
	}
}

func TestParsePods_ErrorsNameDocumentAndField(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"nothing", "", "no pod in it; it needs a Pod, Deployment, DaemonSet, StatefulSet, ReplicaSet, Job or CronJob"},
		{"other kinds", "kind: Service", "no pod in it; it needs a Pod, Deployment, DaemonSet, StatefulSet, ReplicaSet, Job or CronJob"},
		{"no YAML", "kind: Pod\n---\na: b: c", "document 2: not valid YAML: line 3: mapping values are not allowed in this context"},
		{"a key twice", "kind: Pod\nkind: Job", "document 1: not valid YAML: unmarshal errors:   line 2: mapping key \"kind\" already defined at line 1"},
		{"a list", "[a]", "document 1: want a block of keys, but this is a list"},
		{"no kind", "---\n---\nmetadata: {}", "document 2: kind: is missing; write e.g. kind: Pod"},
		{"kind", "kind: 1", "document 1: kind: want a text, but this is a number or a date"},
		{"metadata", "kind: Pod\nmetadata: x", "document 1 (Pod): metadata: want a block of keys, but this is a text"},
		{"name", "kind: Pod\nmetadata: {name: true}", "document 1 (Pod): metadata.name: want a text, but this is true or false"},
		{"namespace", "kind: Pod\nmetadata: {namespace: 2020-01-01}", "document 1 (Pod): metadata.namespace: want a text, but this is a number or a date"},
		{"uid", "kind: Pod\nmetadata: {uid: [a]}", "document 1 (Pod): metadata.uid: want a text, but this is a list"},
		{"annotations", "kind: Pod\nmetadata: {annotations: [a]}", "document 1 (Pod): metadata.annotations: want a block of keys, but this is a list"},
		{"annotation", "kind: Pod\nmetadata: {annotations: {a: x, b: true, c: 1}}", "document 1 (Pod): metadata.annotations.b: want a text, but this is true or false; put it in quotes"},
		{"keys that are numbers", "kind: Pod\nmetadata: {annotations: {1: x}}", "document 1 (Pod): metadata.annotations: want a block of keys, but this is a block with keys that are no texts"},
		{"annotation of an account", "kind: ServiceAccount\nmetadata: {annotations: {a: 1}}", "document 1 (ServiceAccount): metadata.annotations.a: want a text, but this is a number or a date; put it in quotes"},
		{"annotation of a template", "kind: Job\nspec: {template: {metadata: {annotations: {a: {}}}}}", "document 1 (Job): spec.template.metadata.annotations.a: want a text, but this is a block of keys; put it in quotes"},
		{"template", "kind: CronJob\nspec: {jobTemplate: x}", "document 1 (CronJob): spec.jobTemplate: want a block of keys, but this is a text"},
		{"spec", "kind: Pod\nspec: []", "document 1 (Pod): spec: want a block of keys, but this is a list"},
		{"service account", "kind: Pod\nspec: {serviceAccountName: 1}", "document 1 (Pod): spec.serviceAccountName: want a text, but this is a number or a date"},
		{"hostNetwork", "kind: Pod\nspec: {hostNetwork: x}", "document 1 (Pod): spec.hostNetwork: want true or false, but this is a text"},
		{"items", "kind: List\nitems: x", "document 1: items: want a list, but this is a text"},
		{"an item", "kind: List\nitems: [{kind: Service}, {kind: Pod, spec: x}]", "document 1, items[1] (Pod): spec: want a block of keys, but this is a text"},
		{"no item", "kind: List\nitems: [null]", "document 1, items[0]: kind: is missing; write e.g. kind: Pod"},
		{"lists in lists", strings.Repeat("{kind: List, items: [", 9) + strings.Repeat("]}", 9), "document 1" + strings.Repeat(", items[0]", 8) + ": lists in lists; write one list"},
		{"large", strings.Repeat(" ", 16<<20+1), "larger than 16 MiB; this is not a manifest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePods([]byte(tt.yaml))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got:  %v (%v)\nwant: %s", err, got, tt.want)
			}
		})
	}
}
