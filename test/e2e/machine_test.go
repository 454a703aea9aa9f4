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

	"mock-ec2-metadata/internal/testutil"
)

// ownInterface is the interface that --link-local makes.
const ownInterface = "mock-imds"

// newNetwork makes a machine, a virtual machine behind a veth pair, and a pod behind the bridge cni0. The machine is their default
// gateway, and its own default route leads nowhere.
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

// wantRun compares the exit code of a command and all that it printed.
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

// want waits for a state: the helper may change it after the daemon's end.
func (n netns) want(t *testing.T, when, state string) {
	t.Helper()
	var got string
	defer func() {
		if diff := cmp.Diff(state, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}()
	testutil.Eventually(t, "interfaces and addresses "+when, func() bool { got = n.state(t); return got == state })
}

// rules is the output of iptables-save of both kinds.
func (n netns) rules(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, kind := range []string{"nft", "legacy"} {
		all.WriteString(changing.ReplaceAllString(n.output(t, nil, "iptables-"+kind+"-save"), ""))
	}
	return all.String()
}

// wantOneOfEach checks that the service's addresses are on their interface, once each, and no other address with them.
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

// listen makes a listener of this process in the namespace.
func (n netns) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // without Unlock: the thread ends with the goroutine
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

// serveAs answers 404 with name as the Server header, and issues session tokens as EC2 does.
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

// daemonProcess is a daemon in a namespace that the test itself ends.
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
	cmd := n.command(t, []string{"HOME=" + home, "AWS_SECRET_ACCESS_KEY=a secret"}, args...)
	cmd.Dir = home
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{log} // a file that the helper must not inherit
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemonProcess{n, cmd, log.Name(), make(chan error, 1)}
	go func() { d.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // unless it has ended
		if t.Failed() {
			t.Logf("a daemon's log:\n%s", d.logged())
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

// serving waits until this daemon serves, not an earlier one.
func (d *daemonProcess) serving(t *testing.T) {
	t.Helper()
	testutil.Eventually(t, "the daemon serves", func() bool {
		if len(d.ended) > 0 {
			t.Fatal("the daemon has ended")
		}
		return strings.Contains(d.logged(), "msg=serving")
	})
	d.n.get(t, "/latest/meta-data/instance-id")
}

// logged returns the log so far.
func (d *daemonProcess) logged() string {
	log, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// kill kills the daemon and waits for its end, but not for the helper's.
func (d *daemonProcess) kill(t *testing.T) {
	t.Helper()
	signalAll(t, syscall.SIGKILL, d.cmd.Process.Pid)
	if err := <-d.ended; err == nil {
		t.Error("the killed daemon ended with success")
	}
}

func (d *daemonProcess) stop(t *testing.T) {
	t.Helper()
	signalAll(t, syscall.SIGTERM, d.cmd.Process.Pid)
	d.ends(t)
}

// ends waits for the daemon's end, which must be a success.
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

// processes are the processes in the namespace.
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
		if pid != os.Getpid() { // a thread of this process may have entered for listen
			pids = append(pids, pid)
		}
	}
	return pids
}

// wantProcesses waits until count processes are in the namespace.
func (n netns) wantProcesses(t *testing.T, count int) {
	t.Helper()
	testutil.Eventually(t, fmt.Sprintf("%d processes in the namespace", count), func() bool { return len(n.processes(t)) == count })
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
