package podproc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// find looks 10.244.0.2 up, which must be pod A's.
func find(t *testing.T, f *Finder) *Witness {
	t.Helper()
	uid, w, err := f.Find(t.Context(), mustAddr("10.244.0.2"))
	if uid != uidA || err != nil || w == nil {
		t.Fatalf("got %q, %v, %v", uid, w, err)
	}
	t.Cleanup(w.Close)
	return w
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestWitness_IsTheOldestProcess(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	for pid := 200; pid < 203; pid++ {
		p.pod(pid, "a", uidA)
	}
	p.process(150, "a", "0::/system.slice/containerd.service\n") // older, of no pod
	w := find(t, p.finder())
	p.remove("202")
	p.remove("201")
	if !w.Alive() {
		t.Error("the oldest process is no witness")
	}
	p.remove("200")
	if w.Alive() {
		t.Error("its process has ended")
	}
	p.pod(200, "a", uidB)
	if w.Alive() {
		t.Error("a later process of the same number is a witness")
	}
}

func TestWitness_NamespaceWithoutTheAddressEndsIt(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2", "fd00:10:244::2")
	p.pod(200, "a", uidA)
	f := p.finder()
	four := find(t, f)
	_, six, err := f.Find(t.Context(), mustAddr("fd00:10:244::2"))
	if err != nil || !four.Alive() || !six.Alive() {
		t.Fatalf("alive: %v, %v, %v", four.Alive(), six.Alive(), err)
	}
	p.network("a", "10.244.0.3") // the process runs on
	if four.Alive() || six.Alive() {
		t.Errorf("alive: %v, %v", four.Alive(), six.Alive())
	}
	p.network("a", "10.244.0.2")
	four.Close()
	four.Close()
	again, err := unix.Open(p.root+"/200", unix.O_PATH|unix.O_CLOEXEC, 0) // it has the number of the closed one
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(again) }()
	if four.Alive() {
		t.Error("it is alive after Close")
	}
	six.Close()
}

func TestWitness_EndsWithARealProcess(t *testing.T) {
	sleep := exec.Command("sleep", "100")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleep.Process.Kill() }()
	dir, err := unix.Open(fmt.Sprintf("/proc/%d", sleep.Process.Pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &Witness{address: netip.MustParseAddr("127.0.0.1"), dir: dir}
	defer w.Close()
	if !w.Alive() {
		t.Fatal("a running process is no witness")
	}
	_ = sleep.Process.Kill()
	if err := unix.Waitid(unix.P_PID, sleep.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if w.Alive() {
		t.Error("a zombie is a witness")
	}
	_ = sleep.Wait()
	if w.Alive() {
		t.Error("a process that has ended is a witness")
	}
}

func TestFind_LeavesNoDescriptorOpen(t *testing.T) {
	p := newFakeProc(t)
	p.network("a", "10.244.0.2")
	p.network("b", "10.244.0.3")
	for i := range 3 {
		p.pod(200+i, "a", uidA)
		p.pod(300+i, "b", uidA)
		p.pod(400+i, "b", uidB)
	}
	f := p.finder()
	w := find(t, f)
	before := openFiles(t)
	for range 10 {
		find(t, f).Close()
		check(t, f, "10.244.0.3", "", ErrAmbiguous)
		check(t, f, "10.244.0.4", "", ErrNone)
	}
	if got := openFiles(t); got != before {
		t.Errorf("%d descriptors are open, want %d", got, before)
	}
	_, _, err := f.Find(t.Context(), mustAddr("10.244.0.3"))
	several, ok := errors.AsType[*AmbiguousError](err)
	if !ok || !slices.Equal(slices.Sorted(slices.Values(several.UIDs)), []string{uidA, uidB}) {
		t.Errorf("got %v", err)
	}
	if !w.Alive() {
		t.Error("the first witness is gone")
	}
}

func TestFind_EachOfThoseWhoShareASearchHasAWitness(t *testing.T) {
	before := openFiles(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFinder(func(context.Context, netip.Addr) (string, *Witness, error) {
			time.Sleep(scanTime)
			dir, err := unix.Open("/proc/self", unix.O_PATH|unix.O_CLOEXEC, 0)
			return uidA, &Witness{address: netip.MustParseAddr("127.0.0.1"), dir: dir}, err
		})
		for range maxScans {
			f.slots <- struct{}{}
		}
		var asking sync.WaitGroup
		for i := range 10 {
			asking.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Second+scanTime/2)
				defer cancel()
				_, w, err := f.Find(ctx, someAddress)
				if (i == 0) != (err != nil) {
					t.Errorf("%d: %v", i, err)
				}
				if err == nil {
					if !w.Alive() {
						t.Errorf("%d: its witness is not alive", i)
					}
					w.Close()
				}
			})
		}
		synctest.Wait()
		for range maxScans {
			<-f.slots
		}
		asking.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), scanTime/2) // no caller waits for its end
		defer cancel()
		_, _, _ = f.Find(ctx, someAddress)
		time.Sleep(scanTime)
	})
	if got := openFiles(t); got != before {
		t.Errorf("%d descriptors are open, want %d", got, before)
	}
}

// BenchmarkWitness is of this process and the machine's own addresses.
func BenchmarkWitness(b *testing.B) {
	dir, err := unix.Open("/proc/self", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	w := &Witness{address: netip.MustParseAddr("127.0.0.1"), dir: dir}
	defer w.Close()
	b.ReportAllocs()
	for b.Loop() {
		if !w.Alive() {
			b.Fatal("not alive")
		}
	}
}
