package kube

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"mock-ec2-metadata/internal/caller"
)

func isUnknown(err error) bool { return errors.Is(err, caller.ErrUnknown) }

// confirming is a Locator that knows pod web at 10.0.0.2, and other pods without an address, over these processes.
func confirming(t *testing.T, k *processes, others ...*corev1.Pod) (*fakeAPI, *testLocator) {
	t.Helper()
	f := newFake()
	f.put("pods", newPod("web", "10.0.0.2"))
	for _, p := range others {
		f.put("pods", p)
	}
	return f, start(t, f, func(o *Options) { o.Proc = k })
}

func TestConfirm_EachAnswerOfTheKernel(t *testing.T) {
	soon := func(p *corev1.Pod) *corev1.Pod { return deleting(p, time.Now().Add(time.Minute)) }
	for _, test := range []struct {
		name    string
		kernel  []string
		err     error
		seen    bool // the kernel has named web before
		leaving bool // web is being deleted
		want    string
	}{
		{name: "the same pod", kernel: []string{"uid-web"}, want: "web"},
		{name: "the same pod that is being deleted", kernel: []string{"uid-web"}, leaving: true, want: "web"},
		{name: "a pod without an address yet", kernel: []string{"uid-next"}, want: "next"},
		{name: "that pod while the first one is being deleted", kernel: []string{"uid-next"}, leaving: true, want: "next"},
		{name: "a pod with another address", kernel: []string{"uid-thief"}},
		{name: "a pod in the node's network", kernel: []string{"uid-agent"}},
		{name: "a pod that has finished", kernel: []string{"uid-job"}},
		{name: "a pod that the API does not know", kernel: []string{"uid-stranger"}},
		{name: "none", want: "web"},
		{name: "none, of a pod that is being deleted", leaving: true},
		{name: "none, of a pod whose processes were seen", seen: true},
		{name: "several with that pod", kernel: []string{"uid-thief", "uid-web"}},
		{name: "several with that pod, seen before", kernel: []string{"uid-thief", "uid-web"}, seen: true},
		{name: "several with that pod, which is being deleted", kernel: []string{"uid-thief", "uid-web"}, leaving: true},
		{name: "several others", kernel: []string{"uid-thief", "uid-next"}},
		{name: "a failure", err: errors.New("unreadable"), want: "web"},
		{name: "a failure, of a pod that is being deleted", err: errors.New("unreadable"), leaving: true},
		{name: "a failure, of a pod whose processes were seen", err: errors.New("unreadable"), seen: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				k := &processes{}
				f, l := confirming(t, k, newPod("next"), newPod("thief", "10.0.0.66"), ended(newPod("job"), corev1.PodSucceeded),
					with(newPod("agent"), func(p *corev1.Pod) { p.Spec.HostNetwork = true }))
				if test.seen {
					k.set("10.0.0.2", "uid-web")
					l.wantRequest("10.0.0.2", "web")
				}
				if test.leaving {
					f.put("pods", soon(newPod("web", "10.0.0.2")))
					synctest.Wait()
				}
				k.set("10.0.0.2", test.kernel...)
				k.fail(test.err)
				if test.seen && len(test.kernel) > 1 { // the witness itself is gone
					l.witnesses.drop([]string{"uid-web"})
				}
				l.wantRequest("10.0.0.2", test.want)
				l.wantRequest("10.0.0.2", test.want)
			})
		})
	}
}

func TestConfirm_AliveWitnessAsksNoKernel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		_, l := confirming(t, k)
		k.set("10.0.0.2", "uid-web")
		l.wantRequest("10.0.0.2", "web")
		k.wantCounts(t, 1, 0, 1)
		for range 10 {
			l.wantRequest("10.0.0.2", "web")
		}
		k.wantCounts(t, 1, 10, 1)
	})
}

func TestConfirm_AliveWitnessOutlivesAFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		f, l := confirming(t, k)
		k.set("10.0.0.2", "uid-web")
		l.wantRequest("10.0.0.2", "web")
		k.fail(errors.New("unreadable"))
		f.put("pods", deleting(newPod("web", "10.0.0.2"), time.Now()))
		synctest.Wait()
		l.wantRequest("10.0.0.2", "web")
		time.Sleep(freshFor)
		l.wantRequest("10.0.0.2", "web")
	})
}

// A witness tells nothing of a second pod with the address, so the kernel is asked again before long.
func TestConfirm_TwinOfAConfirmedPodMakesBothUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		_, l := confirming(t, k, newPod("thief", "10.0.0.66"))
		k.set("10.0.0.2", "uid-web")
		l.wantRequest("10.0.0.2", "web")
		k.set("10.0.0.2", "uid-web", "uid-thief")
		time.Sleep(freshFor)
		l.wantRequest("10.0.0.2", "")
		k.set("10.0.0.2", "uid-web")
		l.wantRequest("10.0.0.2", "web")
	})
}

func TestConfirm_PodThatChangesWasSeenAllTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		f, l := confirming(t, k)
		k.set("10.0.0.2", "uid-web")
		l.wantRequest("10.0.0.2", "web")
		f.put("pods", asking(newPod("web", "10.0.0.2"), "x"))
		synctest.Wait()
		k.set("10.0.0.2")
		l.wantRequest("10.0.0.2", "")
	})
}

func TestConfirm_AnswerThatLocateLearnedHasItsWitness(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		_, l := confirming(t, k, newPod("next"), newPod("third"))
		k.set("10.0.0.3", "uid-next")
		l.wantRequest("10.0.0.3", "next")
		k.wantCounts(t, 1, 1, 1)
		k.set("10.0.0.3", "uid-third")
		l.wantRequest("10.0.0.3", "third")
		l.wantRequest("10.0.0.3", "third")
		k.set("10.0.0.3")
		l.wantRequest("10.0.0.3", "") // never the API's word, which has said nothing
	})
}

func TestConfirm_AnswerOlderThanTheConnectionDoesNotCount(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{delay: 100 * time.Millisecond}
		_, l := confirming(t, k, newPod("old"), newPod("next"))
		k.set("10.0.0.3", "uid-old")
		go func() { _, _ = l.request("10.0.0.3") }()
		time.Sleep(50 * time.Millisecond) // it has looked, and not answered
		k.set("10.0.0.3", "uid-next")
		l.wantRequest("10.0.0.3", "next")
		k.wantCounts(t, 3, 2, 1)
	})
}

func TestConfirm_WitnessIsClosedWithItsPod(t *testing.T) {
	for name, end := range map[string]func(f *fakeAPI){
		"deleted":             func(f *fakeAPI) { f.remove("shop/web", false) },
		"finished":            func(f *fakeAPI) { f.put("pods", ended(newPod("web", "10.0.0.2"), corev1.PodFailed)) },
		"another of its name": func(f *fakeAPI) { f.put("pods", with(newPod("web"), func(p *corev1.Pod) { p.UID = "uid-second" })) },
		"relist": func(f *fakeAPI) {
			f.remove("shop/web", true)
			f.expire("pods")
			time.Sleep(2 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				k := &processes{}
				f, l := confirming(t, k)
				k.set("10.0.0.2", "uid-web")
				l.wantRequest("10.0.0.2", "web")
				f.put("pods", deleting(asking(newPod("web", "10.0.0.2"), "x"), time.Now()))
				synctest.Wait()
				k.wantCounts(t, 1, 0, 1)
				end(f)
				synctest.Wait()
				k.wantCounts(t, 1, 0, 0)
				if len(l.witnesses.at) != 0 {
					t.Errorf("%d witnesses stay", len(l.witnesses.at))
				}
			})
		})
	}
}

func TestConfirm_WitnessOfAPodThatIsNotKnownIsNotKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		f, l := confirming(t, k)
		k.set("10.0.0.2", "uid-next")
		began := time.Now()
		l.wantRequest("10.0.0.2", "")
		if took := time.Since(began); took != waitOfTest {
			t.Errorf("it took %v, want %v", took, waitOfTest)
		}
		k.wantCounts(t, 1, 0, 0)
		time.AfterFunc(300*time.Millisecond, func() { f.put("pods", newPod("next")) })
		began = time.Now()
		l.wantRequest("10.0.0.2", "next")
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestConfirm_ContradictionIsLoggedOnceAMinuteAndCounted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		_, l := confirming(t, k, newPod("next"))
		k.set("10.0.0.2", "uid-next")
		for range 3 {
			l.wantRequest("10.0.0.2", "next")
		}
		if log := l.log.String(); strings.Count(log, "kernel and kubernetes name different pods") != 1 ||
			!strings.Contains(log, `kubernetes="pod shop/web" kernel="pod shop/next"`) {
			t.Errorf("logged %s", log)
		}
		k.set("10.0.0.2", "uid-next", "uid-other")
		l.wantRequest("10.0.0.2", "")
		if got := l.Status().Lookups; got["watch"] != 4 || got["proc"] != 3 || got["unknown"] != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestConfirm_PodWaitsForTheAnnotationsOfItsAccount(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f, k := newFake(), &processes{}
		f.put("serviceaccounts", account("x"))
		f.put("pods", newPod("web", "10.0.0.2"))
		f.put("pods", with(newPod("next"), func(p *corev1.Pod) { p.Spec.ServiceAccountName = "none" }))
		l := start(t, f, func(o *Options) { o.Accounts, o.Proc = true, k })
		k.set("10.0.0.2", "uid-next")
		l.wantRequest("10.0.0.2", "")
		time.Sleep(patience)
		l.wantRequest("10.0.0.2", "next")
	})
}

func TestConfirm_StaticPodIsKnownByItsHash(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef"
	static := func(p *corev1.Pod) *corev1.Pod {
		return with(p, func(p *corev1.Pod) { p.Annotations = map[string]string{"kubernetes.io/config.mirror": hash} })
	}
	inBubble(t, func(t *testing.T) {
		k := &processes{}
		f, l := confirming(t, k, static(newPod("proxy", "10.0.0.9")))
		k.set("10.0.0.9", hash)
		l.wantRequest("10.0.0.9", "proxy")
		l.wantRequest("10.0.0.9", "proxy")
		k.wantCounts(t, 1, 1, 1)
		f.put("pods", static(newPod("liar", "10.0.0.10")))
		synctest.Wait()
		k.set("10.0.0.10", hash)
		l.wantRequest("10.0.0.10", "")
	})
}

func TestConfirm_WithoutProcTheAPIDecides(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", deleting(newPod("web", "10.0.0.2"), time.Now()))
		start(t, f, nil).wantRequest("10.0.0.2", "web")
	})
}

func TestConfirm_EndsWithTheRequest(t *testing.T) {
	for _, has := range []string{"uid-stranger", "uid-web"} {
		inBubble(t, func(t *testing.T) {
			k := &processes{}
			_, l := confirming(t, k)
			k.set("10.0.0.2", has)
			if has == "uid-web" {
				k.delay = time.Second
			}
			a := netip.MustParseAddr("10.0.0.2")
			w := l.index.get(a)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := l.Confirm(ctx, a, w); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: got %v", has, err)
			}
		})
	}
}

func TestWitnesses_AreBounded(t *testing.T) {
	x, k := &witnesses{}, &processes{}
	a := netip.MustParseAddr("10.0.0.1")
	for range maxWitnesses + 10 {
		k.set(a.String(), "uid")
		_, w, _ := k.Find(t.Context(), a)
		x.keep(a, "uid", w, time.Now())
		a = a.Next()
	}
	if len(x.at) != maxWitnesses || k.open != maxWitnesses {
		t.Errorf("%d are kept and %d open, want %d", len(x.at), k.open, maxWitnesses)
	}
}
