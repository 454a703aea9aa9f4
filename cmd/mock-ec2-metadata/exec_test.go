package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

func TestApplyEnvironment(t *testing.T) {
	e := clientEnvironment{set: []variable{{"A", "new"}, {"B", "b=b"}}, unset: []string{"C", "D"}}
	got := e.apply([]string{"A=old", "AA=stays", "C=c", "A=older", "CC", "c=stays"})
	if diff := cmp.Diff([]string{"AA=stays", "CC", "c=stays", "A=new", "B=b=b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWithoutProxy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    []variable
	}{
		{"no proxy", []string{"no_proxy=a", "https_proxy=http://p"}, nil},
		{"an empty one", []string{"http_proxy="}, nil},
		{"nothing excepted", []string{"HTTP_PROXY=http://p"}, []variable{{"no_proxy", "::1"}, {"NO_PROXY", "::1"}}},
		{"one spelling", []string{"all_proxy=http://p", "NO_PROXY=a,b"}, []variable{{"no_proxy", "a,b,::1"}, {"NO_PROXY", "a,b,::1"}}},
		{"both", []string{"http_proxy=http://p", "NO_PROXY=A", "no_proxy=a"}, []variable{{"no_proxy", "a,::1"}, {"NO_PROXY", "A,::1"}}},
	} {
		if diff := cmp.Diff(tt.want, withoutProxy("http://[::1]:5000/", tt.environ), cmp.AllowUnexported(variable{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestQuotePOSIX has a shell read back what was quoted.
func TestQuotePOSIX(t *testing.T) {
	for _, text := range []string{"", "plain:/._-,@%", "a b", "it's", `"$HOME" \ $(x) ` + "`x`", "two\nlines", "#", "~", "*", "x;y&z|"} {
		quoted := quotePOSIX(text)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s. "+quoted).Output()
		if err != nil || string(out) != text+"." {
			t.Errorf("sh reads %s as %q, %v; want %q", quoted, out, err, text)
		}
	}
}

func TestShells(t *testing.T) {
	for _, tt := range []struct{ shell, value, want string }{
		{"posix", "it's", `export A='it'\''s'`},
		{"fish", `it's \n`, `set -gx A 'it\'s \\n'`},
		{"fish", "plain", "set -gx A plain"},
		{"powershell", "it's $x", "$Env:A = 'it''s $x'"},
		{"cmd", "a&b", `set "A=a&b"`},
	} {
		sh, err := shellNamed(tt.shell)
		if err != nil {
			t.Fatal(err)
		}
		if got := sh.set("A", tt.value); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.shell, got, tt.want)
		}
	}
}

// TestExecSignals sends them to the process alone, as a service manager does.
func TestExecSignals(t *testing.T) {
	isolate(t)
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		script string
		out    string
		code   int
	}{
		{"caught", syscall.SIGTERM, "trap 'echo TERM; exit 3' TERM", "TERM\n", 3},
		{"hang-up", syscall.SIGHUP, "trap 'echo HUP; exit 4' HUP", "HUP\n", 4},
		{"interrupt, without a terminal", syscall.SIGINT, "trap 'echo INT; exit 5' INT", "INT\n", 5},
		{"user's", syscall.SIGUSR1, "trap 'echo USR1; exit 6' USR1", "USR1\n", 6},
		{"deadly", syscall.SIGTERM, "", "", 128 + int(syscall.SIGTERM)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("mock-ec2-metadata", "exec", "--listen", closed(t), "--log-level", "error", "--",
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

// TestExecIgnored keeps a signal ignored that was, as nohup does.
func TestExecIgnored(t *testing.T) {
	isolate(t)
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec mock-ec2-metadata exec --listen `+closed(t)+
		` --log-level error -- sh -c 'kill -HUP $PPID; sleep 0.2; echo alive'`)
	if out, err := cmd.CombinedOutput(); string(out) != "alive\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// TestExecWaits has the command begin only when there are credentials.
func TestExecWaits(t *testing.T) {
	isolate(t)
	sts := stsfake.Start(t)
	sts.AddRole(roleARN)
	sts.Delay(1500 * time.Millisecond) // more than a request waits
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, ".aws/credentials", profile(sts.AddUser("developer")))
	write(t, "conf/config.yaml", realConfig)
	out, err := exec.Command("mock-ec2-metadata", "exec", "--listen", closed(t), "--", "sh", "-c",
		`get "${AWS_EC2_METADATA_SERVICE_ENDPOINT}latest/meta-data/iam/security-credentials/myrole"`).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"Code" : "Success"`) || sts.Calls("AssumeRole") != 1 {
		t.Errorf("%v, %d calls\n%s", err, sts.Calls("AssumeRole"), out)
	}
}

// TestExecWithoutCredentials runs the command all the same, as EC2 would, after saying what is wrong.
func TestExecWithoutCredentials(t *testing.T) {
	isolate(t)
	write(t, "conf/config.yaml", realConfig)
	var stderr strings.Builder
	cmd := exec.Command("mock-ec2-metadata", "exec", "--listen", closed(t), "echo", "done")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if string(out) != "done\n" || err != nil || !strings.Contains(stderr.String(), `level=WARN msg="cannot get credentials" error="profile \"default\" is in neither of `) {
		t.Errorf("%q, %v\n%s", out, err, &stderr)
	}
	d := start(t)
	d.status(t)
	stderr.Reset()
	cmd = exec.Command("mock-ec2-metadata", "exec", "--listen", host(d.url), "echo", "done")
	cmd.Stderr = &stderr
	out, err = cmd.Output()
	want := `mock-ec2-metadata: the daemon at ` + d.url + ` is degraded: profile "default" is in neither of `
	if string(out) != "done\n" || err != nil || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("%q, %v\n%s\nwant %s", out, err, &stderr, want)
	}
}
