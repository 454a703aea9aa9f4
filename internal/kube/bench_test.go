package kube

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// filled is a Locator that nothing runs, with n pods.
func filled(tb testing.TB, n int, proc Proc) *Locator {
	tb.Helper()
	l, err := New(Options{
		Node: node, Find: []string{"watch", "proc"}, Wait: time.Second, API: &rest.Config{Host: "http://api.test"}, Proc: proc,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	keep := &keeper{node: node}
	list := make([]any, 0, n)
	for i := range n {
		list = append(list, keep.pod(numbered(i)))
	}
	if err := l.sources[0].store.Replace(list, "1"); err != nil {
		tb.Fatal(err)
	}
	return l
}

func TestLocate_HitAllocatesNothing(t *testing.T) {
	l := filled(t, 100, nil)
	a := netip.MustParseAddr("10.1.0.7")
	if got := testing.AllocsPerRun(100, func() { _, _ = l.Locate(context.Background(), a) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func BenchmarkLocate_HitOfTenThousand(b *testing.B) {
	l := filled(b, 10_000, nil)
	addresses := make([]netip.Addr, 1024)
	for i := range addresses {
		addresses[i] = netip.MustParseAddr(numbered(i * 9).Status.PodIP)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if w, err := l.Locate(context.Background(), addresses[i%len(addresses)]); w == nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkStore_ChangeOneOfTenThousand(b *testing.B) {
	l := filled(b, 10_000, nil)
	keep := &keeper{node: node}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		p := numbered(i % 10_000)
		p.Status.PodIPs = nil
		p.Status.PodIP = fmt.Sprintf("10.9.%d.%d", i>>8&255, i&255)
		_ = l.sources[0].store.Update(keep.pod(p))
		i++
	}
}

// BenchmarkLocate_ThousandMissesAtOnce is of 1,000 pods whose addresses only the kernel knows yet.
func BenchmarkLocate_ThousandMissesAtOnce(b *testing.B) {
	keep := &keeper{node: node}
	for b.Loop() {
		b.StopTimer()
		k := &kernel{uids: map[netip.Addr]string{}}
		l := filled(b, 0, k)
		list := make([]any, 0, 1000)
		var addresses []netip.Addr
		for i := range 1000 {
			p := numbered(i)
			a := netip.MustParseAddr(p.Status.PodIP)
			p.Status.PodIP, p.Status.PodIPs = "", nil
			k.uids[a], addresses = string(p.UID), append(addresses, a)
			list = append(list, keep.pod(p))
		}
		_ = l.sources[0].store.Replace(list, "1")
		b.StartTimer()
		var all sync.WaitGroup
		for _, a := range addresses {
			all.Go(func() {
				if w, err := l.Locate(context.Background(), a); w == nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		if k.count() != 1000 {
			b.Fatalf("the kernel was asked %d times, want 1000", k.count())
		}
	}
}
