package kube

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"mock-ec2-metadata/internal/caller"
)

// watched follows service accounts and namespaces too.
func watched(o *Options) { o.Accounts, o.Namespaces = true, true }

func TestLocate_ChangedAnnotationHoldsFromTheNextRequest(t *testing.T) {
	tests := []struct {
		name   string
		change func(f *fakeAPI)
		role   func(p *caller.Pod) string
	}{
		{"pod", func(f *fakeAPI) { f.put("pods", asking(newPod("web", "10.0.0.2"), "new")) }, func(p *caller.Pod) string { return p.Annotations[roleName] }},
		{"account", func(f *fakeAPI) { f.put("serviceaccounts", account("new")) }, func(p *caller.Pod) string { return p.AccountAnnotations[roleName] }},
		{"namespace", func(f *fakeAPI) { f.put("namespaces", namespace("new")) }, func(p *caller.Pod) string { return p.NamespaceAnnotations[roleName] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFake()
				f.put("pods", asking(newPod("web", "10.0.0.2"), "old"))
				f.put("serviceaccounts", account("old"))
				f.put("namespaces", namespace("old"))
				l := start(t, f, watched)
				first := l.want("10.0.0.2", "web", 0)
				if got := test.role(first.Pod); got != "old" || len(first.Pod.Annotations) != 1 {
					t.Fatalf("the pod is %+v", first.Pod)
				}
				test.change(f)
				synctest.Wait()
				second := l.want("10.0.0.2", "web", 0)
				if got := test.role(second.Pod); got != "new" {
					t.Errorf("the role is %q, want new", got)
				}
				if test.role(first.Pod) != "old" {
					t.Error("the first Workload changed")
				}
			})
		})
	}
}

func TestLocate_WorkloadStaysTheSameWhileNothingOfItChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", asking(newPod("web", "10.0.0.2"), "x"))
		f.put("serviceaccounts", account("x"))
		f.put("namespaces", namespace("x"))
		l := start(t, f, watched)
		first := l.want("10.0.0.2", "web", 0)
		f.put("pods", with(asking(newPod("web", "10.0.0.2"), "x"), func(p *corev1.Pod) { p.Labels["changed"] = "yes" }))
		f.put("serviceaccounts", account("x"))
		f.put("namespaces", namespace("x"))
		f.expire("pods")
		f.expire("serviceaccounts")
		time.Sleep(time.Minute)
		if l.want("10.0.0.2", "web", 0) != first {
			t.Error("there is another Workload")
		}
	})
}

// The pod's watch is ahead of that of its service account: without patience it would get the default role.
func TestLocate_PodWaitsForTheAnnotationsOfItsAccount(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("namespaces", namespace("x"))
		l := start(t, f, watched)
		f.put("pods", newPod("web", "10.0.0.2"))
		time.AfterFunc(300*time.Millisecond, func() { f.put("serviceaccounts", account("late")) })
		w := l.want("10.0.0.2", "web", 300*time.Millisecond)
		if w.Pod.AccountAnnotations[roleName] != "late" {
			t.Errorf("the pod is %+v", w.Pod)
		}
	})
}

func TestLocate_PodOfADeletedAccountIsServedAfterAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("namespaces", namespace("x"))
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, watched)
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		time.Sleep(patience)
		w := l.want("10.0.0.2", "web", 0)
		if w.Pod.AccountAnnotations != nil || w.Pod.NamespaceAnnotations[roleName] != "x" {
			t.Errorf("the pod is %+v", w.Pod)
		}
	})
}

func TestBound_IsToldEachNewOrChangedPodOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		f := newFake()
		f.put("pods", newPod("first"))
		f.put("pods", ended(newPod("done"), corev1.PodFailed))
		f.put("pods", with(newPod("host"), func(p *corev1.Pod) { p.Spec.HostNetwork = true }))
		start(t, f, func(o *Options) {
			o.Bound = func(w *caller.Workload) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, w.Pod.Name+" "+w.Pod.Annotations[roleName])
			}
		})
		for _, p := range []*corev1.Pod{newPod("second"), newPod("second", "10.0.0.2"), asking(newPod("second", "10.0.0.2"), "x")} {
			f.put("pods", p)
			synctest.Wait()
		}
		f.remove("shop/second", false)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"first ", "second ", "second x"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestPods_SayWhatKeepsThemFromAsking(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", with(newPod("irsa", "10.0.0.2"), func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "AWS_ACCESS_KEY_ID"}, {Name: "AWS_WEB_IDENTITY_TOKEN_FILE", Value: "/token"}}
		}))
		l := start(t, f, nil)
		if all := l.Pods(); len(all) != 1 || all[0].Own != "AWS_WEB_IDENTITY_TOKEN_FILE in container main" || len(all[0].Addresses) != 1 {
			t.Errorf("Pods are %+v", all)
		}
	})
}
