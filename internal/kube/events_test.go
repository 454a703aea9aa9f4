package kube

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"mock-ec2-metadata/internal/caller"
)

func (f *fakeAPI) events() []*corev1.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*corev1.Event
	for _, o := range f.objects["events"] {
		all = append(all, o.(*corev1.Event))
	}
	return all
}

func TestRefuse_RecordsOneEventAnHourForAPodAndAMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "10.0.0.2"))
		f.put("pods", newPod("other", "10.0.0.3"))
		l := start(t, f, nil)
		web, other := l.want("10.0.0.2", "web", 0), l.want("10.0.0.3", "other", 0)
		refuse := func(w *caller.Workload, message string, events int) {
			t.Helper()
			l.Refuse(w, message)
			synctest.Wait()
			if got := len(f.events()); got != events {
				t.Errorf("%d events, want %d", got, events)
			}
		}
		refuse(web, "role x is not allowed", 1)
		refuse(web, "role x is not allowed", 1)
		refuse(web, "role y is not allowed", 2)
		refuse(other, "role x is not allowed", 3)
		time.Sleep(time.Hour)
		refuse(web, "role x is not allowed", 4)
		refuse(&caller.Workload{Name: "no pod"}, "x", 4)
		for _, e := range f.events() {
			if e.Type != "Warning" || e.Reason != "RoleRefused" || e.InvolvedObject.Kind != "Pod" || e.Namespace != "shop" ||
				!strings.HasPrefix(e.Name, e.InvolvedObject.Name+".") || e.InvolvedObject.UID == "" ||
				e.Labels["app.kubernetes.io/managed-by"] != "mock-ec2-metadata-kube" {
				t.Errorf("the event is %+v", e)
			}
		}
	})
}

func TestRefuse_MissingRightIsLoggedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.forbidEvents = true
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, nil)
		for _, message := range []string{"x", "y", "z"} {
			l.Refuse(l.want("10.0.0.2", "web", 0), message)
			synctest.Wait()
		}
		if got := strings.Count(l.log.String(), "events on pods are not allowed"); got != 1 {
			t.Errorf("logged %d times: %s", got, l.log)
		}
	})
}

func TestRefuse_EventThatWasNotRecordedIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, nil)
		web := l.want("10.0.0.2", "web", 0)
		f.set(func() { f.down = true })
		l.Refuse(web, "x")
		time.Sleep(time.Minute)
		f.set(func() { f.down = false })
		l.Refuse(web, "x")
		synctest.Wait()
		if got := len(f.events()); got != 1 {
			t.Errorf("%d events, want 1", got)
		}
	})
}

func TestRefuse_NeverBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := newEvents(nil, node, nil, time.Now) // nothing runs it
		pod := &caller.Pod{UID: "u"}
		for i := range eventMemory * 2 {
			e.refuse(pod, strings.Repeat("é", i))
		}
		if len(e.queue) != eventQueue || len(e.sent) > eventMemory {
			t.Errorf("%d queued, %d remembered", len(e.queue), len(e.sent))
		}
	})
}
