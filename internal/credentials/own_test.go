package credentials

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

func ownOptions() Options {
	return Options{Profile: "default", Region: "ap-southeast-2", Duration: 2 * time.Hour}
}

// TestOwnKeysAreExchanged hands out a session of the user's, never the user's key.
func TestOwnKeysAreExchanged(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	home(t, sts, "", keys("default", key))
	a := provider(ownOptions())
	c, err := a.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.AccessKeyID == key.AccessKeyID || c.SecretAccessKey == key.SecretAccessKey || c.SessionToken == "" {
		t.Error("the profile's own key is handed out")
	}
	if left := time.Until(c.Expiration); left < 2*time.Hour-time.Minute || left > 2*time.Hour+time.Minute {
		t.Errorf("%v left, want 2h", left)
	}
	if sts.Calls("GetSessionToken") != 1 || len(sts.Requests()) != 1 {
		t.Errorf("%d requests, want one GetSessionToken", len(sts.Requests()))
	}
	if arn, err := a.CallerIdentity(t.Context(), c); arn != key.UserARN || err != nil {
		t.Errorf("they are %s's, %v; want %s", arn, err, key.UserARN)
	}
}

// TestOwnTemporaryOnesPass hands out what a credential_process gives, as it is, without asking STS.
func TestOwnTemporaryOnesPass(t *testing.T) {
	sts := stsfake.Start(t)
	expires := time.Now().Add(40 * time.Minute).UTC().Truncate(time.Second)
	home(t, sts, fmt.Sprintf(`[default]
credential_process = /bin/echo '{"Version": 1, "AccessKeyId": "ASIAOWN", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "%s", "AccountId": "123456789012"}'
`, expires.Format(time.RFC3339)), "")
	c, err := provider(ownOptions()).Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.AccessKeyID != "ASIAOWN" || c.SecretAccessKey != "s" || c.SessionToken != "t" || !c.Expiration.Equal(expires) || c.AccountID != "123456789012" {
		t.Errorf("changed on their way: %s, until %v, want %v", c.AccessKeyID, c.Expiration, expires)
	}
	if len(sts.Requests()) != 0 {
		t.Errorf("%d requests to STS, want none", len(sts.Requests()))
	}
}

func TestOwnErrors(t *testing.T) {
	process := func(expiration string) string {
		return `[default]
credential_process = /bin/echo '{"Version": 1, "AccessKeyId": "ASIAOWN", "SecretAccessKey": "hunter2", "SessionToken": "t", "Expiration": "` + expiration + `"}'
`
	}
	for _, tt := range []struct {
		name, config, credentials string
		prepare                   func(*stsfake.Server)
		want                      Error // NOW stands for the time
	}{
		{
			"no expiry", "", "[default]\naws_access_key_id = ASIA\naws_secret_access_key = hunter2\naws_session_token = hunter2\n", nil,
			Error{codeProfile, `profile "default" has temporary keys (aws_session_token) that do not say when they expire, so they cannot be handed out; use a source that does (SSO, credential_process), or set credentials.iam_role to a role that they may assume`, false},
		},
		{
			"expired", process("2020-01-02T03:04:05Z"), "", nil,
			Error{codeProfile, `the credentials of profile "default" expired at 2020-01-02T03:04:05Z; renew them, or set this machine's clock (NOW)`, false},
		},
		{
			"denied", "", "KEYS", func(s *stsfake.Server) { s.Fail(stsfake.Fault{Status: 403, Code: "AccessDenied", Message: "no"}) },
			Error{codeUnauthorized, `profile "default" may not get a session of its own (AccessDenied: no); set credentials.iam_role to a role that it may assume`, false},
		},
		{
			"refused", "", "KEYS", func(s *stsfake.Server) { s.Fail(stsfake.Fault{Code: "ValidationError", Message: "no"}) },
			Error{codeFailed, `GetSessionToken with profile "default" was refused (ValidationError: no)`, false},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := stsfake.Start(t)
			if tt.prepare != nil {
				tt.prepare(sts)
			}
			home(t, sts, tt.config, strings.Replace(tt.credentials, "KEYS", keys("default", sts.AddUser("developer")), 1))
			a := provider(ownOptions())
			now := time.Now()
			a.now = func() time.Time { return now }
			_, err := a.Retrieve(t.Context())
			var got *Error
			tt.want.Message = strings.Replace(tt.want.Message, "NOW", now.UTC().Format(time.RFC3339), 1)
			if !errors.As(err, &got) || *got != tt.want {
				t.Errorf("got  %v\nwant %v", err, &tt.want)
			}
		})
	}
}
