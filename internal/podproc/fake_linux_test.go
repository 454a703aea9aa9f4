package podproc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fakeProc is a procfs of files. Files of one network namespace are the same ones for all its processes, as with the kernel.
type fakeProc struct {
	tb   testing.TB
	root string
}

// nodeNetwork is the namespace of process 1 and of this process.
const nodeNetwork = "node"

// newFakeProc makes one with process 1 in the node's network, and as process 99 this one, a pod of the node's network.
func newFakeProc(tb testing.TB) *fakeProc {
	tb.Helper()
	p := &fakeProc{tb: tb, root: tb.TempDir()}
	p.network(nodeNetwork, "10.244.0.1", "192.168.1.10", "fd00::1")
	p.process(1, nodeNetwork, "0::/init.scope\n")
	p.process(99, nodeNetwork, "0::/kubepods.slice/kubepods-pod99999999_0000_0000_0000_000000000000.slice/cri-containerd-x.scope\n")
	p.link("99", "self")
	p.write("loadavg", "0.00 0.00 0.00 1/100 99\n")
	return p
}

// network makes a network namespace that has the addresses.
func (p *fakeProc) network(name string, addresses ...string) {
	p.tb.Helper()
	four, six := "Main:\n  +-- 0.0.0.0/1 2 0 2\n", ""
	for _, a := range append([]string{"127.0.0.1"}, addresses...) {
		if strings.Contains(a, ":") {
			raw := strings.ReplaceAll(mustAddr(a).StringExpanded(), ":", "")
			six += raw + " 02 40 00 80     eth0\n"
			continue
		}
		four += "     |-- " + a + "\n        /32 host LOCAL\n"
	}
	p.write("networks/"+name+"/dev", name)
	p.write("networks/"+name+"/fib_trie", four)
	p.write("networks/"+name+"/if_inet6", six)
}

func (p *fakeProc) process(pid int, network, cgroup string) {
	p.tb.Helper()
	p.write(fmt.Sprintf("%d/cgroup", pid), cgroup)
	p.link("../networks/"+network, fmt.Sprintf("%d/net", pid))
}

// pod adds a process of a pod.
func (p *fakeProc) pod(pid int, network, uid string) {
	p.tb.Helper()
	p.process(pid, network, "0::/kubepods/burstable/pod"+uid+"/"+strconv.Itoa(pid)+"\n")
}

func (p *fakeProc) write(name, text string) {
	p.tb.Helper()
	file := filepath.Join(p.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.tb.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *fakeProc) link(to, name string) {
	p.tb.Helper()
	if err := os.Symlink(to, filepath.Join(p.root, name)); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *fakeProc) remove(name string) {
	p.tb.Helper()
	if err := os.RemoveAll(filepath.Join(p.root, name)); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *fakeProc) finder() *Finder {
	p.tb.Helper()
	f, err := New(Options{Root: p.root})
	if err != nil {
		p.tb.Fatal(err)
	}
	return f
}
