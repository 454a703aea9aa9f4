package kube

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// reuse is a node with two addresses, whose pods come and go quickly. The kernel is always right; the API tells each change of a pod
// up to 5 s late, in the order of that pod's changes.
type reuse struct {
	t       *testing.T
	l       *Locator
	k       *processes
	random  *rand.Rand
	changes sync.WaitGroup
	keep    *keeper

	mu      sync.Mutex
	waiting map[string]chan struct{} // by pod, closed when the API has told its last change
	answers map[string]int
}

// tell lets the API tell a change of a pod, later.
func (r *reuse) tell(name string, apply func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	late := time.Duration(r.random.Int64N(int64(5 * time.Second)))
	before, told := r.waiting[name], make(chan struct{})
	r.waiting[name] = told
	r.changes.Go(func() {
		defer close(told)
		time.Sleep(late)
		if before != nil {
			<-before
		}
		apply()
	})
}

func (r *reuse) put(p *corev1.Pod) {
	kept := r.keep.pod(p)
	r.tell(p.Name, func() { _ = podStore{r.l}.Update(kept) })
}

func (r *reuse) remove(p *corev1.Pod) {
	kept := r.keep.pod(p)
	r.tell(p.Name, func() { _ = podStore{r.l}.Delete(kept) })
}

func (r *reuse) number(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.IntN(n)
}

// ask makes a connection's first request, and checks whose role it gets.
func (r *reuse) ask(address, name string) {
	a := netip.MustParseAddr(address)
	w, err := r.l.Locate(r.t.Context(), a)
	located := w
	if err == nil {
		w, err = r.l.Confirm(r.t.Context(), a, w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && !isUnknown(err):
		r.t.Errorf("%s: %v", name, err)
	case err != nil:
		r.answers["none"]++
	case w.Pod.Name != name:
		r.t.Errorf("%s gets the role of %s", name, w.Pod.Name)
	case located != w:
		r.answers["saved"]++
	default:
		r.answers["right"]++
	}
}

// live is one pod's life at an address: bound, started, asking, reported, deleted or finished, gone.
func (r *reuse) live(name, address string) {
	p := startedAt(newPod(name), time.Now())
	if r.number(3) > 0 { // the others are told only after their start
		_ = podStore{r.l}.Update(r.keep.pod(p))
	} else {
		r.put(p)
	}
	r.k.set(address, "uid-"+name)
	reported := with(p, func(p *corev1.Pod) {
		p.Status.PodIP = address
		p.Status.PodIPs = []corev1.PodIP{{IP: address}}
	})
	r.put(reported)
	thief := r.number(4) == 0
	var asking sync.WaitGroup
	for i := range 1 + r.number(6) {
		asking.Go(func() {
			time.Sleep(time.Duration(i*r.number(400)) * time.Millisecond)
			r.ask(address, name)
		})
		if i == 1 && thief {
			r.k.set(address, "uid-"+name, "uid-thief")
		}
	}
	asking.Wait() // its requests end before it does
	switch r.number(3) {
	case 0:
		r.put(deleting(reported, time.Now().Add(time.Second)))
	case 1:
		r.put(ended(reported, corev1.PodSucceeded))
	}
	r.k.set(address)
	r.remove(reported)
}

func TestConfirm_NoPodGetsAnothersRoleWhileTheAPIIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lives = 1500 // at each address
		r := &reuse{
			t: t, k: &processes{delay: 3 * time.Millisecond}, random: rand.New(rand.NewPCG(18, 18)), keep: &keeper{node: node},
			waiting: map[string]chan struct{}{}, answers: map[string]int{},
		}
		var err error
		r.l, err = New(Options{
			Node: node, Find: []string{"watch", "proc"}, Wait: waitOfTest, API: &rest.Config{Host: "http://api.test"}, Proc: r.k,
			Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = podStore{r.l}.Replace([]any{r.keep.pod(newPod("thief", "10.0.0.66"))}, "1")
		var both sync.WaitGroup
		for _, address := range []string{"10.0.0.2", "10.0.0.3"} {
			both.Go(func() {
				for i := range lives {
					r.live(fmt.Sprintf("pod-%s-%d", address[7:], i), address)
				}
			})
		}
		both.Wait()
		r.changes.Wait()
		t.Logf("answers: %v", r.answers)
		if r.answers["right"] < lives || r.answers["saved"] < lives/10 {
			t.Errorf("answers: %v; too few to show anything", r.answers)
		}
		if r.k.open != 0 || len(r.l.witnesses.at) != 0 {
			t.Errorf("%d witnesses are open, %d kept", r.k.open, len(r.l.witnesses.at))
		}
		if all := r.l.Pods(); len(all) != 1 || !slices.ContainsFunc(all, func(s State) bool { return s.Workload.Pod.Name == "thief" }) {
			t.Errorf("%d pods stay", len(all))
		}
	})
}
