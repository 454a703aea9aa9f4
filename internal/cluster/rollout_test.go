package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"mock-ec2-metadata/internal/testutil"
)

// ofRevision is a pod of a version of the DaemonSet.
func ofRevision(hash string) string {
	return fmt.Sprintf(`{"kind":"Pod","metadata":{"name":"daemon-%s","labels":{"controller-revision-hash":"%s"},"ownerReferences":[{"kind":"DaemonSet"}]},`+
		`"spec":{"nodeName":"kind-control-plane"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`, hash, hash)
}

func TestRollout_PodsOfTheOldVersionDoNotCount(t *testing.T) {
	revisions := `{"kind":"ControllerRevision","revision":2,"metadata":{"labels":{"controller-revision-hash":"new"}}},` +
		`{"kind":"ControllerRevision","revision":1,"metadata":{"labels":{"controller-revision-hash":"old"}}}`
	for _, test := range []struct {
		name, items    string
		started, ready bool
	}{
		{"new", `{"kind":"DaemonSet","metadata":{"generation":2},"status":{"observedGeneration":2}},` + revisions + "," + ofRevision("new"), true, true},
		{"old", `{"kind":"DaemonSet","metadata":{"generation":2},"status":{"observedGeneration":2}},` + revisions + "," + ofRevision("old"), true, false},
		{"not noticed", `{"kind":"DaemonSet","metadata":{"generation":3},"status":{"observedGeneration":2}},` + revisions + "," + ofRevision("new"), false, true},
		{
			"deleted", `{"kind":"DaemonSet","metadata":{"generation":2},"status":{"observedGeneration":2}},` + revisions + "," +
				strings.Replace(ofRevision("new"), `"metadata":{`, `"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z",`, 1), true, false,
		},
	} {
		w := newWorld(t, "kind")
		w.answer["controllerrevisions"] = `{"items":[` + test.items + `]}`
		state, err := newCluster(t, options(w, &testutil.Buffer{})).rolloutState(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if state.started != test.started || state.ready("kind-control-plane") != test.ready || state.revisions != 2 {
			t.Errorf("%s: %+v", test.name, state)
		}
	}
}

func TestUp_SweepsWhatAnInterruptedOneLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, _ := installed(t, "kind")
		labels := map[string]any{nameLabel: DaemonSet, managedLabel: program}
		w.objects["Pod|mock-ec2-metadata|probe-old"] = map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "probe-old", "namespace": "mock-ec2-metadata", "labels": labels},
			"spec": map[string]any{"nodeName": "kind-control-plane"},
		}
		w.objects["ConfigMap|mock-ec2-metadata|owned"] = map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{
				"name": "owned", "namespace": "mock-ec2-metadata", "labels": labels, "ownerReferences": []any{map[string]any{"kind": "DaemonSet"}},
			},
		}
		if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.stdin["kubectl delete --ignore-not-found --wait=true --filename=-"], "probe-old") {
			t.Error("it does not wait until the old probe is gone")
		}
		left := w.left()
		if slices.Contains(left, "Pod|mock-ec2-metadata|probe-old") {
			t.Error("the old probe stays")
		}
		if !slices.Contains(left, "ConfigMap|mock-ec2-metadata|owned") {
			t.Error("it deletes what the DaemonSet owns")
		}
	})
}

func TestDown_CleansWithTheImageThatTheNodesHave(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"of the DaemonSet", "image: '" + tag + "', imagePullPolicy: Never"},
		{"of the node", "image: 'localhost/mock-ec2-metadata-kube:old', imagePullPolicy: IfNotPresent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, opt, _ := installed(t, "kind")
				opt.Image.Tag = "mock-ec2-metadata-kube:new"
				if test.name == "of the node" {
					delete(w.objects, "DaemonSet|mock-ec2-metadata|mock-ec2-metadata")
					delete(w.objects, "Pod|mock-ec2-metadata|daemon-kind-control-plane")
					w.answer[" get nodes"] = `{"items":[{"metadata":{"name":"n"},"spec":{"providerID":"kind://docker/kind/n"},"status":{` +
						`"conditions":[{"type":"Ready","status":"True"}],"images":[{"names":["x@sha256:1","localhost/mock-ec2-metadata-kube:old"]}]}}]}`
				}
				if err := newCluster(t, opt).Down(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := w.stdin["kubectl create -o json --filename=-"]; !strings.Contains(got, test.want) {
					t.Errorf("the clean-up is %s", got)
				}
			})
		})
	}
}
