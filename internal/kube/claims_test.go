package kube

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"mock-ec2-metadata/internal/caller"
)

func TestLocate_FinishedPodNeverDecides(t *testing.T) {
	for _, phase := range []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed} {
		t.Run(string(phase), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFake()
				job := newPod("job", "10.0.0.2")
				f.put("pods", ended(job, phase))
				l := start(t, f, nil)
				l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
				f.put("pods", newPod("web", "10.0.0.2"))
				synctest.Wait()
				l.want("10.0.0.2", "web", 0)
				f.put("pods", asking(ended(job, phase), "x"))
				synctest.Wait()
				l.want("10.0.0.2", "web", 0)
				if got := len(l.Pods()); got != 1 {
					t.Errorf("%d live pods, want 1", got)
				}
			})
		})
	}
}

func TestLocate_PodThatFinishesLosesItsAddress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("job", "10.0.0.2"))
		l := start(t, f, nil)
		l.want("10.0.0.2", "job", 0)
		f.put("pods", ended(newPod("job", "10.0.0.2"), corev1.PodSucceeded))
		synctest.Wait()
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_DeletingPodIsServedUntilItIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		web := newPod("web", "10.0.0.2")
		f.put("pods", web)
		l := start(t, f, nil)
		first := l.want("10.0.0.2", "web", 0)
		f.put("pods", deleting(web, time.Now().Add(30*time.Second)))
		time.Sleep(time.Hour)
		if l.want("10.0.0.2", "web", 0) != first {
			t.Error("the deletion made another Workload")
		}
		f.remove("shop/web", false)
		synctest.Wait()
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_TwoLivePodsOfOneAddressFail(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), &kernel{}
		f.put("pods", newPod("a", "10.0.0.2"))
		f.put("pods", newPod("b", "10.0.0.2"))
		l := start(t, f, func(o *Options) { o.Proc = k })
		for range 3 {
			message := l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
			if want := "several pods are known to have 10.0.0.2; ask again when one of them has ended"; message != want {
				t.Errorf("%q, want %q", message, want)
			}
		}
		if got := l.Status().Lookups["ambiguous"]; got != 3 {
			t.Errorf("counted %d, want 3", got)
		}
		if log := l.log.String(); strings.Count(log, "several pods have one address") != 1 || !strings.Contains(log, `pods="[shop/a shop/b]"`) {
			t.Errorf("logged %s", log)
		}
		f.remove("shop/a", false)
		synctest.Wait()
		l.want("10.0.0.2", "b", 0)
	})
}

func TestLocate_KernelDecidesBetweenTwoLivePods(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), knows("10.0.0.2", "uid-a")
		a, b := newPod("a", "10.0.0.2"), newPod("b", "10.0.0.2")
		f.put("pods", a)
		f.put("pods", b)
		l := start(t, f, func(o *Options) { o.Proc = k })
		l.want("10.0.0.2", "a", 0)
		f.put("pods", asking(a, "x"))
		synctest.Wait()
		l.want("10.0.0.2", "a", 0)
		if k.count() != 1 {
			t.Errorf("the kernel was asked %d times, want once", k.count())
		}
		k.uids = nil
		f.put("pods", startedAt(b, time.Now()))
		synctest.Wait()
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_LastClaimDecidesAgainstTheKernel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		for _, p := range []*corev1.Pod{newPod("a", "10.0.0.2"), newPod("b", "10.0.0.2"), newPod("new")} {
			f.put("pods", p)
		}
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", "uid-new") })
		l.want("10.0.0.2", "new", 0)
		f.remove("shop/b", false)
		synctest.Wait()
		l.want("10.0.0.2", "a", 0)
	})
}

// The annotations of its account are not known yet; until then, no other pod gets its address.
func TestLocate_OneClaimDecidesAgainstTheKernel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		l := start(t, f, func(o *Options) { o.Accounts, o.Proc = true, knows("10.0.0.2", "uid-static") })
		f.put("pods", newPod("web", "10.0.0.2"))
		f.put("pods", with(newPod("static"), func(p *corev1.Pod) { p.Spec.ServiceAccountName = "" }))
		synctest.Wait()
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		f.put("serviceaccounts", account("x"))
		synctest.Wait()
		l.want("10.0.0.2", "web", 0)
	})
}

func TestStore_DeletionOfAnEarlierPodOfTheNameIsNone(t *testing.T) {
	l := filled(t, 1, nil)
	keep := &keeper{node: node}
	pod, a := numbered(0), netip.MustParseAddr(numbered(0).Status.PodIP)
	_ = l.sources[0].store.Delete(keep.pod(with(pod, func(p *corev1.Pod) { p.UID = "uid-earlier" })))
	if l.index.get(a) == nil {
		t.Error("the pod is gone")
	}
	_ = l.sources[0].store.Delete(keep.pod(pod))
	if l.index.get(a) != nil {
		t.Error("the pod is still there")
	}
}

func TestKeeper_PodOfAnotherNodeIsDropped(t *testing.T) {
	keep := &keeper{node: "node2"}
	if kept := keep.pod(newPod("web", "10.0.0.2")); kept != nil {
		t.Errorf("kept %+v", kept)
	}
}

func TestLocate_LaterPodWinsOverOneThatIsDeleted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		begin := time.Now()
		old, next := startedAt(newPod("old", "10.0.0.2"), begin), startedAt(newPod("next", "10.0.0.2"), begin.Add(time.Second))
		f.put("pods", old)
		f.put("pods", next)
		l := start(t, f, nil)
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		f.put("pods", deleting(old, begin.Add(time.Minute)))
		synctest.Wait()
		l.want("10.0.0.2", "next", 0)
	})
}

// An API's deletionTimestamp has the grace in it already.
func TestLocate_PodThatOutlivesItsGraceYieldsToAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		begin := time.Now()
		stuck, next := startedAt(newPod("stuck", "10.0.0.2"), begin), startedAt(newPod("next", "10.0.0.2"), begin)
		f.put("pods", deleting(stuck, begin.Add(10*time.Second)))
		f.put("pods", next)
		l := start(t, f, nil)
		time.Sleep(39*time.Second - 1)
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		time.Sleep(time.Second)
		l.want("10.0.0.2", "next", 0)
		l.want("10.0.0.2", "next", 0)
		f.remove("shop/next", false)
		synctest.Wait()
		l.want("10.0.0.2", "stuck", 0)
	})
}

func TestLocate_AddressMovesToThePodOfTheSameName(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("db-0", "10.0.0.2"))
		l := start(t, f, nil)
		first := l.want("10.0.0.2", "db-0", 0)
		f.remove("shop/db-0", true) // its DELETED event is lost
		f.put("pods", with(newPod("db-0", "10.0.0.2"), func(p *corev1.Pod) { p.UID = "uid-second" }))
		synctest.Wait()
		second := l.want("10.0.0.2", "db-0", 0)
		if second == first || second.Pod.UID != "uid-second" {
			t.Errorf("got %+v", second.Pod)
		}
	})
}
