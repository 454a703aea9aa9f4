package sts

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	mfaHint    = "mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)"
	mfaDevice  = "arn:aws:iam::123456789012:mfa/developer"
	mfaWanted  = `waiting for MFA: profile "default" needs a code of the device ` + mfaDevice + "; run: " + mfaHint
	mfaRefused = "STS refuses the code of the MFA device " + mfaDevice +
		" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: " + mfaHint
)

// mfaSpec is roleSpec with an MFA device.
func mfaSpec() credentials.Spec {
	s := roleSpec()
	s.MFASerial = mfaDevice
	return s
}

// mfaSTS has a user with an MFA device that shows 123456, and a role that requires MFA.
func mfaSTS(t *testing.T, opts ...stsfake.Option) (*stsfake.Server, stsfake.Key) {
	t.Helper()
	sts := stsfake.Start(t, opts...)
	key := sts.AddUser("developer")
	sts.SetMFA("developer", "123456")
	sts.AddRole(roleARN, stsfake.MFA(), stsfake.MaxSession(12*time.Hour))
	return sts, key
}

// expectNeedsMFA fails the test unless err asks for a code, with that message.
func expectNeedsMFA(t *testing.T, err error, message string) {
	t.Helper()
	n, ok := errors.AsType[*credentials.NeedsMFA](err)
	if !ok || n.Serial != mfaDevice || n.Error() != message {
		t.Errorf("got  %v\nwant *NeedsMFA: %s", err, message)
	}
	if e, ok := errors.AsType[*credentials.Error](err); !ok || e.Code != credentials.CodeUnauthorized || e.Temporary {
		t.Errorf("as an *credentials.Error it is %+v", e)
	}
}

// expectCredentials calls Retrieve, which must succeed.
func expectCredentials(ctx context.Context, t *testing.T, p credentials.Provider) *credentials.Credentials {
	t.Helper()
	c, err := p.Retrieve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// withCode is a context with the right code.
func withCode(t *testing.T) context.Context {
	t.Helper()
	return credentials.WithMFACode(t.Context(), "123456")
}

func calls(sts *stsfake.Server) string {
	return fmt.Sprintf("GetSessionToken %d, AssumeRole %d", sts.Calls("GetSessionToken"), sts.Calls("AssumeRole"))
}

func TestMFA_CodeOpensASessionOfTwelveHours(t *testing.T) {
	sts, key := mfaSTS(t)
	home(t, sts, "", keys("default", key))
	a := provider(mfaSpec())

	_, err := a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
	_, err = a.Retrieve(credentials.WithMFACode(t.Context(), "000000"))
	expectNeedsMFA(t, err, mfaRefused)
	if c := expectCredentials(withCode(t), t, a); c.ARN != sessionARN {
		t.Errorf("credentials of %s", c.ARN)
	}
	if got := calls(sts); got != "GetSessionToken 2, AssumeRole 1" {
		t.Error(got)
	}
	if form := sts.Requests()[1].Form; form.Get("DurationSeconds") != "43200" || form.Get("SerialNumber") != mfaDevice {
		t.Errorf("the session was opened by %v", form)
	}
}

func TestMFA_SessionServesRenewalsAndOtherProviders(t *testing.T) {
	sts, key := mfaSTS(t)
	home(t, sts, "", keys("default", key))
	spec, opt := mfaSpec(), Options{}.WithDefaults()
	a := NewProvider(spec, opt)
	expectCredentials(withCode(t), t, a)
	expectCredentials(t.Context(), t, a)
	spec.Duration = 2 * time.Hour
	expectCredentials(t.Context(), t, NewProvider(spec, opt))
	if got := calls(sts); got != "GetSessionToken 1, AssumeRole 3" {
		t.Error(got)
	}
}

func TestMFA_SessionThatSTSRejectsIsForgotten(t *testing.T) {
	sts, key := mfaSTS(t)
	home(t, sts, "", keys("default", key))
	a := provider(mfaSpec())
	expectCredentials(withCode(t), t, a)
	sts.Fail(stsfake.ExpiredToken, "AssumeRole")
	if _, err := a.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "are wrong or expired") {
		t.Errorf("an expired session: %v", err)
	}
	sts.Recover()
	_, err := a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
	expectCredentials(withCode(t), t, a)
}

func TestMFA_SessionInItsLastMinuteIsNotUsed(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	sts, key := mfaSTS(t, stsfake.WithNow(now))
	home(t, sts, "", keys("default", key))
	a := New(mfaSpec(), Options{Now: now})
	expectCredentials(withCode(t), t, a)
	ahead.Store(int64(12*time.Hour - 30*time.Second))
	_, err := a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
}

func TestMFA_EditedKeysNeedACodeOfTheirOwn(t *testing.T) {
	sts, key := mfaSTS(t)
	dir := home(t, sts, "", keys("default", key))
	a := provider(mfaSpec())
	expectCredentials(withCode(t), t, a)
	testutil.Write(t, filepath.Join(dir, "credentials"), keys("default", sts.AddUser("developer")))
	_, err := a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
}

func TestMFA_TemporaryKeysSendTheCodeWithAssumeRole(t *testing.T) {
	sts, key := mfaSTS(t)
	home(t, sts, "", keys("default", key))
	session := expectCredentials(t.Context(), t, provider(ownSpec()))
	home(t, sts, "", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n",
		session.AccessKeyID, session.SecretAccessKey, session.SessionToken))
	a := provider(mfaSpec())
	_, err := a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
	expectCredentials(withCode(t), t, a)
	_, err = a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
	if got := calls(sts); got != "GetSessionToken 1, AssumeRole 1" {
		t.Error(got)
	}
}

func TestMFA_ProfileAssumesItsOwnRoleWithTheCode(t *testing.T) {
	sts, key := mfaSTS(t)
	const target = "arn:aws:iam::123456789012:role/target"
	sts.AddRole(target, stsfake.Callers(roleARN))
	config := "[default]\nrole_arn = " + roleARN + "\nsource_profile = keys\nmfa_serial = " + mfaDevice + "\n"
	dir := home(t, sts, config, keys("keys", key))
	spec := roleSpec()
	spec.RoleARN = target
	a := provider(spec)
	_, err := a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
	_, err = a.Retrieve(credentials.WithMFACode(t.Context(), "000000"))
	expectNeedsMFA(t, err, mfaRefused)
	expectCredentials(withCode(t), t, a)
	expectCredentials(t.Context(), t, a)
	if form := sts.Requests()[1].Form; form.Get("DurationSeconds") != "3600" {
		t.Errorf("the profile's role was assumed by %v", form)
	}

	// An edited profile is another session, and its duration_seconds counts.
	testutil.Write(t, filepath.Join(dir, "config"), config+"duration_seconds = 7200\n")
	_, err = a.Retrieve(t.Context())
	expectNeedsMFA(t, err, mfaWanted)
	expectCredentials(withCode(t), t, a)
	last := sts.Requests()[len(sts.Requests())-2].Form
	if last.Get("RoleArn") != roleARN || last.Get("DurationSeconds") != "7200" {
		t.Errorf("the profile's role was assumed by %v", last)
	}
}

// workProfile assumes a role of its own with MFA.
const workProfile = "[profile work]\nrole_arn = " + roleARN + "\nsource_profile = default\nmfa_serial = " + mfaDevice + "\n"

// The session itself is handed out, so that each renewal needs a new one.
func TestMFA_OwnCredentialsNeedACodeForEachRenewal(t *testing.T) {
	byConfig, byProfile := ownSpec(), ownSpec()
	byConfig.MFASerial, byConfig.Duration = mfaDevice, time.Hour
	byProfile.Profile = "work"
	for name, spec := range map[string]credentials.Spec{"credentials.mfa_serial": byConfig, "mfa_serial of the profile": byProfile} {
		t.Run(name, func(t *testing.T) {
			sts, key := mfaSTS(t)
			home(t, sts, workProfile, keys("default", key))
			a := provider(spec)
			wanted := strings.Replace(mfaWanted, "default", spec.Profile, 1)
			_, err := a.Retrieve(t.Context())
			expectNeedsMFA(t, err, wanted)
			expectLeft(t, expectCredentials(withCode(t), t, a), time.Hour)
			_, err = a.Retrieve(t.Context())
			expectNeedsMFA(t, err, wanted)
		})
	}
}

func TestMFA_OwnTemporaryCredentialsTakeNoCode(t *testing.T) {
	sts, key := mfaSTS(t)
	home(t, sts, workProfile, keys("default", key))
	spec := ownSpec()
	spec.Profile, spec.MFASerial = "work", mfaDevice
	_, err := provider(spec).Retrieve(withCode(t))
	want := `profile "work" has temporary keys, for which STS accepts no MFA code; set credentials.mfa_serial to "", or set credentials.iam_role to a role that they may assume`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
