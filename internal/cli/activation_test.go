package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// fileOf returns the descriptor of a socket, to pass to a child.
func fileOf(t *testing.T, socket any) *os.File {
	t.Helper()
	f, err := socket.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func bind(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// activated is the command, started as a service manager does.
type activated struct {
	cmd         *exec.Cmd
	log, stderr testutil.Buffer
}

// activate passes sockets to the command, from descriptor 3 on. pid is a shell's word for the process that they are meant for.
func activate(t *testing.T, pid string, sockets []*os.File, args ...string) *activated {
	t.Helper()
	a := &activated{cmd: exec.Command("sh", append([]string{"-c", "LISTEN_PID=" + pid + ` exec mock-ec2-metadata "$@"`, "sh"}, args...)...)}
	a.cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES=mock.socket")
	a.cmd.ExtraFiles = sockets
	a.cmd.Stdout, a.cmd.Stderr = &a.log, &a.stderr
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

// wait gives the process 20 seconds to end.
func (a *activated) wait() error {
	defer time.AfterFunc(20*time.Second, func() { _ = a.cmd.Process.Kill() }).Stop()
	return a.cmd.Wait()
}

func (a *activated) stop(t *testing.T) {
	t.Helper()
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	if err := a.wait(); err != nil || a.stderr.String() != "" {
		t.Errorf("the daemon ended with %v\n%s%s", err, &a.stderr, &a.log)
	}
}

// isDaemonAt tells whether the daemon answers at an address.
func isDaemonAt(address string) bool {
	resp, err := http.Get("http://" + address + "/latest/meta-data/instance-id")
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return string(body) == "i-0123456789abcdef0"
}

func TestActivation_SocketsReplaceServerListen(t *testing.T) {
	isolate(t)
	const used = `level=INFO msg="using the service manager's sockets" sockets=2 also_server_listen=`
	for _, tt := range []struct {
		name string
		pid  string // LISTEN_PID, as a shell's word
		flag bool   // --listen is given
		// Which of the addresses are served.
		sockets, listen, configuration bool
		log                            string
	}{
		{name: "in place of server.listen", pid: "$$", sockets: true, log: used + "false"},
		{name: "beside --listen", pid: "$$", flag: true, sockets: true, listen: true, log: used + "true"},
		{name: "meant for another process", pid: "1", configuration: true},
		{name: "meant for another process, with --listen", pid: "1", flag: true, listen: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b, listen, configuration := bind(t), bind(t), testutil.FreeAddr(t), testutil.FreeAddr(t)
			files := []*os.File{fileOf(t, a), fileOf(t, b)}
			t.Setenv("MOCK_EC2_METADATA__SERVER__LISTEN", configuration)
			var args []string
			if tt.flag {
				args = []string{"--listen", listen}
			}
			d := activate(t, tt.pid, files, args...)
			for _, l := range []io.Closer{a, b, files[0], files[1]} {
				_ = l.Close() // only the daemon has them now, if it uses them
			}
			want := map[string]bool{a.Addr().String(): tt.sockets, b.Addr().String(): tt.sockets, listen: tt.listen, configuration: tt.configuration}
			for address, served := range want {
				if served {
					testutil.Eventually(t, address+" answers", func() bool { return isDaemonAt(address) })
				}
			}
			for _, address := range []string{listen, configuration} {
				if !want[address] && isDaemonAt(address) {
					t.Errorf("%s answers", address)
				}
			}
			d.stop(t)
			log := d.log.String()
			for address, served := range want {
				if strings.Contains(log, "url=http://"+address+"/ ") != served {
					t.Errorf("the log does not agree that %s is served: %v", address, served)
				}
			}
			if !strings.Contains(log, tt.log) || strings.Contains(log, "the service manager's sockets") != (tt.log != "") {
				t.Errorf("logged\n%s\nwant %q", log, tt.log)
			}
		})
	}
}

// TestActivation_ChildrenDoNotSeeTheSockets has a credential_process print its environment and open files.
func TestActivation_ChildrenDoNotSeeTheSockets(t *testing.T) {
	dir := isolate(t)
	testutil.Write(t, ".aws/config", `[default]
credential_process = sh -c "cd '`+dir+`'; env >new; ls -l /proc/self/fd >>new; mv new seen; exit 1"
`)
	testutil.Write(t, "conf/config.yaml", "credentials: {source_profile: default}\n")
	d := activate(t, "$$", []*os.File{fileOf(t, bind(t))})
	var seen []byte
	testutil.Eventually(t, "the child has run", func() (ok bool) { seen, _ = os.ReadFile("seen"); return len(seen) > 0 })
	d.stop(t)
	if text := string(seen); !strings.Contains(text, "PATH=") || strings.Contains(text, "LISTEN_") || strings.Contains(text, "socket:") {
		t.Errorf("it sees\n%s", text)
	}
}

func TestActivation_UselessSocketsAreNamed(t *testing.T) {
	dir := isolate(t)
	testutil.Write(t, "file", "")
	file, err := os.Open("file")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	local, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	l := bind(t)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []io.Closer{file, udp, local, conn} {
		t.Cleanup(func() { _ = c.Close() })
	}
	for _, tt := range []struct {
		what    string
		sockets []*os.File
		want    string
	}{
		{"a file", []*os.File{file}, "mock.socket, which is no socket (socket operation on non-socket)"},
		{"the second is a file", []*os.File{fileOf(t, l), file}, "LISTEN_FD_4, which is no socket (socket operation on non-socket)"},
		{"UDP", []*os.File{fileOf(t, udp)}, "mock.socket, which is a socket that does not listen"},
		{"a connection", []*os.File{fileOf(t, conn)}, "mock.socket, which is a socket that does not listen"},
		{"Unix", []*os.File{fileOf(t, local)}, "mock.socket, which is a unix socket"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			want := "mock-ec2-metadata: the service manager has handed over " + tt.want +
				"; write the socket unit with ListenStream=ADDRESS:PORT and without Accept=yes\n"
			a := activate(t, "$$", tt.sockets)
			if err := a.wait(); err == nil || err.Error() != "exit status 1" || a.stderr.String() != want || a.log.String() != "" {
				t.Errorf("%v, %s\nwant %s%s", err, &a.stderr, want, &a.log)
			}
		})
	}
}
