package cli

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// TestExec_SignalsReachTheCommand sends them to the process alone, as a service manager does.
func TestExec_SignalsReachTheCommand(t *testing.T) {
	isolate(t)
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		script string
		out    string
		code   int
	}{
		{name: "caught", signal: syscall.SIGTERM, script: "trap 'echo TERM; exit 3' TERM", out: "TERM\n", code: 3},
		{name: "hang-up", signal: syscall.SIGHUP, script: "trap 'echo HUP; exit 4' HUP", out: "HUP\n", code: 4},
		{name: "interrupt, without a terminal", signal: syscall.SIGINT, script: "trap 'echo INT; exit 5' INT", out: "INT\n", code: 5},
		{name: "user's", signal: syscall.SIGUSR1, script: "trap 'echo USR1; exit 6' USR1", out: "USR1\n", code: 6},
		{name: "deadly", signal: syscall.SIGTERM, code: 128 + int(syscall.SIGTERM)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("mock-ec2-metadata", "exec", "--listen", testutil.FreeAddr(t), "--log-level", "error", "--",
				"sh", "-c", tt.script+"\necho ready; while :; do sleep 0.05; done")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
			cmd.Stderr = os.Stderr
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer time.AfterFunc(20*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }).Stop()
			out := bufio.NewReader(pipe)
			if line, err := out.ReadString('\n'); line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			var rest strings.Builder
			_, _ = out.WriteTo(&rest)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || rest.String() != tt.out {
				t.Errorf("exit %d, %q; want %d, %q", code, rest.String(), tt.code, tt.out)
			}
		})
	}
}

// TestExec_IgnoredSignalsStayIgnored starts exec as nohup does.
func TestExec_IgnoredSignalsStayIgnored(t *testing.T) {
	isolate(t)
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec mock-ec2-metadata exec --listen `+testutil.FreeAddr(t)+
		` --log-level error -- sh -c 'kill -HUP $PPID; sleep 0.2; echo alive'`)
	if out, err := cmd.CombinedOutput(); string(out) != "alive\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// TestExec_CommandStartsWithCredentials has an STS that takes longer than a request waits.
func TestExec_CommandStartsWithCredentials(t *testing.T) {
	sts, _ := startSTS(t)
	sts.AddRole(roleARN)
	sts.Delay(1500 * time.Millisecond)
	testutil.Write(t, "conf/config.yaml", realConfig)
	out, err := exec.Command("mock-ec2-metadata", "exec", "--listen", testutil.FreeAddr(t), "--", "sh", "-c",
		`get "${AWS_EC2_METADATA_SERVICE_ENDPOINT}latest/meta-data/iam/security-credentials/myrole"`).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"Code" : "Success"`) || sts.Calls("AssumeRole") != 1 {
		t.Errorf("%v, %d calls\n%s", err, sts.Calls("AssumeRole"), out)
	}
}

// TestExec_CommandRunsWithoutCredentials runs it as EC2 would, after a warning.
func TestExec_CommandRunsWithoutCredentials(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", realConfig)
	for _, tt := range []struct {
		name   string
		listen func(t *testing.T) string
		want   string // in stderr; {URL} stands for the daemon's
	}{
		{
			name: "of its own daemon", listen: func(t *testing.T) string { return testutil.FreeAddr(t) },
			want: `level=WARN msg="cannot get credentials" error="profile \"default\" is in neither of `,
		},
		{
			name: "of a running daemon",
			listen: func(t *testing.T) string {
				d := start(t)
				d.status(t) // the first call has failed
				return host(d.url)
			},
			want: `mock-ec2-metadata: the daemon at {URL} is degraded: profile "default" is in neither of `,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listen := tt.listen(t)
			var stderr strings.Builder
			cmd := exec.Command("mock-ec2-metadata", "exec", "--listen", listen, "echo", "done")
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			want := strings.ReplaceAll(tt.want, "{URL}", "http://"+listen+"/")
			if string(out) != "done\n" || err != nil || !strings.Contains(stderr.String(), want) {
				t.Errorf("%q, %v\n%s\nwant %s", out, err, &stderr, want)
			}
		})
	}
}

// TestExec_LeavesNoSocket looks for the control socket of the command's daemon while it runs, and after it.
func TestExec_LeavesNoSocket(t *testing.T) {
	isolate(t)
	cmd := exec.Command("mock-ec2-metadata", "exec", "--listen", testutil.FreeAddr(t), "--log-level", "error", "--",
		"sh", "-c", `ls "$XDG_RUNTIME_DIR/mock-ec2-metadata"`)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), ".sock\n") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("meanwhile: %q, %v", out, err)
	}
	if entries, err := os.ReadDir(os.Getenv("XDG_RUNTIME_DIR")); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestExec_LeavesTheConfiguredSocketToTheDaemon has a daemon of another role, which has the socket of server.control.
func TestExec_LeavesTheConfiguredSocketToTheDaemon(t *testing.T) {
	isolate(t)
	socket := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "own.sock")
	testutil.Write(t, "conf/config.yaml", mockConfig+"server: {control: "+socket+"}\n")
	d := start(t)
	got := run(t, "exec", "--listen", host(d.url), "--set", "credentials.iam_role=arn:aws:iam::123456789012:role/other", "--log-level", "error",
		"--", "sh", "-c", `test -e `+socket+` && ls "$XDG_RUNTIME_DIR/mock-ec2-metadata"`)
	if got.code != 0 || !strings.HasSuffix(got.stdout, ".sock\n") || !strings.Contains(got.stderr, "another one is started for this command") {
		t.Errorf("%+v", got)
	}
	if got := run(t, "status", "--control", socket); got.code != 0 {
		t.Errorf("the daemon has lost its socket: %+v", got)
	}
}

// TestExec_LeavesNoToken looks for the token of a pod while the command runs, and after it.
func TestExec_LeavesNoToken(t *testing.T) {
	isolate(t)
	t.Setenv("TMPDIR", t.TempDir())
	testutil.Write(t, "conf/config.yaml", mockConfig+"aws: {region: eu-west-1}\nroles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}\n"+
		"pod_identity: {associations: [{namespace: shop, service_account: web, role: web}]}\n")
	got := run(t, "exec", "--pod-identity", "--log-level", "error", "--", "sh", "-c", `stat -c %a "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"`)
	if got.code != 0 || got.stdout != "600\n" {
		t.Errorf("meanwhile: %+v", got)
	}
	if entries, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestExec_CommandControlsItsDaemon has a variable that names another socket.
func TestExec_CommandControlsItsDaemon(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	running := start(t)
	socket := running.status(t).Control.Socket
	off := start(t, "--set", "server.control=off")
	dir := os.Getenv("XDG_RUNTIME_DIR")
	t.Setenv("XDG_RUNTIME_DIR", testutil.Write(t, filepath.Join(dir, "file"), ""))
	failed := start(t)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("MOCK_EC2_METADATA_CONTROL", "/none.sock")
	const print = `echo "${MOCK_EC2_METADATA_CONTROL-none}"`
	for _, tt := range []struct {
		name string
		args []string
		want func(socket string) bool
	}{
		{"a running daemon", []string{"--listen", host(running.url)}, func(got string) bool { return got == socket }},
		{"a running daemon without a socket", []string{"--listen", host(off.url), "--set", "server.control=off"}, func(got string) bool { return got == "none" }},
		{"a running daemon whose socket could not be made", []string{"--listen", host(failed.url)}, func(got string) bool { return got == "none" }},
		{"its own daemon", []string{"--listen", testutil.FreeAddr(t)}, func(got string) bool {
			return filepath.Dir(got) == filepath.Dir(socket) && strings.HasSuffix(got, ".sock") && got != socket
		}},
		{"its own daemon without a socket", []string{"--listen", testutil.FreeAddr(t), "--set", "server.control=off"}, func(got string) bool { return got == "none" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, slices.Concat([]string{"exec", "--log-level", "error"}, tt.args, []string{"--", "sh", "-c", print})...)
			if got.code != 0 || !tt.want(strings.TrimSpace(got.stdout)) {
				t.Errorf("%+v", got)
			}
		})
	}
	// The commands in it find the daemon.
	got := run(t, "exec", "--listen", testutil.FreeAddr(t), "--log-level", "error", "--set", "ec2.instance_id=i-00000000000000007", "--",
		"mock-ec2-metadata", "status")
	if got.code != 0 || !strings.Contains(got.stdout, `"instance_id": "i-00000000000000007"`) {
		t.Errorf("%+v", got)
	}
}
