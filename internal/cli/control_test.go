package cli

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// port is the one that the daemon listens on.
func (d *running) port() string { return d.url[strings.LastIndexByte(d.url, ':')+1 : len(d.url)-1] }

// controlCommands are those that use the control socket.
func controlCommands() [][]string {
	return [][]string{{"status"}, {"reload"}, {"mfa", "123456"}, {"event", "list"}, {"requests"}, {"console"}, {"console", "--open"}, {"console", "--revoke"}, {"console", "--reset"}}
}

// TestControl_FindsTheDaemon has each way to name it. Others run, unless it is the only one.
func TestControl_FindsTheDaemon(t *testing.T) {
	for _, tt := range []struct {
		name    string
		args    func(d *running, socket string) []string
		environ func(d *running, socket string) string
		only    bool
	}{
		{name: "--control", args: func(_ *running, socket string) []string { return []string{"--control", socket} }},
		{name: "variable", environ: func(_ *running, socket string) string { return "MOCK_EC2_METADATA_CONTROL=" + socket }},
		{name: "--listen", args: func(d *running, _ string) []string { return []string{"--listen", host(d.url)} }},
		{
			name:    "--control before the variable",
			args:    func(_ *running, socket string) []string { return []string{"--control", socket} },
			environ: func(*running, string) string { return "MOCK_EC2_METADATA_CONTROL=/none" },
		},
		{
			name:    "variable before --listen",
			args:    func(*running, string) []string { return []string{"--listen", "127.0.0.1:9"} },
			environ: func(_ *running, socket string) string { return "MOCK_EC2_METADATA_CONTROL=" + socket },
		},
		{name: "the only one", only: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			testutil.Write(t, "conf/config.yaml", mockConfig+"ec2: {instance_id: i-00000000000000001}\n")
			d := start(t)
			socket := d.status(t).Control.Socket
			if tt.only {
				alone(t)
			} else {
				start(t, "--set", "ec2.instance_id=i-00000000000000002")
			}
			environ := os.Environ()
			if tt.environ != nil {
				environ = append(environ, tt.environ(d, socket))
			}
			command := func(args ...string) ran {
				t.Helper()
				if tt.args != nil {
					args = append(args, tt.args(d, socket)...)
				}
				var stdout, stderr testutil.Buffer
				code := Run(t.Context(), commandLine(environ, &stdout, &stderr, args...))
				return ran{code, stdout.String(), stderr.String()}
			}
			got := command("status")
			var s api.Status
			if err := json.Unmarshal([]byte(got.stdout), &s); err != nil || got.code != 0 || s.InstanceID != "i-00000000000000001" {
				t.Errorf("status: %+v, %v", got, err)
			}
			if got := command("reload"); got != (ran{stdout: "reloaded conf/config.yaml\n"}) {
				t.Errorf("reload: %+v", got)
			}
			d.wantLog(t, `"msg":"configuration reloaded","why":"the reload command"`)
			const noCode = "mock-ec2-metadata: no MFA code is wanted now\n"
			if got := command("mfa", "123456"); got != (ran{code: exitFailure, stderr: noCode}) {
				t.Errorf("mfa: %+v", got)
			}
		})
	}
}

// TestControl_SeveralDaemonsAreListed expects one to be named.
func TestControl_SeveralDaemonsAreListed(t *testing.T) {
	isolate(t)
	alone(t)
	one, two := start(t), start(t)
	first, second := one.status(t).Control.Socket, two.status(t).Control.Socket
	if second < first {
		first, second = second, first
	}
	want := "mock-ec2-metadata: several daemons run; name one with --control:\n  " + first + "\n  " + second + "\n"
	for _, args := range controlCommands() {
		if got := run(t, args...); got != (ran{code: exitNoDaemon, stderr: want}) {
			t.Errorf("%s: %+v\nwant %s", args[0], got, want)
		}
	}
}

func TestControl_WithoutADaemonExits3(t *testing.T) {
	home := isolate(t)
	runtimeDir := os.Getenv("XDG_RUNTIME_DIR")
	t.Setenv("TMPDIR", home)
	dead := filepath.Join(runtimeDir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	nothing := testutil.FreeAddr(t)
	for _, tt := range []struct {
		name  string
		args  []string
		want  string
		alone bool
	}{
		{
			name: "no socket", args: []string{"--control", "/none/5000.sock"},
			want: "/none/5000.sock does not exist; run this where the daemon runs (docker exec mock-ec2-metadata /mock-ec2-metadata ...)",
		},
		{
			name: "socket of a killed daemon", args: []string{"--control", dead},
			want: "nothing answers at " + dead + ": dial unix " + dead + ": connect: connection refused",
		},
		{
			name: "nothing at --listen", args: []string{"--listen", nothing},
			want: "nothing answers at http://" + nothing + "/status: dial tcp " + nothing + ": connect: connection refused; start the daemon, or name its socket with --control",
		},
		{
			name: "none", alone: true,
			want: "no running daemon was found in " + runtimeDir + "/mock-ec2-metadata or /run/user/" + strconv.Itoa(os.Geteuid()) + "/mock-ec2-metadata or /run/mock-ec2-metadata or " + home + "/mock-ec2-metadata-" + strconv.Itoa(os.Geteuid()) +
				"; start it (mock-ec2-metadata serve), or name its socket with --control or its address with --listen",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.alone {
				alone(t)
			}
			want := "mock-ec2-metadata: " + tt.want + "\n"
			for _, args := range controlCommands() {
				if got := run(t, append(args, tt.args...)...); got != (ran{code: exitNoDaemon, stderr: want}) {
					t.Errorf("%s: %+v\nwant %s", args[0], got, want)
				}
			}
		})
	}
}

func TestControl_OffHasNoSocket(t *testing.T) {
	isolate(t)
	alone(t)
	d := start(t, "--set", "server.control=off")
	if s := d.status(t); s.Control != nil {
		t.Errorf("/status: %+v", s.Control)
	}
	if entries, err := os.ReadDir(os.Getenv("XDG_RUNTIME_DIR")); err != nil || len(entries) > 0 {
		t.Errorf("made: %v, %v", entries, err)
	}
	want := "mock-ec2-metadata: the daemon at " + d.url + " has no control socket (server.control: off), or does not tell this machine\n"
	for _, args := range controlCommands() {
		if got := d.run(t, args...); got != (ran{code: exitFailure, stderr: want}) {
			t.Errorf("%s --listen: %+v\nwant %s", args[0], got, want)
		}
		if got := run(t, args...); got.code != exitNoDaemon || !strings.HasPrefix(got.stderr, "mock-ec2-metadata: no running daemon was found in ") {
			t.Errorf("%s: %+v", args[0], got)
		}
	}
}

func TestControl_PathOfTheConfigurationIsUsed(t *testing.T) {
	isolate(t)
	socket := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "own.sock")
	d := start(t, "--set", "server.control="+socket)
	if s := d.status(t); s.Control == nil || s.Control.Socket != socket {
		t.Errorf("/status: %+v", s.Control)
	}
	if got := run(t, "status", "--control", socket); got.code != 0 {
		t.Errorf("%+v", got)
	}
	got := run(t, "serve", "--listen", "127.0.0.1:0", "--set", "server.control="+socket)
	want := "mock-ec2-metadata: the control socket " + socket + " is in use by another mock-ec2-metadata; stop that, or set server.control to another path or off\n"
	if got.code != exitFailure || got.stderr != want {
		t.Errorf("a second daemon: %+v\nwant %s", got, want)
	}
	d.stop()
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestReload_CommandPrintsEachProblem(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	d := start(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+"log:\n  color: blue\n  access: perhaps\n")
	const want = "mock-ec2-metadata: \n" +
		`conf/config.yaml:3: log.color: unknown key; allowed in log: level, format, access` + "\n" +
		`conf/config.yaml:4: log.access: "perhaps" is neither true nor false` + "\n"
	if got := d.run(t, "reload"); got != (ran{code: exitFailure, stderr: want}) {
		t.Errorf("%+v\nwant %s", got, want)
	}
	if s := d.status(t); s.Status != api.StatusDegraded || s.Role != "myrole" {
		t.Errorf("/status: %+v", s)
	}
}

func TestReload_CommandPrintsWarningsAndRestarts(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	d := start(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+"ec2: {instance_type: odd}\nserver: {user: root, control: 'off'}\n")
	const want = "reloaded conf/config.yaml\n" +
		`warning: conf/config.yaml:2: ec2.instance_type: "odd" is not an instance type as EC2 names them, e.g. t3.nano` + "\n" +
		"server.user takes effect after a restart\nserver.control takes effect after a restart\n"
	if got := d.run(t, "reload"); got != (ran{stdout: want}) {
		t.Errorf("%+v\nwant %s", got, want)
	}
	// The daemon keeps the socket that it has.
	if got := run(t, "status", "--control", d.status(t).Control.Socket); got.code != 0 {
		t.Errorf("status: %+v", got)
	}
}
