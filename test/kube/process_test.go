//go:build kube && linux

package kube

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A process is one of the node's, seen from outside its process namespace.
type process struct {
	pid  int
	args []string
	pod  string // UID, the hash of a static pod, or "" outside of pods
}

// podOfCgroup finds a pod's UID in a path of /proc/PID/cgroup.
var podOfCgroup = regexp.MustCompile(`/pod([0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32})(?:/|$)`)

// processes are all of the node, its pods' included.
func (c *cluster) processes(t *testing.T) []process {
	t.Helper()
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.nodePID(t)))
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var all []process
	for _, dir := range dirs {
		if !c.ofNode(dir, own) {
			continue
		}
		args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		cgroups, err2 := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || err2 != nil {
			continue // it has ended
		}
		p := process{args: strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")}
		p.pid, _ = strconv.Atoi(filepath.Base(dir))
		for line := range bytes.Lines(cgroups) {
			if m := podOfCgroup.FindSubmatch(bytes.TrimSpace(line)); m != nil {
				p.pod = string(m[1])
			}
		}
		all = append(all, p)
	}
	return all
}

// ofNode reports whether a process is in the node's process namespace or one below it: pods have their own.
func (c *cluster) ofNode(dir, own string) bool {
	ns, err := os.Readlink(filepath.Join(dir, "ns", "pid"))
	if err != nil {
		return false
	}
	if ns == own {
		return true
	}
	cgroups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	return err == nil && bytes.Contains(cgroups, []byte("/"+netnsName+"/"))
}

// ofPod is the machine of a pod that runs: its network namespace.
func (c *cluster) ofPod(t *testing.T, p pod) machine {
	t.Helper()
	for _, process := range c.processes(t) {
		if process.pod == p.Metadata.UID {
			return machine{fmt.Sprintf("/proc/%d/ns/net", process.pid)}
		}
	}
	t.Fatalf("no process has the cgroup of pod %s/%s", p.Metadata.Namespace, p.Metadata.Name)
	return machine{}
}

// rss is the resident memory of a process, in bytes.
func rss(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("process %d has no VmRSS", pid)
	return 0
}
