package app

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// askRole asks for the credentials of an entry of roles by its id.
func (d *daemon) askRole(t *testing.T, role string) (status int, body string) {
	t.Helper()
	for _, id := range d.status(t).Identities {
		if id.Role == role && id.ID != "" {
			return d.get(t, "v2/credentials/"+id.ID)
		}
	}
	t.Fatalf("no role %s", role)
	return 0, ""
}

// startMFARoles starts a daemon whose own credentials and role jobs need a code of one device, and whose role web of another.
func startMFARoles(t *testing.T) *daemon {
	t.Helper()
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	other := strings.Replace(profile(sts.AddUser("other")), "[default]", "[other]", 1)
	testutil.Write(t, ".aws/credentials", profile(sts.AddUser("developer"))+other)
	sts.SetMFA("developer", "123456")
	device := sts.SetMFA("other", "654321")
	for _, role := range []string{"myrole", "web", "jobs"} {
		sts.AddRole("arn:aws:iam::123456789012:role/"+role, stsfake.MFA())
	}
	testutil.Write(t, "conf/config.yaml", mfaConfig+"roles:\n"+
		"  jobs: {iam_role: arn:aws:iam::123456789012:role/jobs}\n"+
		"  web: {iam_role: arn:aws:iam::123456789012:role/web, source_profile: other, mfa_serial: "+device+"}\n")
	d := startWith(t, options(load(t, "")))
	testutil.Eventually(t, "a code is wanted", func() bool { return d.MFASerial() != "" })
	return d
}

func TestMFA_CodeOfARoleIsForItsDevice(t *testing.T) {
	d := startMFARoles(t)
	const idle = "no MFA code is wanted for the role \"web\"; these wait for one: myrole (" + mfaDevice + ")"
	if _, err := d.AnswerMFAOf(t.Context(), "web", "654321"); err == nil || err.Error() != idle {
		t.Errorf("a role that nobody asked for: %v", err)
	}
	for _, role := range []string{"web", "jobs"} {
		if status, body := d.askRole(t, role); status != 403 || !strings.Contains(body, "waiting for MFA") {
			t.Errorf("%s: %d %s", role, status, body)
		}
	}
	if a, b := d.MFASerialOf("web"), d.MFASerialOf("jobs"); a != "arn:aws:iam::123456789012:mfa/other" || b != mfaDevice {
		t.Errorf("web waits for %q, jobs for %q", a, b)
	}
	got, err := d.AnswerMFAOf(t.Context(), "web", "654321")
	if err != nil || !strings.HasPrefix(got, "credentials of arn:aws:sts::123456789012:assumed-role/web/i-0123456789abcdef0 until 2") {
		t.Errorf("%q, %v", got, err)
	}
	if status, body := d.askRole(t, "web"); status != 200 {
		t.Errorf("web: %d %s", status, body)
	}
	if d.MFASerialOf("web") != "" || d.MFASerial() != mfaDevice {
		t.Errorf("now %q is wanted", d.MFASerial())
	}
}

// TestMFA_CodeServesAllOfTheSameDevice answers the file's own, and not the role.
func TestMFA_CodeServesAllOfTheSameDevice(t *testing.T) {
	d := startMFARoles(t)
	d.askRole(t, "jobs")
	got, err := d.AnswerMFA(t.Context(), "123456")
	if err != nil || !strings.HasPrefix(got, "credentials of arn:aws:sts::123456789012:assumed-role/myrole/") {
		t.Errorf("%q, %v", got, err)
	}
	testutil.Eventually(t, "jobs has credentials, too", func() bool {
		status, _ := d.askRole(t, "jobs")
		return status == 200 && d.MFASerial() == ""
	})
	const none = "no MFA code is wanted now; the daemon gets the credentials of a role when a client first asks for them"
	if _, err := d.AnswerMFAOf(t.Context(), "web", "654321"); err == nil || err.Error() != none {
		t.Errorf("%v", err)
	}
}

// TestMFA_RoleIsNotTheFilesOwnOfTheSameName has both wait for different devices.
func TestMFA_RoleIsNotTheFilesOwnOfTheSameName(t *testing.T) {
	d := startMFARoles(t)
	testutil.Write(t, "conf/config.yaml", strings.ReplaceAll(mfaConfig, "role/myrole", "role/web")+
		"roles:\n  web: {iam_role: arn:aws:iam::123456789012:role/web, source_profile: other, mfa_serial: arn:aws:iam::123456789012:mfa/other}\n")
	testutil.Eventually(t, "both wait", func() bool {
		s := d.status(t)
		if s.Role != "web" || len(s.Identities) != 1 {
			return false
		}
		d.askRole(t, "web")
		s = d.status(t)
		return s.Credentials.State == api.StateMFA && s.Identities[0].Credentials.State == api.StateMFA
	})
	if got := d.MFASerialOf("web"); got != "arn:aws:iam::123456789012:mfa/other" {
		t.Errorf("the role waits for %q", got)
	}
}
