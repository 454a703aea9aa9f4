package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

const mfaDevice = "arn:aws:iam::123456789012:mfa/developer"

// mfaDaemon waits for a code of the device, which is 123456.
func mfaDaemon(t *testing.T) (*running, *stsfake.Server) {
	t.Helper()
	home := isolate(t)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
	if err := os.Mkdir(filepath.Join(home, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, filepath.Join(home, ".aws/credentials"), profile(sts.AddUser("developer")))
	sts.SetMFA("developer", "123456")
	sts.AddRole(roleARN, stsfake.MFA())
	write(t, "conf/config.yaml", realConfig+"  mfa_serial: "+mfaDevice+"\n")
	return start(t), sts
}

// command runs a command for the daemon, and returns its output and error as one text.
func (d *running) command(t *testing.T, args ...string) string {
	t.Helper()
	var out strings.Builder
	address := strings.TrimSuffix(strings.TrimPrefix(d.url, "http://"), "/")
	err := run(t.Context(), append(args, "--listen", address), os.Environ(), &out, io.Discard)
	if err != nil {
		return out.String() + "error: " + err.Error()
	}
	return out.String()
}

func TestMFA(t *testing.T) {
	d, sts := mfaDaemon(t)
	s := d.status(t)
	if s.Status != "degraded" || s.Credentials.State != "waiting for MFA" || s.Credentials.MFA == nil || s.Credentials.MFA.Serial != mfaDevice {
		t.Fatalf("/status: %+v", s)
	}
	socket := s.Credentials.MFA.Socket
	for path, want := range map[string]os.FileMode{socket: os.ModeSocket | 0o600, filepath.Dir(socket): os.ModeDir | 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
	if want := `"msg":"waiting for MFA","error":"waiting for MFA: profile \"default\" needs a code of the device ` + mfaDevice; !strings.Contains(d.logged(), want) || !strings.Contains(d.logged(), `"socket":"`+socket+`"`) {
		t.Errorf("the log does not say %s\n%s", want, d.logged())
	}
	code, body := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "AssumeRoleUnauthorizedAccess"`) || !strings.Contains(body, "run: mock-ec2-metadata mfa CODE") {
		t.Errorf("a client sees %d %s", code, body)
	}

	const refused = "error: STS refuses the code of the MFA device " + mfaDevice +
		" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: " +
		"mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)"
	for range 2 {
		if got := d.command(t, "mfa", "000000"); got != refused {
			t.Errorf("a wrong code: %s\nwant %s", got, refused)
		}
	}
	if got := d.command(t, "mfa", "123456"); !strings.HasPrefix(got, "credentials of arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0 until ") {
		t.Errorf("the right code: %s", got)
	}
	if s := d.status(t); s.Status != "ok" || s.Credentials.MFA != nil {
		t.Errorf("/status: %+v", s)
	}
	if got, want := d.command(t, "mfa", "123456"), "error: the daemon at "+d.url+"status waits for no MFA code; its credentials are valid"; got != want {
		t.Errorf("a code too many: %s\nwant %s", got, want)
	}

	// A reload keeps the session that the code has opened.
	calls := sts.Calls("AssumeRole")
	write(t, "conf/config.yaml", realConfig+"  mfa_serial: "+mfaDevice+"\n  session_name: another\n")
	eventually(t, "another session without another code", func() bool { return sts.Calls("AssumeRole") > calls && d.status(t).Status == "ok" })

	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(filepath.Dir(socket))); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if strings.Contains(d.logged(), "123456\"") {
		t.Error("the code is in the log")
	}
}

// TestMFASocket writes to the socket what the command never would.
func TestMFASocket(t *testing.T) {
	d, _ := mfaDaemon(t)
	socket := d.status(t).Credentials.MFA.Socket
	for code, want := range map[string]string{"": "an MFA code has 6 digits", "1234567": "an MFA code has 6 digits", strings.Repeat("1", 1<<20): "an MFA code has 6 digits"} {
		if _, err := postCode(t.Context(), socket, code); err == nil || err.Error() != want {
			t.Errorf("%.10q: %v, want %s", code, err, want)
		}
	}
	if _, err := postCode(t.Context(), "/nowhere/mfa.sock", "123456"); err == nil || err.Error() !=
		"/nowhere/mfa.sock is not here: run this where the daemon runs (docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)" {
		t.Errorf("no socket: %v", err)
	}
}

// TestMFASocketIsMadeAgain has the socket's directory cleaned away, as at the last logout.
func TestMFASocketIsMadeAgain(t *testing.T) {
	d, _ := mfaDaemon(t)
	if err := os.RemoveAll(filepath.Dir(d.status(t).Credentials.MFA.Socket)); err != nil {
		t.Fatal(err)
	}
	if got := d.command(t, "mfa", "123456"); !strings.HasPrefix(got, "credentials of ") {
		t.Errorf("after that: %s", got)
	}
}

// TestMFAWithoutSocket has no directory that is writable.
func TestMFAWithoutSocket(t *testing.T) {
	home := isolate(t)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "missing"))
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, filepath.Join(home, ".aws/credentials"), profile(sts.AddUser("developer")))
	write(t, "conf/config.yaml", realConfig+"  mfa_serial: "+mfaDevice+"\n")
	d := start(t)
	s := d.status(t)
	if s.Credentials.MFA == nil || !strings.HasPrefix(s.Credentials.MFA.Error, "no socket for the mfa command: ") ||
		!strings.HasSuffix(s.Credentials.MFA.Error, "; set XDG_RUNTIME_DIR or TMPDIR to a directory that is writable") {
		t.Fatalf("%+v", s.Credentials.MFA)
	}
	if got, want := d.command(t, "mfa", "123456"), "error: the daemon at "+d.url+"status takes no codes: "+s.Credentials.MFA.Error; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestPrompt types at a terminal: nonsense, a wrong code, the right one.
func TestPrompt(t *testing.T) {
	in, typed := io.Pipe()
	var out strings.Builder
	p := newPrompt(in, &out)
	ctx, cancel := context.WithCancel(t.Context())
	calls, waiting, given := make(chan struct{}), mfaDevice, make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.serve(ctx, calls, func() string { return waiting }, func(_ context.Context, code string) (string, error) {
			given <- code
			if code != "123456" {
				return "", errors.New("refused")
			}
			waiting = ""
			return "credentials", nil
		})
	}()
	calls <- struct{}{}
	var got []string
	for _, line := range []string{"what?", "000000", "123456"} {
		_, _ = io.WriteString(typed, line+"\n")
		got = append(got, <-given)
	}
	calls <- struct{}{} // nothing is wanted now
	cancel()
	<-ended
	if diff := cmp.Diff([]string{"what?", "000000", "123456"}, got); diff != "" {
		t.Error(diff)
	}
	const ask = "MFA code of " + mfaDevice + ": "
	if diff := cmp.Diff(ask+"refused\n"+ask+"refused\n"+ask+"credentials\n", out.String()); diff != "" {
		t.Error(diff)
	}
}
