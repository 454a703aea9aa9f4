package app

import (
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const mfaConfig = realConfig + "  mfa_serial: " + mfaDevice + "\n"

// startMFA starts a daemon that waits for a code of the device, which is 123456.
func startMFA(t *testing.T) (*daemon, *stsfake.Server) {
	t.Helper()
	sts := startSTS(t)
	sts.SetMFA("developer", "123456")
	sts.AddRole(roleARN, stsfake.MFA())
	testutil.Write(t, "conf/config.yaml", mfaConfig)
	wanted := make(chan struct{}, 10)
	opt := options(load(t, ""))
	opt.MFAWanted = func() { wanted <- struct{}{} }
	d := startWith(t, opt)
	<-wanted
	return d, sts
}

func TestMFA_MissingCodeIsToldEverywhere(t *testing.T) {
	d, _ := startMFA(t)
	if got := d.MFASerial(); got != mfaDevice {
		t.Errorf("the device is %q", got)
	}
	s := d.status(t)
	if s.Status != api.StatusDegraded || s.Credentials.State != api.StateMFA || s.Credentials.MFA == nil || s.Credentials.MFA.Serial != mfaDevice {
		t.Errorf("/status: %+v", s)
	}
	d.wantLog(t, `"msg":"waiting for MFA","error":"waiting for MFA: profile \"default\" needs a code of the device `+mfaDevice)
	d.wantLog(t, `"serial":"`+mfaDevice+`","hint":"mock-ec2-metadata mfa CODE"}`)
	code, body := d.get(t, rolePath)
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "AssumeRoleUnauthorizedAccess"`) || !strings.Contains(body, "run: mock-ec2-metadata mfa CODE") {
		t.Errorf("a client sees %d %s", code, body)
	}
}

func TestMFA_RefusedCodeIsWantedAgain(t *testing.T) {
	d, _ := startMFA(t)
	const refused = "STS refuses the code of the MFA device " + mfaDevice +
		" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: " +
		"mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)"
	for range 2 {
		if got, err := d.AnswerMFA(t.Context(), "000000"); err == nil || err.Error() != refused {
			t.Errorf("%q, %v\nwant %s", got, err, refused)
		}
		if d.MFASerial() != mfaDevice {
			t.Error("no code is wanted any more")
		}
	}
}

func TestMFA_RightCodeGivesCredentials(t *testing.T) {
	d, _ := startMFA(t)
	got, err := d.AnswerMFA(t.Context(), " 123456\n")
	if err != nil || !strings.HasPrefix(got, "credentials of arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0 until 2") {
		t.Errorf("%q, %v", got, err)
	}
	if s := d.status(t); s.Status != api.StatusOK || s.Credentials.MFA != nil || d.MFASerial() != "" {
		t.Errorf("/status: %+v", s)
	}
	if got, err := d.AnswerMFA(t.Context(), "123456"); err == nil || err.Error() != "no MFA code is wanted now" {
		t.Errorf("a second code: %q, %v", got, err)
	}
	if d.log.Contains(`123456"`) || d.log.Contains("123456\\n") {
		t.Errorf("the code is in the log:\n%s", d.log)
	}
}

func TestMFA_ReloadKeepsTheSession(t *testing.T) {
	d, sts := startMFA(t)
	if _, err := d.AnswerMFA(t.Context(), "123456"); err != nil {
		t.Fatal(err)
	}
	calls := sts.Calls("AssumeRole")
	testutil.Write(t, "conf/config.yaml", mfaConfig+"  session_name: another\n")
	testutil.Eventually(t, "another session without another code", func() bool {
		return sts.Calls("AssumeRole") > calls && d.status(t).Status == api.StatusOK
	})
}

func TestMFA_WrongFormIsRefusedBeforeTheCall(t *testing.T) {
	d, sts := startMFA(t)
	calls := len(sts.Requests())
	for _, code := range []string{"", "12345", "1234567", "12345a", strings.Repeat("1", 1<<20)} {
		if got, err := d.AnswerMFA(t.Context(), code); err == nil || err.Error() != "an MFA code has 6 digits" {
			t.Errorf("%.10q: %q, %v", code, got, err)
		}
	}
	if got := len(sts.Requests()); got != calls {
		t.Errorf("%d calls", got-calls)
	}
}

func TestMFA_WithoutInstanceProfileNoCodeIsWanted(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t, "credentials.mock=false", "credentials.iam_role=")
	if got, err := d.AnswerMFA(t.Context(), "123456"); err == nil || err.Error() != "no MFA code is wanted: there is no instance profile" {
		t.Errorf("%q, %v", got, err)
	}
	if d.MFASerial() != "" {
		t.Errorf("a code of %s is wanted", d.MFASerial())
	}
}

// fakeControl is a control socket that could not be made, or one at a path.
type fakeControl struct{ status api.Control }

func (c *fakeControl) Status() *api.Control { return &c.status }
func (c *fakeControl) Serve()               {}
func (c *fakeControl) Close()               {}

func TestMFA_TellsTheControlSocket(t *testing.T) {
	for _, tt := range []struct {
		name    string
		control api.Control
		log     string
	}{
		{name: "there", control: api.Control{Socket: "/run/user/1/a.sock"}, log: `"socket":"/run/user/1/a.sock"`},
		{name: "not there", control: api.Control{Error: "no control socket: why"}, log: `"socket_error":"no control socket: why"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := startSTS(t)
			sts.AddRole(roleARN, stsfake.MFA())
			testutil.Write(t, "conf/config.yaml", mfaConfig)
			opt := options(load(t, ""))
			opt.Control = func(*App) (Control, error) { return &fakeControl{tt.control}, nil }
			d := startWith(t, opt)
			d.wantLog(t, tt.log)
			s := d.status(t)
			if s.Control == nil || *s.Control != tt.control {
				t.Errorf("control: %+v", s.Control)
			}
			if mfa := s.Credentials.MFA; mfa == nil || mfa.Socket != tt.control.Socket || mfa.Error != tt.control.Error {
				t.Errorf("mfa: %+v", mfa)
			}
		})
	}
}
