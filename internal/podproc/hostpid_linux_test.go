package podproc

import (
	"strings"
	"testing"
)

func TestNew_TellsWhetherHostPIDIsOn(t *testing.T) {
	const own = "0::/kubepods/burstable/pod" + uidA + "/one\n"
	for _, c := range []struct {
		name      string
		one, self string
		namespace string
		off       bool
	}{
		{name: "node with systemd", one: "0::/init.scope\n", self: own},
		{name: "node without", one: "0::/\n", self: own},
		{name: "node, cgroup namespace", one: "0::/../../../../init.scope\n", self: "0::/\n"},
		{name: "node, v1", one: "2:pids:/init.scope\n1:name=systemd:/init.scope\n", self: "2:pids:/kubepods/pod" + uidA + "/x\n"},
		{name: "kind", one: "0::/init.scope\n", self: "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-" + sliceA + "/x\n", namespace: "pid:[4026532999]"},
		{name: "the machine itself", one: "0::/\n", self: "0::/\n", namespace: "pid:[4026531836]"},
		{name: "pod", one: own, self: own, off: true},
		{name: "pod, cgroup namespace", one: "0::/\n", self: "0::/\n", namespace: "pid:[4026532999]", off: true},
		{name: "pod that shares its process namespace", one: "0::/kubepods/burstable/pod" + uidA + "/pause\n", self: own, off: true},
		{name: "the same, cgroup namespace", one: "0::/../cri-containerd-x.scope\n", self: "0::/\n", off: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newFakeProc(t)
			p.write("1/cgroup", c.one)
			p.write("99/cgroup", c.self)
			if c.namespace != "" {
				p.write("99/ns/of", "")
				p.link(c.namespace, "99/ns/pid")
			}
			_, err := New(Options{Root: p.root})
			if (err != nil) != c.off || c.off && err.Error() != errHostPID.Error() {
				t.Errorf("got %v, want an error: %v", err, c.off)
			}
		})
	}
}

func TestNew_WithoutProcfsSaysWhatIsMissing(t *testing.T) {
	p := newFakeProc(t)
	p.remove("1")
	if _, err := New(Options{Root: p.root}); err == nil || !strings.HasPrefix(err.Error(), "processes of the node: open ") {
		t.Errorf("got %v", err)
	}
	p.write("1/cgroup", "0::/init.scope\n")
	if _, err := New(Options{Root: p.root}); err == nil || !strings.HasPrefix(err.Error(), "network namespaces of processes: stat ") {
		t.Errorf("got %v", err)
	}
}
