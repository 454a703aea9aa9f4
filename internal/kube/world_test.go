package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"mock-ec2-metadata/internal/caller"
)

const (
	node       = "node1"
	roleName   = "mock-ec2-metadata/role"
	waitOfTest = 900 * time.Millisecond
)

// newPod is a running pod of the node, in namespace shop, without an address.
func newPod(name string, addresses ...string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: node, ServiceAccountName: "seller", Containers: []corev1.Container{{Name: "main", Image: "x"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for i, a := range addresses {
		if i == 0 {
			p.Status.PodIP = a
		}
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: a})
	}
	return p
}

// with returns a changed copy.
func with(p *corev1.Pod, change func(*corev1.Pod)) *corev1.Pod {
	p = p.DeepCopy()
	change(p)
	return p
}

func startedAt(p *corev1.Pod, at time.Time) *corev1.Pod {
	return with(p, func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: at} })
}

func deleting(p *corev1.Pod, at time.Time) *corev1.Pod {
	return with(p, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: at} })
}

func ended(p *corev1.Pod, phase corev1.PodPhase) *corev1.Pod {
	return with(p, func(p *corev1.Pod) { p.Status.Phase = phase })
}

func asking(p *corev1.Pod, role string) *corev1.Pod {
	return with(p, func(p *corev1.Pod) { p.Annotations = map[string]string{roleName: role, "other": "dropped"} })
}

// kernel is a Proc with fixed answers.
type kernel struct {
	mu    sync.Mutex
	uids  map[netip.Addr]string
	delay time.Duration // before each answer, unless the context ends first
	deaf  bool          // it does not hear of the context's end
	err   error         // instead of no UID
	asked int
}

func (k *kernel) Find(ctx context.Context, a netip.Addr) ([]string, Witness, error) {
	k.mu.Lock()
	k.asked++
	uid := k.uids[a]
	k.mu.Unlock()
	if k.delay > 0 {
		ended := ctx.Done()
		if k.deaf {
			ended = nil
		}
		select {
		case <-time.After(k.delay):
		case <-ended:
			return nil, nil, ctx.Err()
		}
	}
	if uid == "" {
		return nil, nil, k.err
	}
	return []string{uid}, nil, nil
}

func (k *kernel) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

func knows(a, uid string) *kernel {
	return &kernel{uids: map[netip.Addr]string{netip.MustParseAddr(a): uid}}
}

// logged is what the Locator of a test logs.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testLocator is a Locator that runs, over a fake API.
type testLocator struct {
	*Locator
	t   *testing.T
	log *logged
}

// start runs a Locator under synctest until the test ends, and waits until it has nothing to do.
func start(t *testing.T, f *fakeAPI, change func(*Options)) *testLocator {
	t.Helper()
	log := &logged{}
	o := Options{
		Node: node, Find: []string{"watch", "proc"}, Wait: waitOfTest, Annotations: []string{roleName},
		API: &rest.Config{Host: "http://api.test", Transport: memory{f}},
		Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now,
	}
	if change != nil {
		change(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	go l.Run(t.Context())
	synctest.Wait()
	return &testLocator{l, t, log}
}

// want checks which pod is found at an address, and how long that takes.
func (l *testLocator) want(address, name string, took time.Duration) *caller.Workload {
	l.t.Helper()
	began := time.Now()
	w, err := l.Locate(l.t.Context(), netip.MustParseAddr(address))
	if err != nil {
		l.t.Fatalf("%s: %v", address, err)
	}
	if w.Name != "pod shop/"+name {
		l.t.Fatalf("%s is %q, want %q", address, w.Name, name)
	}
	if got := time.Since(began); got != took {
		l.t.Fatalf("%s took %v, want %v", address, got, took)
	}
	return w
}

// wantError checks that no pod is found at an address, after a time. It returns why.
func (l *testLocator) wantError(address string, target error, took time.Duration) string {
	l.t.Helper()
	began := time.Now()
	w, err := l.Locate(l.t.Context(), netip.MustParseAddr(address))
	if w != nil || !errors.Is(err, target) {
		l.t.Fatalf("%s: %v, %v, want %v", address, w, err, target)
	}
	if got := time.Since(began); got != took {
		l.t.Fatalf("%s took %v, want %v", address, got, took)
	}
	return err.Error()
}

// inBubble runs a test with virtual time.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func account(role string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "seller", Annotations: map[string]string{roleName: role}}}
}

func namespace(role string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Annotations: map[string]string{roleName: role}}}
}

func numbered(i int) *corev1.Pod {
	return newPod(fmt.Sprintf("pod-%05d", i), fmt.Sprintf("10.%d.%d.%d", 1+i>>16, i>>8&255, i&255))
}

// wantErrorOf locates an unknown address with a context that ends after d.
func (l *testLocator) wantErrorOf(d time.Duration) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), d)
	defer cancel()
	began := time.Now()
	_, err := l.Locate(ctx, netip.MustParseAddr("10.0.0.9"))
	if got := time.Since(began); err == nil || got != d {
		l.t.Fatalf("%v after %v, want an error after %v", err, got, d)
	}
	return err.Error()
}
