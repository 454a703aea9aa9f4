//go:build kube && linux

package kube

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"
)

// pod is what tests read of a pod.
type pod struct {
	Metadata struct {
		Namespace, Name, UID string
		DeletionTimestamp    string
	}
	Status struct {
		Phase      string
		PodIP      string
		Conditions []struct{ Type, Status string }
	}
}

// ready reports whether a pod's condition Ready is true.
func (p pod) ready() bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c struct{ Type, Status string }) bool { return c.Type == "Ready" && c.Status == "True" })
}

// A podSpec says what a pod of a test is like. The zero value sleeps.
type podSpec struct {
	annotations    map[string]string
	serviceAccount string
	hostNetwork    bool
	script         string // for sh -c
	restart        string // restartPolicy; "" is Never
	direct         bool   // bound to the node without the scheduler
	grace          int    // seconds between the signal to end and the end; 0 is 1
	audience       string // of a token in /token/token; "" for none
}

// object is the pod as the API wants it.
func (s podSpec) object(name string) object {
	container := object{"name": "main", "image": busybox, "imagePullPolicy": "Never"}
	if s.script != "" {
		container["command"] = []string{"sh", "-c", s.script}
	}
	spec := object{"containers": []any{container}, "terminationGracePeriodSeconds": max(s.grace, 1), "restartPolicy": "Never", "hostNetwork": s.hostNetwork}
	if s.restart != "" {
		spec["restartPolicy"] = s.restart
	}
	if s.serviceAccount != "" {
		spec["serviceAccountName"] = s.serviceAccount
	}
	if s.audience != "" {
		container["volumeMounts"] = []any{object{"name": "token", "mountPath": "/token"}}
		source := object{"serviceAccountToken": object{"audience": s.audience, "path": "token"}}
		spec["volumes"] = []any{object{"name": "token", "projected": object{"sources": []any{source}}}}
	}
	if s.direct {
		spec["nodeName"] = nodeName
	}
	return object{"metadata": object{"name": name, "annotations": s.annotations, "labels": object{"test": "pod"}}, "spec": spec}
}

// createPod makes a pod and does not wait for it.
func (c *client) createPod(t *testing.T, namespace, name string, spec podSpec) {
	t.Helper()
	c.do(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods", spec.object(name), nil)
}

// runPod makes a pod and waits until it is ready.
func (c *cluster) runPod(t *testing.T, namespace, name string, spec podSpec) pod {
	t.Helper()
	c.api.createPod(t, namespace, name, spec)
	return c.waitForPod(t, namespace, name, pod.ready)
}

// waitForPod watches a pod until ok says true.
func (c *cluster) waitForPod(t *testing.T, namespace, name string, ok func(pod) bool) pod {
	t.Helper()
	var p pod
	c.api.waitFor(t, "/api/v1/namespaces/"+namespace+"/pods", name, 90*time.Second, func(text json.RawMessage) bool {
		p = pod{}
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		return ok(p)
	})
	return p
}

// finished reports whether a pod has ended.
func (p pod) finished() bool { return p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" }

// annotate changes annotations of an object; nil removes one.
func (c *client) annotate(t *testing.T, path string, annotations map[string]any) {
	t.Helper()
	c.do(t, http.MethodPatch, path, object{"metadata": object{"annotations": annotations}}, nil)
}
