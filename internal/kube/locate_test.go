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

func TestLocate_DualStackPodIsKnownByEachAddress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "10.0.0.2", "fd00:10::2"))
		l := start(t, f, nil)
		if l.want("10.0.0.2", "web", 0) != l.want("fd00:10::2", "web", 0) {
			t.Error("the two addresses lead to different Workloads")
		}
	})
}

func TestLocate_HostNetworkPodHasNoAddress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", with(newPod("agent", "192.0.2.7"), func(p *corev1.Pod) { p.Spec.HostNetwork = true }))
		l := start(t, f, func(o *Options) { o.Proc = knows("192.0.2.7", "uid-agent") })
		l.wantError("192.0.2.7", caller.ErrUnknown, waitOfTest)
		if all := l.Pods(); len(all) != 1 || !all[0].HostNetwork || all[0].Addresses != nil {
			t.Errorf("Pods are %+v", all)
		}
	})
}

func TestLocate_KernelKnowsPodWhoseAddressTheAPIHoldsBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), knows("10.0.0.2", "uid-web")
		f.put("pods", newPod("web"))
		l := start(t, f, func(o *Options) { o.Proc = k })
		first := l.want("10.0.0.2", "web", 0)
		time.Sleep(5 * time.Second)
		f.put("pods", newPod("web", "10.0.0.2"))
		synctest.Wait()
		if l.want("10.0.0.2", "web", 0) != first {
			t.Error("the address made another Workload")
		}
		if k.count() != 1 {
			t.Errorf("the kernel was asked %d times, want once", k.count())
		}
		if got := l.Status().Lookups; got["proc"] != 1 || got["watch"] != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestLocate_HitAsksNoKernel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), &kernel{}
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, func(o *Options) { o.Proc = k })
		for range 100 {
			l.want("10.0.0.2", "web", 0)
		}
		if k.count() != 0 {
			t.Errorf("the kernel was asked %d times", k.count())
		}
	})
}

func TestLocate_WaitsForTheWatchWithoutTheKernel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web"))
		l := start(t, f, nil)
		time.AfterFunc(400*time.Millisecond, func() { f.put("pods", newPod("web", "10.0.0.2")) })
		time.AfterFunc(200*time.Millisecond, func() { f.put("pods", newPod("other", "10.0.0.3")) })
		l.want("10.0.0.2", "web", 400*time.Millisecond)
		if got := l.Status().Lookups["wait"]; got != 1 {
			t.Errorf("counted %d waits", got)
		}
	})
}

func TestLocate_UnknownAddressFailsAfterTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), &kernel{}
		f.put("pods", newPod("web", "10.0.0.2"))
		l := start(t, f, func(o *Options) { o.Proc = k })
		message := l.wantError("10.0.0.9", caller.ErrUnknown, waitOfTest)
		if want := "no pod of this node is known to have 10.0.0.9 yet; ask again"; message != want {
			t.Errorf("%q, want %q", message, want)
		}
		if k.count() != 1 || l.Status().Lookups["unknown"] != 1 {
			t.Errorf("the kernel was asked %d times, counted %v", k.count(), l.Status().Lookups)
		}
	})
}

func TestLocate_SlowKernelBoundsTheSearch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), knows("10.0.0.2", "uid-web")
		k.delay = time.Minute
		f.put("pods", newPod("web"))
		l := start(t, f, func(o *Options) { o.Proc = k })
		l.wantError("10.0.0.2", caller.ErrUnknown, searchLimit)
	})
}

func TestLocate_WithoutWaitTheKernelIsAskedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), knows("10.0.0.2", "uid-web")
		k.delay = 300 * time.Millisecond
		f.put("pods", newPod("web"))
		l := start(t, f, func(o *Options) { o.Proc, o.Wait = k, 0 })
		l.want("10.0.0.2", "web", k.delay)
		l.wantError("10.0.0.3", caller.ErrUnknown, k.delay)
		if k.count() != 2 {
			t.Errorf("the kernel was asked %d times, want 2", k.count())
		}
	})
}

func TestLocate_UIDOfNoPodOfThisNodeIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", with(newPod("far"), func(p *corev1.Pod) { p.Spec.NodeName = "node2" }))
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", "uid-far") })
		message := l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		if want := "10.0.0.2 belongs to processes of a pod that the Kubernetes API does not know by it on this node; ask again"; message != want {
			t.Errorf("%q, want %q", message, want)
		}
	})
}

func TestLocate_PodThatIsKnownAfterTheKernelsAnswerIsServed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", "uid-web") })
		time.AfterFunc(100*time.Millisecond, func() { f.put("pods", newPod("web")) })
		l.want("10.0.0.2", "web", 100*time.Millisecond)
	})
}

func TestLocate_PodWithAnothersAddressGetsNothingOfIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("thief", "10.0.0.66"))
		f.put("pods", newPod("victim"))
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", "uid-thief") })
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		f.put("pods", newPod("victim", "10.0.0.2"))
		synctest.Wait()
		l.want("10.0.0.2", "victim", 0)
	})
}

func TestLocate_KernelsAnswerIsForgotten(t *testing.T) {
	tests := []struct {
		name   string
		change func(f *fakeAPI)
	}{
		{"when the pod has another address", func(f *fakeAPI) { f.put("pods", newPod("web", "10.0.0.3")) }},
		{"when the pod has finished", func(f *fakeAPI) { f.put("pods", ended(newPod("web"), corev1.PodSucceeded)) }},
		{"when the pod is gone", func(f *fakeAPI) { f.remove("shop/web", false) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f, k := newFake(), knows("10.0.0.2", "uid-web")
				f.put("pods", newPod("web"))
				l := start(t, f, func(o *Options) { o.Proc = k })
				l.want("10.0.0.2", "web", 0)
				f.put("pods", asking(newPod("web"), "x"))
				synctest.Wait()
				l.want("10.0.0.2", "web", 0)
				test.change(f)
				synctest.Wait()
				l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
			})
		})
	}
	t.Run("when another claims the address", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f := newFake()
			f.put("pods", newPod("web"))
			l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", "uid-web") })
			l.want("10.0.0.2", "web", 0)
			f.put("pods", newPod("next", "10.0.0.2"))
			synctest.Wait()
			l.want("10.0.0.2", "next", 0)
		})
	})
}

func TestLocate_ProcAloneIgnoresAddressesOfTheAPI(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "10.0.0.2"))
		f.put("pods", newPod("other", "10.0.0.3"))
		l := start(t, f, func(o *Options) { o.Find, o.Proc = []string{"proc"}, knows("10.0.0.2", "uid-web") })
		l.want("10.0.0.2", "web", 0)
		l.wantError("10.0.0.3", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_ManyMissesAskTheKernelOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), knows("10.0.0.2", "uid-web")
		k.delay = 10 * time.Millisecond
		f.put("pods", newPod("web"))
		l := start(t, f, func(o *Options) { o.Proc = k })
		done := make(chan struct{})
		for range 1000 {
			go func() {
				if w, err := l.Locate(t.Context(), netip.MustParseAddr("10.0.0.2")); err != nil || w.Pod.Name != "web" {
					t.Errorf("got %v, %v", w, err)
				}
				done <- struct{}{}
			}()
		}
		for range 1000 {
			<-done
		}
		if k.count() != 1 {
			t.Errorf("the kernel was asked %d times, want once", k.count())
		}
	})
}

func TestLocate_EndOfTheRequestEndsTheSearch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := start(t, newFake(), nil)
		message := l.wantErrorOf(100 * time.Millisecond)
		if !strings.Contains(message, "deadline") {
			t.Errorf("got %q", message)
		}
	})
}
