//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// ownInterface is what --link-local makes.
const ownInterface = "mock-imds"

// newNetwork makes a machine, a virtual machine behind a link of its own, and a pod behind the bridge cni0. Their default
// gateway is the machine. The machine has a way to the Internet that leads nowhere.
func newNetwork(t *testing.T) (machine, vm, pod netns) {
	t.Helper()
	needTools(t)
	machine, vm, pod = newNamespace(t, "machine"), newNamespace(t, "vm"), newNamespace(t, "pod")
	m := string(machine)
	mustIP(t, "-n", m, "link", "add", "vnet0", "type", "veth", "peer", "name", "eth0", "netns", string(vm))
	mustIP(t, "-n", m, "link", "add", "cni0", "type", "bridge")
	mustIP(t, "-n", m, "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", string(pod))
	mustIP(t, "-n", m, "link", "set", "veth0", "master", "cni0", "up")
	for i, name := range map[int]string{1: "vnet0", 2: "cni0"} {
		mustIP(t, "-n", m, "address", "add", fmt.Sprintf("10.244.%d.1/24", i), "dev", name)
		mustIP(t, "-n", m, "address", "add", fmt.Sprintf("2001:db8:%d::1/64", i), "dev", name, "nodad")
		mustIP(t, "-n", m, "link", "set", name, "up")
	}
	for i, guest := range map[int]netns{1: vm, 2: pod} {
		mustIP(t, "-n", string(guest), "address", "add", fmt.Sprintf("10.244.%d.2/24", i), "dev", "eth0")
		mustIP(t, "-n", string(guest), "address", "add", fmt.Sprintf("2001:db8:%d::2/64", i), "dev", "eth0", "nodad")
		mustIP(t, "-n", string(guest), "link", "set", "eth0", "up")
		guest.route(t, "default", "via", fmt.Sprintf("10.244.%d.1", i))
		guest.route(t, "default", "via", fmt.Sprintf("2001:db8:%d::1", i))
	}
	machine.route(t, "blackhole", "default")
	return machine, vm, pod
}

// wantRun compares all that a command has said, and its exit code.
func wantRun(t *testing.T, got result, code int, stdout, stderr string) {
	t.Helper()
	if diff := cmp.Diff(result{stdout, stderr, code}, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// state is the interfaces and the addresses of a namespace.
func (n netns) state(t *testing.T) string {
	t.Helper()
	return n.output(t, nil, "sh", "-c", "ip -o link show | cut -d: -f2; ip -o address show | cut -c-60 | grep -v ' fe80:'")
}

// want waits for a state, which may take the helper a moment.
func (n netns) want(t *testing.T, when, state string) {
	t.Helper()
	got := n.state(t)
	for deadline := time.Now().Add(10 * time.Second); got != state && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = n.state(t)
	}
	if diff := cmp.Diff(state, got); diff != "" {
		t.Errorf("interfaces and addresses %s (-want +got):\n%s", when, diff)
	}
}

// rules is all that both kinds of iptables have.
func (n netns) rules(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, kind := range []string{"nft", "legacy"} {
		all.WriteString(changing.ReplaceAllString(n.output(t, nil, "iptables-"+kind+"-save"), ""))
	}
	return all.String()
}

// wantOneOfEach wants the service's addresses once each, on the interface of their own, and no other there.
func (n netns) wantOneOfEach(t *testing.T) {
	t.Helper()
	var got []string
	for line := range strings.Lines(n.output(t, nil, "ip", "-o", "address", "show")) {
		if fields := strings.Fields(line); fields[1] == ownInterface || strings.HasPrefix(fields[3], serviceIPv4) || strings.HasPrefix(fields[3], serviceIPv6) {
			got = append(got, fields[1]+" "+fields[3])
		}
	}
	if want := []string{"mock-imds 169.254.169.254/32", "mock-imds fd00:ec2::254/128"}; !slices.Equal(got, want) {
		t.Errorf("the service's addresses are %q, want %q", got, want)
	}
}

// listen makes a listener of this process that is in the namespace.
func (n netns) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		made <- func() error {
			ns, err := os.Open("/run/netns/" + string(n))
			if err != nil {
				return err
			}
			defer func() { _ = ns.Close() }()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			l, err = net.Listen("tcp", address)
			return err
		}()
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	return l
}

// serveAs answers 404 under a name, and gives session tokens as EC2 does.
func serveAs(t *testing.T, l net.Listener, name string) {
	t.Helper()
	const ttl = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", name)
		if r.Method == http.MethodPut {
			w.Header().Set(ttl, r.Header.Get(ttl))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
}

// daemonProcess is a daemon that a test ends in its own way.
type daemonProcess struct {
	n     netns
	cmd   *exec.Cmd
	log   string // its file
	ended chan error
}

// startLinkLocal starts a daemon with --link-local.
func (n netns) startLinkLocal(t *testing.T, home string) *daemonProcess {
	t.Helper()
	return n.startIn(t, home, buildDaemon(t), "serve", "--link-local")
}

// startIn starts a daemon in a directory, its home.
func (n netns) startIn(t *testing.T, home string, args ...string) *daemonProcess {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := n.command(t, []string{"HOME=" + home, "AWS_SECRET_ACCESS_KEY=not for everybody"}, args...)
	cmd.Dir = home
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{log} // as a service manager gives sockets
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemonProcess{n, cmd, log.Name(), make(chan error, 1)}
	go func() { d.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // unless it has ended
		if t.Failed() {
			t.Logf("a daemon's log:\n%s", d.said())
		}
	})
	return d
}

// serveLinkLocal starts one and waits until it serves.
func (n netns) serveLinkLocal(t *testing.T, home string) *daemonProcess {
	t.Helper()
	d := n.startLinkLocal(t, home)
	d.serving(t)
	return d
}

// serving waits until this daemon, not one before it, serves.
func (d *daemonProcess) serving(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(d.said(), "msg=serving"); time.Sleep(10 * time.Millisecond) {
		if len(d.ended) > 0 || time.Now().After(deadline) {
			t.Fatalf("the daemon does not serve:\n%s", d.said())
		}
	}
	d.n.get(t, "/latest/meta-data/instance-id")
}

func (d *daemonProcess) said() string {
	log, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// kill kills the daemon, and does not wait for anything else.
func (d *daemonProcess) kill(t *testing.T) {
	t.Helper()
	signalAll(t, syscall.SIGKILL, d.cmd.Process.Pid)
	if err := <-d.ended; err == nil {
		t.Error("killed, the daemon has ended well")
	}
}

func (d *daemonProcess) stop(t *testing.T) {
	t.Helper()
	signalAll(t, syscall.SIGTERM, d.cmd.Process.Pid)
	d.ends(t)
}

// ends wants the daemon to end well.
func (d *daemonProcess) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-d.ended:
		if err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the daemon has not ended within 10 s")
	}
}

func signalAll(t *testing.T, sig syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
}

// processes are those in the namespace.
func (n netns) processes(t *testing.T) []int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", "netns", "pids", string(n)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for field := range bytes.FieldsSeq(out) {
		pid, err := strconv.Atoi(string(field))
		if err != nil {
			t.Fatal(err)
		}
		if pid != os.Getpid() { // whose first thread may have been in there for listen
			pids = append(pids, pid)
		}
	}
	return pids
}

// wantProcesses waits until there are as many.
func (n netns) wantProcesses(t *testing.T, count int) {
	t.Helper()
	pids := n.processes(t)
	for deadline := time.Now().Add(10 * time.Second); len(pids) != count && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		pids = n.processes(t)
	}
	if len(pids) != count {
		t.Fatalf("%d processes %v in the namespace, want %d", len(pids), pids, count)
	}
}

// helper is the process beside the daemon.
func (n netns) helper(t *testing.T, d *daemonProcess) int {
	t.Helper()
	n.wantProcesses(t, 2)
	pids := slices.DeleteFunc(n.processes(t), func(pid int) bool { return pid == d.cmd.Process.Pid })
	if len(pids) != 1 {
		t.Fatalf("processes %v beside the daemon", pids)
	}
	return pids[0]
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, mode); err != nil {
		t.Fatal(err)
	}
}
