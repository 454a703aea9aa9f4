package podproc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// check looks the address up.
func check(t *testing.T, f *Finder, address, want string, wantErr error) {
	t.Helper()
	uid, _, err := f.Find(t.Context(), mustAddr(address))
	if uid != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: got %q, %v, want %q, %v", address, uid, err, want, wantErr)
	}
}

func TestFind_EachPodByEachOfItsAddresses(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2", "fd00:10:244::2")
	p.network("b", "10.244.0.3", "fd00:10:244::3")
	for i := range 3 {
		p.pod(200+i, "a", uidA)
		p.pod(300+i, "b", uidB)
	}
	f := p.finder()
	check(t, f, "10.244.0.2", uidA, nil)
	check(t, f, "fd00:10:244::2", uidA, nil)
	check(t, f, "10.244.0.3", uidB, nil)
	check(t, f, "fd00:10:244::3", uidB, nil)
	check(t, f, "10.244.0.4", "", ErrNone)
	check(t, f, "fd00:10:244::4", "", ErrNone)
}

func TestFind_PodOfEachRuntime(t *testing.T) {
	for _, c := range cgroups {
		t.Run(c.name, func(t *testing.T) {
			p := newFakeProc(t)
			p.network("a", "10.244.0.2")
			p.process(200, "a", c.text)
			switch len(c.want) {
			case 0:
				check(t, p.finder(), "10.244.0.2", "", ErrNone)
			case 1:
				check(t, p.finder(), "10.244.0.2", c.want[0], nil)
			default:
				check(t, p.finder(), "10.244.0.2", "", ErrAmbiguous)
			}
		})
	}
}

func TestFind_NodesOwnNetworkNeverCounts(t *testing.T) {
	p := newFakeProc(t)
	p.pod(200, nodeNetwork, uidA)
	f := p.finder()
	check(t, f, "10.244.0.1", "", ErrNone)
	check(t, f, "fd00::1", "", ErrNone)
	p.network("b", "192.168.1.10") // the node's address, in a pod
	p.pod(300, "b", uidB)
	check(t, f, "192.168.1.10", uidB, nil)
}

func TestFind_ProcessesOfNoPodDoNotCount(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	p.network("docker", "10.244.0.2")
	p.pod(200, "a", uidA)
	p.process(201, "a", "0::/system.slice/containerd.service\n") // a plugin of the network, at work
	p.process(300, "docker", "0::/system.slice/docker-"+someCID+".scope\n")
	check(t, p.finder(), "10.244.0.2", uidA, nil)
}

func TestFind_TwoPodsWithOneAddressAreAmbiguous(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	p.network("b", "10.244.0.3", "10.244.0.2") // added to its own lo
	p.pod(200, "a", uidA)
	p.pod(300, "b", uidB)
	f := p.finder()
	check(t, f, "10.244.0.2", "", ErrAmbiguous)
	check(t, f, "10.244.0.3", uidB, nil)
	p.remove("300")
	check(t, f, "10.244.0.2", uidA, nil)
}

func TestFind_TwoPodsInOneNamespaceAreAmbiguous(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	p.pod(200, "a", uidA)
	p.pod(201, "a", uidB)
	check(t, p.finder(), "10.244.0.2", "", ErrAmbiguous)
}

func TestFind_OnePodInTwoNamespacesIsThatPod(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	p.network("inner", "10.244.0.2")
	p.pod(200, "a", uidA)
	p.pod(201, "inner", uidA)
	check(t, p.finder(), "10.244.0.2", uidA, nil)
}

func TestFind_VanishedProcessesAreNoError(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	p.pod(200, "a", uidA)
	p.pod(201, "a", uidA)
	p.remove("201/cgroup") // newer: its namespace is known, the rest has gone
	p.pod(202, "a", uidA)
	p.remove("202/net")
	p.link("nowhere", "203")
	check(t, p.finder(), "10.244.0.2", uidA, nil)
}

func TestFind_WhatCannotBeReadIsAnError(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	p.pod(200, "a", uidA)
	p.network("b")
	p.pod(300, "b", uidB)
	p.write("networks/b/fib_trie", strings.Repeat("x", 1<<20))
	_, _, err := p.finder().Find(t.Context(), mustAddr("10.244.0.2"))
	if want := "process 300: bufio.Scanner: token too long"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFind_TooManyProcessesAreAnError(t *testing.T) {
	p := newFakeProc(t)
	s := &scanner{root: p.root, maxProcesses: 1}
	_, _, err := s.find(t.Context(), mustAddr("10.244.0.2"))
	if want := "processes of the node: more than 1; too many to find pods by them"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFind_CancelledScanStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &scanner{root: newFakeProc(t).root, maxProcesses: 10}
	if _, _, err := s.find(ctx, mustAddr("10.244.0.2")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestBoundedReader_FailsBeyondTheLimit(t *testing.T) {
	r := &boundedReader{ctx: t.Context(), from: strings.NewReader(strings.Repeat("x\n", 8<<10)), left: 4 << 10}
	_, err := hasAddress(r, mustAddr("10.0.0.1"))
	if want := "addresses of a network namespace: more than 64 MiB"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestProcesses_NewestFirst(t *testing.T) {
	p := newFakeProc(t)
	for _, pid := range []int{32000, 500, 31000} { // numbers began anew after 32000
		p.pod(pid, nodeNetwork, uidA)
	}
	p.write("loadavg", "0.00 0.00 0.00 1/100 510\n")
	proc, err := os.Open(p.root)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proc.Close() }()
	got, err := (&scanner{root: p.root, maxProcesses: 100}).processes(proc)
	if want := []int{500, 99, 1, 32000, 31000}; !slices.Equal(got, want) || err != nil {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// BenchmarkFind scans files, of 110 pods with 3 processes each and 300 processes of the node. procfs itself costs more: test/e2e has that.
func BenchmarkFind(b *testing.B) {
	p := newFakeProc(b)
	for i := range 110 {
		name := fmt.Sprint("pod", i)
		p.network(name, fmt.Sprintf("10.244.0.%d", i+2))
		for j := range 3 {
			p.pod(1000+3*i+j, name, fmt.Sprintf("00000000-0000-0000-0000-%012d", i))
		}
	}
	for i := range 300 {
		p.process(100+i, nodeNetwork, "0::/\n")
	}
	f := p.finder()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := f.Find(b.Context(), mustAddr("10.244.0.50")); err != nil {
			b.Fatal(err)
		}
	}
}
