package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

const (
	mfaWay    = "mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)"
	mfaDevice = "arn:aws:iam::123456789012:mfa/developer"
	mfaWanted = `waiting for MFA: profile "default" needs a code of the device ` + mfaDevice + "; run: " + mfaWay
)

// mfaSTS has a user with an MFA device that shows 123456, and a role that asks for it.
func mfaSTS(t *testing.T, opts ...stsfake.Option) (*stsfake.Server, stsfake.Key) {
	t.Helper()
	sts := stsfake.Start(t, opts...)
	key := sts.AddUser("developer")
	sts.SetMFA("developer", "123456")
	sts.AddRole(roleARN, stsfake.MFA(), stsfake.MaxSession(12*time.Hour))
	return sts, key
}

// needs fails the test unless a code is wanted, for that reason.
func needs(t *testing.T, err error, message string) {
	t.Helper()
	n, ok := errors.AsType[*NeedsMFA](err)
	if !ok || n.Serial != mfaDevice || n.Error() != message {
		t.Errorf("%v\nwant a need of MFA: %s", err, message)
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != codeUnauthorized || e.Temporary {
		t.Errorf("as an *Error it is %+v", e)
	}
}

func calls(sts *stsfake.Server) string {
	return fmt.Sprintf("GetSessionToken %d, AssumeRole %d", sts.Calls("GetSessionToken"), sts.Calls("AssumeRole"))
}

// TestOneCodeForManyRenewals has long-lived keys, which open a session.
func TestOneCodeForManyRenewals(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	sts, key := mfaSTS(t, stsfake.WithNow(now))
	home(t, sts, "", keys("default", key))
	spec := roleSpec()
	spec.MFASerial = mfaDevice
	opt := Options{Sessions: &Sessions{}, Now: now}
	a := NewSTS(spec, opt)

	_, err := a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
	_, err = a.Retrieve(WithMFACode(t.Context(), "000000"))
	needs(t, err, "STS refuses the code of the MFA device "+mfaDevice+" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: "+mfaWay)
	if c, err := a.Retrieve(WithMFACode(t.Context(), "123456")); err != nil || c.ARN != sessionARN {
		t.Fatalf("with the right code: %v, %v", c, err)
	}
	if got := calls(sts); got != "GetSessionToken 2, AssumeRole 1" {
		t.Error(got)
	}
	if form := sts.Requests()[1].Form; form.Get("DurationSeconds") != "43200" || form.Get("SerialNumber") != mfaDevice {
		t.Errorf("the session was asked for by %v", form)
	}

	// Renewals need no code, nor does another configuration with the same keys.
	if _, err := a.Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
	spec.Duration = 2 * time.Hour
	if _, err := NewSTS(spec, opt).Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
	if got := calls(sts); got != "GetSessionToken 2, AssumeRole 3" {
		t.Error(got)
	}

	// STS may take a session back before its time.
	sts.Fail(stsfake.ExpiredToken, "AssumeRole")
	if _, err := a.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "are wrong or expired") {
		t.Errorf("an expired session: %v", err)
	}
	sts.Recover()
	_, err = a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
	if _, err := a.Retrieve(WithMFACode(t.Context(), "123456")); err != nil {
		t.Error(err)
	}

	// A session that ends within the minute is of no use.
	ahead.Store(int64(12*time.Hour - 30*time.Second))
	_, err = a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
}

func TestEditedKeysNeedTheirOwnCode(t *testing.T) {
	sts, key := mfaSTS(t)
	dir := home(t, sts, "", keys("default", key))
	spec := roleSpec()
	spec.MFASerial = mfaDevice
	a := provider(spec)
	if _, err := a.Retrieve(WithMFACode(t.Context(), "123456")); err != nil {
		t.Fatal(err)
	}
	rewrite(t, dir, "credentials", keys("default", sts.AddUser("developer")))
	_, err := a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
}

// TestCodeWithAssumeRole has temporary keys, which can open no session.
func TestCodeWithAssumeRole(t *testing.T) {
	sts, key := mfaSTS(t)
	home(t, sts, "", keys("default", key))
	own := roleSpec()
	own.RoleARN = ""
	session, err := provider(own).Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	home(t, sts, "", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n",
		session.AccessKeyID, session.SecretAccessKey, session.SessionToken))
	spec := roleSpec()
	spec.MFASerial = mfaDevice
	a := provider(spec)
	_, err = a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
	if _, err := a.Retrieve(WithMFACode(t.Context(), "123456")); err != nil {
		t.Fatal(err)
	}
	_, err = a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
	if got := calls(sts); got != "GetSessionToken 1, AssumeRole 1" {
		t.Error(got)
	}
}

// TestProfileWithMFA has a profile that assumes a role of its own by a code.
func TestProfileWithMFA(t *testing.T) {
	sts, key := mfaSTS(t)
	const target = "arn:aws:iam::123456789012:role/target"
	sts.AddRole(target, stsfake.Callers(roleARN))
	config := func(more string) string {
		return "[default]\nrole_arn = " + roleARN + "\nsource_profile = keys\nmfa_serial = " + mfaDevice + "\n" + more
	}
	dir := home(t, sts, config(""), keys("keys", key))
	spec := roleSpec()
	spec.RoleARN = target
	a := provider(spec)
	_, err := a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
	_, err = a.Retrieve(WithMFACode(t.Context(), "000000"))
	needs(t, err, "STS refuses the code of the MFA device "+mfaDevice+" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: "+mfaWay)
	for _, ctx := range []context.Context{WithMFACode(t.Context(), "123456"), t.Context()} {
		if _, err := a.Retrieve(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if form := sts.Requests()[1].Form; form.Get("DurationSeconds") != "3600" {
		t.Errorf("the profile's role was asked for by %v", form)
	}

	// Another profile text is another session; its duration is its own.
	rewrite(t, dir, "config", config("duration_seconds = 7200\n"))
	_, err = a.Retrieve(t.Context())
	needs(t, err, mfaWanted)
	if _, err := a.Retrieve(WithMFACode(t.Context(), "123456")); err != nil {
		t.Fatal(err)
	}
	last := sts.Requests()[len(sts.Requests())-2].Form
	if last.Get("RoleArn") != roleARN || last.Get("DurationSeconds") != "7200" {
		t.Errorf("the profile's role was asked for by %v", last)
	}
}

// TestOwnWithMFA hands out what the code has opened; what is handed out is renewed before it ends, and so never kept.
func TestOwnWithMFA(t *testing.T) {
	sts, key := mfaSTS(t)
	home(t, sts, "[profile work]\nrole_arn = "+roleARN+"\nsource_profile = default\nmfa_serial = "+mfaDevice+"\n", keys("default", key))
	byConfig, byProfile := roleSpec(), roleSpec()
	byConfig.RoleARN, byConfig.MFASerial = "", mfaDevice
	byProfile.RoleARN, byProfile.Profile = "", "work"
	for _, spec := range []Spec{byConfig, byProfile} {
		a := provider(spec)
		wanted := strings.Replace(mfaWanted, "default", spec.Profile, 1)
		_, err := a.Retrieve(t.Context())
		needs(t, err, wanted)
		c, err := a.Retrieve(WithMFACode(t.Context(), "123456"))
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(c.Expiration); left < 59*time.Minute || left > 61*time.Minute {
			t.Errorf("%s: %v left, want 1h", spec.Profile, left)
		}
		_, err = a.Retrieve(t.Context())
		needs(t, err, wanted)
	}
	byProfile.MFASerial = mfaDevice
	_, err := provider(byProfile).Retrieve(WithMFACode(t.Context(), "123456"))
	if want := `profile "work" has temporary keys, which STS takes no MFA code for; remove credentials.mfa_serial, or set credentials.iam_role to a role that they may assume`; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestMFACodeForm(t *testing.T) {
	for _, bad := range []string{"", "12345", "1234567", "12345a", "１２３４５６", "123456\n"} {
		if err := CheckMFACode(bad); err == nil || err.Error() != "an MFA code has 6 digits" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := CheckMFACode("000000"); err != nil {
		t.Error(err)
	}
}

// guarded wants the code 123456 for every issue.
type guarded struct{ lifetime time.Duration }

func (g *guarded) Retrieve(ctx context.Context) (*Credentials, error) {
	code, err := takeMFACode(ctx, "device")
	switch {
	case err != nil:
		return nil, &NeedsMFA{Serial: "device", Reason: &Error{Code: codeUnauthorized, Message: "wanted"}}
	case code != "123456":
		return nil, &NeedsMFA{Serial: "device", Reason: &Error{Code: codeUnauthorized, Message: "refused"}}
	}
	now := time.Now()
	return &Credentials{AccessKeyID: "ASIA", Expiration: now.Add(g.lifetime), LastUpdated: now}, nil
}

// TestAnswer gives codes to a keeper.
func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(&guarded{lifetime: time.Hour}, 15*time.Minute, slog.New(slog.DiscardHandler), time.Now)
		var told []string
		k.NeedsMFA = func(n *NeedsMFA) { told = append(told, n.Error()) }
		go k.Run(t.Context())
		state := func(want string) {
			t.Helper()
			synctest.Wait()
			s := k.State()
			if got := fmt.Sprintf("valid %v, wants %q, told %q", s.Valid, s.MFASerial, told); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		}
		state(`valid false, wants "device", told ["wanted"]`)
		if _, err := k.Get(t.Context()); err == nil || err.Error() != "wanted" {
			t.Errorf("a client sees %v", err)
		}
		time.Sleep(10 * time.Minute) // it is tried again, and nobody told a second time
		state(`valid false, wants "device", told ["wanted"]`)
		for range 2 {
			if err := k.Answer(t.Context(), "000000"); err == nil || err.Error() != "refused" {
				t.Errorf("a wrong code: %v", err)
			}
		}
		state(`valid false, wants "device", told ["wanted" "refused" "refused"]`)
		if err := k.Answer(t.Context(), "123456"); err != nil {
			t.Error(err)
		}
		state(`valid true, wants "", told ["wanted" "refused" "refused"]`)
		if err := k.Answer(t.Context(), "123456"); err == nil || err.Error() != "no MFA code is wanted now" {
			t.Errorf("a code too many: %v", err)
		}

		// The next one is wanted while clients are still served.
		time.Sleep(46 * time.Minute)
		state(`valid true, wants "device", told ["wanted" "refused" "refused" "wanted"]`)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("a client sees %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.Answer(ctx, "123456"); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
	})
}

// rewrite replaces one of home's files.
func rewrite(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAnswerReplaced gives a code to a keeper that a reload has ended.
func TestAnswerReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(&guarded{lifetime: time.Hour}, 15*time.Minute, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		go k.Run(ctx)
		synctest.Wait()
		cancel()
		if err := k.Answer(t.Context(), "123456"); err == nil || err.Error() != "the configuration has been reloaded meanwhile; if a code is still wanted, give the next one" {
			t.Errorf("got %v", err)
		}
	})
}
