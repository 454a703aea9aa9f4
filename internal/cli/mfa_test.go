package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// startMFA starts a daemon that waits for a code of the device, which is 123456.
func startMFA(t *testing.T) *running {
	t.Helper()
	sts, _ := startSTS(t)
	sts.SetMFA("developer", "123456")
	sts.AddRole(roleARN, stsfake.MFA())
	testutil.Write(t, "conf/config.yaml", realConfig+"  mfa_serial: "+mfaDevice+"\n")
	return start(t)
}

// run runs a command for this daemon.
func (d *running) run(t *testing.T, args ...string) ran {
	t.Helper()
	return run(t, append(args, "--listen", host(d.url))...)
}

func TestMFA_CommandSaysWhatSTSDoesWithTheCode(t *testing.T) {
	d := startMFA(t)
	const refused = "mock-ec2-metadata: STS refuses the code of the MFA device " + mfaDevice +
		" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: " +
		"mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)\n"
	for range 2 {
		if got := d.run(t, "mfa", "000000"); got != (ran{code: exitFailure, stderr: refused}) {
			t.Errorf("a wrong code: %+v\nwant %s", got, refused)
		}
	}
	got := d.run(t, "mfa", "123456")
	if got.code != 0 || !strings.HasPrefix(got.stdout, "credentials of arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0 until 2") || got.stderr != "" {
		t.Errorf("the right code: %+v", got)
	}
	if s := d.status(t); s.Status != api.StatusOK || s.Credentials.MFA != nil {
		t.Errorf("/status: %+v", s)
	}
	if got, want := d.run(t, "mfa", "123456"), "mock-ec2-metadata: no MFA code is wanted now\n"; got != (ran{code: exitFailure, stderr: want}) {
		t.Errorf("a code too many: %+v\nwant %s", got, want)
	}
	d.stop()
	if d.log.Contains(`123456"`) {
		t.Error("the code is in the log")
	}
}

func TestMFA_StatusAndLogNameTheSocket(t *testing.T) {
	d := startMFA(t)
	socket := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "mock-ec2-metadata", d.port()+".sock")
	if mfa := d.status(t).Credentials.MFA; mfa == nil || *mfa != (api.MFA{Serial: mfaDevice, Socket: socket}) {
		t.Errorf("/status: %+v", mfa)
	}
	d.wantLog(t, `"socket":"`+socket+`","hint":"mock-ec2-metadata mfa CODE"`)
}

// TestMFA_CodeArrivesAfterACleanup removes the socket's directory, as logind does at the last logout.
func TestMFA_CodeArrivesAfterACleanup(t *testing.T) {
	d := startMFA(t)
	if err := os.RemoveAll(filepath.Dir(d.status(t).Control.Socket)); err != nil {
		t.Fatal(err)
	}
	if got := d.run(t, "mfa", "123456"); !strings.HasPrefix(got.stdout, "credentials of ") {
		t.Errorf("%+v", got)
	}
}

// TestMFA_SocketRefusesCodesOfAnotherForm sends what the command does not.
func TestMFA_SocketRefusesCodesOfAnotherForm(t *testing.T) {
	d := startMFA(t)
	client := control.NewClient(d.status(t).Control.Socket)
	for _, code := range []string{"", "12345", "1234567", "12345a", strings.Repeat("1", 60<<10)} {
		if got, err := client.MFA(t.Context(), "", code); err == nil || err.Error() != "an MFA code has 6 digits" {
			t.Errorf("%.10q: %q, %v", code, got, err)
		}
	}
	if s := d.status(t); s.Credentials.State != api.StateMFA {
		t.Errorf("/status: %+v", s)
	}
}

// TestMFA_WithoutSocketSaysWhy has a runtime directory that cannot be made.
func TestMFA_WithoutSocketSaysWhy(t *testing.T) {
	startSTS(t)
	file := testutil.Write(t, filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "file"), "")
	t.Setenv("XDG_RUNTIME_DIR", file)
	testutil.Write(t, "conf/config.yaml", realConfig+"  mfa_serial: "+mfaDevice+"\n")
	d := start(t)
	want := "no control socket: mkdir " + file + ": not a directory; set server.control to a path that the daemon's user can write"
	s := d.status(t)
	if s.Credentials.MFA == nil || s.Credentials.MFA.Error != want || s.Control == nil || *s.Control != (api.Control{Error: want}) {
		t.Errorf("mfa %+v, control %+v\nwant %s", s.Credentials.MFA, s.Control, want)
	}
	d.wantLog(t, `"level":"INFO","msg":"running without a control socket","error":"`+want)
	if got, want := d.run(t, "mfa", "123456"), "mock-ec2-metadata: the daemon at "+d.url+": "+want+"\n"; got != (ran{code: exitFailure, stderr: want}) {
		t.Errorf("%+v\nwant %s", got, want)
	}
}

func TestMFA_WrongArgumentsAreWrongUsage(t *testing.T) {
	isolate(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "mfa takes one argument, the code: mock-ec2-metadata mfa 123456"},
		{[]string{"123456", "123456"}, "mfa takes one argument, the code: mock-ec2-metadata mfa 123456"},
		{[]string{"12345"}, "an MFA code has 6 digits"},
		{[]string{"12345a"}, "an MFA code has 6 digits"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			want := "mock-ec2-metadata: " + tt.want + "\nmock-ec2-metadata mfa --help shows the commands and flags.\n"
			if got := run(t, append([]string{"mfa"}, tt.args...)...); got != (ran{code: exitUsage, stderr: want}) {
				t.Errorf("%+v", got)
			}
		})
	}
}
