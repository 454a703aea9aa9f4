package kube

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"mock-ec2-metadata/internal/caller"
)

// hashOfTest is the UID that a kubelet gives a static pod.
const hashOfTest = "0123456789abcdef0123456789abcdef"

// static is the API's copy of a static pod, without an address yet unless some are given.
func static(name string, addresses ...string) *corev1.Pod {
	return with(newPod(name, addresses...), func(p *corev1.Pod) { p.Annotations = map[string]string{configHash: hashOfTest} })
}

func TestLocate_KernelKnowsStaticPodByItsHash(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", static("proxy"))
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", hashOfTest) })
		first := l.want("10.0.0.2", "proxy", 0)
		if got := l.Status().Lookups; got["proc"] != 1 {
			t.Errorf("counted %v", got)
		}
		if len(first.Pod.Annotations) != 0 {
			t.Errorf("annotations that no rule names are kept: %v", first.Pod.Annotations)
		}
	})
}

func TestLocate_HashOfDeletedStaticPodIsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", static("proxy"))
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", hashOfTest) })
		l.want("10.0.0.2", "proxy", 0)
		f.remove("shop/proxy", false)
		time.Sleep(time.Second)
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_HashThatSeveralPodsNameIsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", static("proxy"))
		f.put("pods", static("thief"))
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", hashOfTest) })
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_PodWithAnotherAddressCannotNameAStaticPodsHash(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", static("thief", "10.0.0.9"))
		l := start(t, f, func(o *Options) { o.Proc = knows("10.0.0.2", hashOfTest) })
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
	})
}
