package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

// fileOf gives the descriptor of a socket, to hand over.
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

// activated is the command, started as the service manager does.
type activated struct {
	cmd         *exec.Cmd
	log, stderr strings.Builder
}

// activate hands over sockets, from descriptor 3 on. pid is a shell's word for the process that they are meant for.
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
	if err := a.wait(); err != nil || a.stderr.Len() > 0 {
		t.Errorf("the daemon ended with %v\n%s%s", err, &a.stderr, &a.log)
	}
}

// isDaemonAt says whether the daemon answers at an address.
func isDaemonAt(address string) bool {
	resp, err := http.Get("http://" + address + "/latest/meta-data/instance-id")
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return string(body) == "i-0123456789abcdef0"
}

func TestSocketActivation(t *testing.T) {
	isolate(t)
	const stand, beside = `level=INFO msg="the service manager's sockets take the place of server.listen" sockets=2`,
		`level=INFO msg="the service manager's sockets are served beside --listen" sockets=2`
	for _, tt := range []struct {
		name, pid                      string
		flag                           bool
		sockets, listen, configuration bool // which of the addresses are served
		log                            string
	}{
		{"in place of server.listen", "$$", false, true, false, false, stand},
		{"beside --listen", "$$", true, true, true, false, beside},
		{"meant for another process", "1", false, false, false, true, ""},
		{"meant for another process, with --listen", "1", true, false, true, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b, listen, configuration := bind(t), bind(t), closed(t), closed(t)
			files := []*os.File{fileOf(t, a), fileOf(t, b)}
			t.Setenv("MOCK_EC2_METADATA__SERVER__LISTEN", configuration)
			var args []string
			if tt.flag {
				args = []string{"--listen", listen}
			}
			d := activate(t, tt.pid, files, args...)
			for _, l := range []io.Closer{a, b, files[0], files[1]} {
				_ = l.Close() // the daemon has them alone, if it has taken them
			}
			want := map[string]bool{a.Addr().String(): tt.sockets, b.Addr().String(): tt.sockets, listen: tt.listen, configuration: tt.configuration}
			for address, served := range want {
				if served {
					eventually(t, address+" answers", func() bool { return isDaemonAt(address) })
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
					t.Errorf("the log does not say that %s is served: %v", address, served)
				}
			}
			if !strings.Contains(log, tt.log) || strings.Contains(log, "the service manager's sockets") != (tt.log != "") {
				t.Errorf("logged\n%s\nwant %q", log, tt.log)
			}
		})
	}
}

// TestActivationEnvironment shows what a child of the daemon's learns of the sockets: nothing.
func TestActivationEnvironment(t *testing.T) {
	dir := isolate(t)
	write(t, ".aws/config", `[default]
credential_process = sh -c "cd '`+dir+`'; env >new; ls -l /proc/self/fd >>new; mv new seen; exit 1"
`)
	write(t, "conf/config.yaml", "credentials: {source_profile: default}\n")
	d := activate(t, "$$", []*os.File{fileOf(t, bind(t))})
	var seen []byte
	eventually(t, "the child has run", func() (ok bool) { seen, _ = os.ReadFile("seen"); return len(seen) > 0 })
	d.stop(t)
	if text := string(seen); !strings.Contains(text, "PATH=") || strings.Contains(text, "LISTEN_") || strings.Contains(text, "socket:") {
		t.Errorf("it sees\n%s", text)
	}
}

func TestActivationErrors(t *testing.T) {
	dir := isolate(t)
	write(t, "file", "")
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
		want := "mock-ec2-metadata: the service manager has handed over " + tt.want +
			"; write the socket unit with ListenStream=ADDRESS:PORT and without Accept=yes\n"
		a := activate(t, "$$", tt.sockets)
		if err := a.wait(); err == nil || err.Error() != "exit status 1" || a.stderr.String() != want || a.log.Len() > 0 {
			t.Errorf("%s: %v, %s\nwant %s%s", tt.what, err, &a.stderr, want, &a.log)
		}
	}
}

// TestNotify plays the service manager that is told how the daemon is.
func TestNotify(t *testing.T) {
	dir := isolate(t)
	sts := stsfake.Start(t)
	sts.AddRole(roleARN)
	key := sts.AddUser("developer")
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, "conf/config.yaml", realConfig)
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	t.Setenv("NOTIFY_SOCKET", path)
	var said []string
	next := func() string {
		t.Helper()
		buf := make([]byte, 4096)
		_ = socket.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := socket.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, said)
		}
		text := string(buf[:n])
		text = regexp.MustCompile(`USEC=[1-9]\d+$`).ReplaceAllString(text, "USEC=n")
		text = regexp.MustCompile(`until 2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(text, "until TIME")
		said = append(said, text)
		return text
	}
	// Statuses come at their own pace between the others.
	expect := func(want ...string) {
		t.Helper()
		for _, w := range want {
			got := next()
			for strings.HasPrefix(got, "STATUS=") && got != w {
				got = next()
			}
			if diff := cmp.Diff(w, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
	const serves = "STATUS=serves i-0123456789abcdef0 with role myrole, credentials "

	d := start(t)
	if first := next(); !strings.HasPrefix(first, "READY=1\n"+serves) {
		t.Errorf("first it said %s", first)
	}
	write(t, ".aws/credentials", profile(key))
	expect(serves + "valid until TIME")

	write(t, "conf/config.yaml", "ec2: {hostname: not one}\n")
	expect("RELOADING=1\nMONOTONIC_USEC=n", "READY=1",
		serves+`valid until TIME; conf/config.yaml:1: ec2.hostname: "not one" holds a space or a control character`)
	write(t, "conf/config.yaml", "credentials: {mock: true, iam_role: '"+roleARN+"'}\n")
	expect("RELOADING=1\nMONOTONIC_USEC=n", "READY=1", serves+"valid until TIME")
	write(t, "conf/config.yaml", "ec2: {hostname: a}\n")
	expect("RELOADING=1\nMONOTONIC_USEC=n", "READY=1", "STATUS=serves i-0123456789abcdef0 without a role")
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	expect("STOPPING=1")
}

// TestNotifyNobody has a NOTIFY_SOCKET that nobody reads: the log says so, and the daemon serves.
func TestNotifyNobody(t *testing.T) {
	dir := isolate(t)
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "none"))
	d := start(t)
	if s := d.status(t); s.Status != "ok" {
		t.Errorf("status %+v", s)
	}
	const want = `"level":"WARN","msg":"the service manager cannot be told how the daemon is","error":"dial unixgram `
	eventually(t, "the log says so", func() bool { return strings.Contains(d.logged(), want) })
}
