//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/podproc"
)

// playFinder makes this test binary look for the pods of the addresses that follow.
const playFinder = "play-finder"

func init() {
	if len(os.Args) < 2 || os.Args[1] != playFinder {
		return
	}
	f, err := podproc.New(podproc.Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var fastest time.Duration
	for _, address := range os.Args[2:] {
		began := time.Now()
		uid, _, err := f.Find(context.Background(), netip.MustParseAddr(address))
		if took := time.Since(began); fastest == 0 || took < fastest {
			fastest = took
		}
		fmt.Println(address, uid, err)
	}
	fmt.Fprintln(os.Stderr, "fastest scan:", fastest)
	os.Exit(0)
}

// findPods runs the finder as the cluster's daemon is: another user, without any capability. It returns a line for each address.
func findPods(t *testing.T, addresses ...string) []string {
	t.Helper()
	self, err := os.Open("/proc/self/exe") // its directory is root's alone
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = self.Close() }()
	args := []string{"--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "/proc/self/fd/3", playFinder}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "setpriv", append(args, addresses...)...)
	cmd.ExtraFiles = []*os.File{self}
	r := finish(t, cmd)
	if strings.HasPrefix(r.stdout, "hostPID is off") {
		t.Skip("this is a container of its own processes: " + r.stdout)
	}
	if r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	t.Log(strings.TrimSpace(r.stderr))
	return strings.Split(strings.TrimSpace(r.stdout), "\n")
}

// newKubepods makes a cgroup "kubepods" and returns its directory.
func newKubepods(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can make cgroups and network namespaces: run this as root")
	}
	var err error
	for _, hierarchy := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err = os.Stat(filepath.Join(hierarchy, "cgroup.procs")); err != nil {
			continue
		}
		top := filepath.Join(hierarchy, fmt.Sprintf("mock-ec2-%d", os.Getpid()))
		dir := filepath.Join(top, "kubepods")
		if err = os.MkdirAll(dir, 0o755); err == nil {
			t.Cleanup(func() { _, _ = os.Remove(dir), os.Remove(top) })
			return dir
		}
	}
	t.Skip("no cgroup can be made here: ", err)
	return ""
}

// startPod starts processes in a network namespace with the addresses, and in the cgroup of a pod "" is none.
func startPod(t *testing.T, kubepods, uid string, addresses ...string) {
	t.Helper()
	script := "ip link set lo up; "
	for _, a := range addresses {
		script += "ip address add " + a + " dev lo; "
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "unshare", "--net", "sh", "-c", script+"sleep 600 & sleep 600 & echo ready; exec sleep 600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != "" {
		dir := filepath.Join(kubepods, "pod"+uid)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { removeCgroup(t, dir) })
		// The shell enters the pod's cgroup first, as runc does.
		cmd.Args = append([]string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(dir, "cgroup.procs")}, cmd.Args...)
		cmd.Path = findTool(t, "sh", "dash")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	if n, err := out.Read(make([]byte, len("ready\n"))); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// removeCgroup waits until the kernel has reaped the killed processes.
func removeCgroup(t *testing.T, dir string) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); ; {
		err := os.Remove(dir)
		if err == nil {
			return
		}
		if time.Now().After(until) {
			t.Error(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func podUID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func TestPodproc_FindsPodsWithoutPrivileges(t *testing.T) {
	kubepods := newKubepods(t)
	startPod(t, kubepods, podUID(1), "10.231.0.1/24", "fd00:231::1/64")
	startPod(t, kubepods, podUID(2), "10.231.0.2/24", "fd00:231::2/64", "10.231.0.3/32") // takes the third's address too
	startPod(t, kubepods, podUID(3), "10.231.0.3/24", "fd00:231::3/64")
	startPod(t, kubepods, "", "10.231.0.4/24", "10.231.0.1/24") // of no pod
	got := findPods(t, "10.231.0.1", "fd00:231::1", "10.231.0.2", "10.231.0.3", "fd00:231::3", "10.231.0.4", "10.231.0.255", "10.231.0.0")
	want := []string{
		"10.231.0.1 " + podUID(1) + " <nil>",
		"fd00:231::1 " + podUID(1) + " <nil>",
		"10.231.0.2 " + podUID(2) + " <nil>",
		"10.231.0.3  " + podproc.ErrAmbiguous.Error(),
		"fd00:231::3 " + podUID(3) + " <nil>",
		"10.231.0.4  " + podproc.ErrNone.Error(),
		"10.231.0.255  " + podproc.ErrNone.Error(),
		"10.231.0.0  " + podproc.ErrNone.Error(),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPodproc_FindsOneOf110Pods logs how long a scan takes. A full node has 110 pods.
func TestPodproc_FindsOneOf110Pods(t *testing.T) {
	kubepods := newKubepods(t)
	var addresses []string
	for i := range 110 {
		address := "10.231.1." + strconv.Itoa(i+1)
		startPod(t, kubepods, podUID(i), address+"/24")
		addresses = append(addresses, address)
	}
	for i, line := range findPods(t, addresses...) {
		if want := addresses[i] + " " + podUID(i) + " <nil>"; line != want {
			t.Errorf("got %q, want %q", line, want)
		}
	}
}
