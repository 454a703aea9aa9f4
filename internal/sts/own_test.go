package sts

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/test/stsfake"
)

func TestOwnCredentials_LongLivedKeysAreExchangedForASession(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	home(t, sts, "", keys("default", key))
	a := provider(ownSpec())
	c, err := a.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.AccessKeyID == key.AccessKeyID || c.SecretAccessKey == key.SecretAccessKey || c.SessionToken == "" {
		t.Error("the profile's own key is handed out")
	}
	expectLeft(t, c, 2*time.Hour)
	if sts.Calls("GetSessionToken") != 1 || len(sts.Requests()) != 1 {
		t.Errorf("%d requests, want one GetSessionToken", len(sts.Requests()))
	}
	if arn, err := a.CallerIdentity(t.Context(), c); arn != key.UserARN || err != nil {
		t.Errorf("credentials of %s, %v; want %s", arn, err, key.UserARN)
	}
}

func TestOwnCredentials_TemporaryOnesAreHandedOutWithoutSTS(t *testing.T) {
	sts := stsfake.Start(t)
	expires := time.Now().Add(40 * time.Minute).UTC().Truncate(time.Second)
	home(t, sts, fmt.Sprintf(`[default]
credential_process = /bin/echo '{"Version": 1, "AccessKeyId": "ASIAOWN", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "%s", "AccountId": "123456789012"}'
`, expires.Format(time.RFC3339)), "")
	c, err := provider(ownSpec()).Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.AccessKeyID != "ASIAOWN" || c.SecretAccessKey != "s" || c.SessionToken != "t" || !c.Expiration.Equal(expires) || c.AccountID != "123456789012" {
		t.Errorf("changed: %s, until %v, want %v", c.AccessKeyID, c.Expiration, expires)
	}
	if len(sts.Requests()) != 0 {
		t.Errorf("%d requests to STS, want none", len(sts.Requests()))
	}
}

func TestOwnCredentials_Errors(t *testing.T) {
	process := func(expiration string) string {
		return `[default]
credential_process = /bin/echo '{"Version": 1, "AccessKeyId": "ASIAOWN", "SecretAccessKey": "hunter2", "SessionToken": "t", "Expiration": "` + expiration + `"}'
`
	}
	for _, tt := range []struct {
		name        string
		config      string
		credentials string // KEYS stands for the user's
		prepare     func(*stsfake.Server)
		want        failure // NOW stands for the time
	}{
		{
			name: "no expiry", credentials: "[default]\naws_access_key_id = ASIA\naws_secret_access_key = hunter2\naws_session_token = hunter2\n",
			want: failure{credentials.CodeProfile, `profile "default" has temporary keys (aws_session_token) that do not say when they expire, so they cannot be handed out; use a source that does (SSO, credential_process), or set credentials.iam_role to a role that they may assume`, false},
		},
		{
			name: "expired", config: process("2020-01-02T03:04:05Z"),
			want: failure{credentials.CodeProfile, `the credentials of profile "default" expired at 2020-01-02T03:04:05Z; renew them, or set this machine's clock (NOW)`, false},
		},
		{
			name: "denied", credentials: "KEYS",
			prepare: func(s *stsfake.Server) { s.Fail(stsfake.Fault{Status: 403, Code: "AccessDenied", Message: "no"}) },
			want:    failure{credentials.CodeUnauthorized, `profile "default" may not get a session of its own (AccessDenied: no); set credentials.iam_role to a role that it may assume`, false},
		},
		{
			name: "refused", credentials: "KEYS",
			prepare: func(s *stsfake.Server) { s.Fail(stsfake.Fault{Code: "ValidationError", Message: "no"}) },
			want:    failure{credentials.CodeFailed, `GetSessionToken with profile "default" was refused (ValidationError: no)`, false},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := stsfake.Start(t)
			if tt.prepare != nil {
				tt.prepare(sts)
			}
			home(t, sts, tt.config, strings.Replace(tt.credentials, "KEYS", keys("default", sts.AddUser("developer")), 1))
			a := provider(ownSpec())
			now := time.Now()
			a.opt.Now = func() time.Time { return now }
			_, err := a.Retrieve(t.Context())
			tt.want.message = strings.Replace(tt.want.message, "NOW", now.UTC().Format(time.RFC3339), 1)
			expectFailure(t, err, tt.want)
		})
	}
}

func TestOwnCredentials_IncompleteOnesAreNotHandedOut(t *testing.T) {
	for _, tt := range []struct {
		missing string
		want    failure
	}{
		{"AccessKeyId", failure{credentials.CodeFailed, `the credential source of profile "default" answered without a complete key; see its log`, true}},
		{"SecretAccessKey", failure{credentials.CodeFailed, `the credential source of profile "default" answered without a complete key; see its log`, true}},
		{"Token", failure{credentials.CodeProfile, `the credentials of profile "default" are wrong or expired (InvalidClientTokenId: The security token included in the request is invalid.); renew them (aws configure --profile default, or aws sso login --profile default)`, false}},
	} {
		t.Run(tt.missing, func(t *testing.T) {
			w := newSources(t)
			w.config(t, "[default]\n")
			w.container(t, func(rw http.ResponseWriter, _ *http.Request) {
				_, _ = rw.Write([]byte(w.printed(map[string]any{tt.missing: nil})))
			})
			_, err := provider(ownSpec()).Retrieve(t.Context())
			expectFailure(t, err, tt.want)
		})
	}
}

// Documents give the expiry in whole seconds.
func TestOwnCredentials_ExpiryIsRoundedDownToSeconds(t *testing.T) {
	end := time.Date(2026, 5, 5, 10, 0, 0, 999_000_000, time.UTC)
	for _, tt := range []struct {
		left time.Duration
		want string
	}{
		{time.Second, "credentials of  until 2026-05-05T10:00:00Z [redacted]"},
		{500 * time.Millisecond, `the credentials of profile "default" expired at 2026-05-05T10:00:00Z; renew them, or set this machine's clock (2026-05-05T10:00:00Z)`},
	} {
		t.Run(tt.left.String(), func(t *testing.T) {
			a := provider(ownSpec())
			a.opt.Now = func() time.Time { return end.Add(-tt.left) }
			source := aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: end}
			c, err := a.ownCredentials(t.Context(), nil, source)
			got := fmt.Sprint(c)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want || c != nil && c.Expiration.Nanosecond() != 0 {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
