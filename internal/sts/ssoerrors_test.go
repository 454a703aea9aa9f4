package sts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/test/stsfake"
)

func TestRetrieve_SSOErrors(t *testing.T) {
	sso := func(edit func(t *testing.T, w *sources)) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
			edit(t, w)
		}
	}
	legacy := func(edit func(t *testing.T, w *sources)) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			w.config(t, "[default]\n"+ssoLegacy)
			edit(t, w)
		}
	}
	for _, tt := range []failingSource{
		{
			name:    "no login",
			prepare: sso(func(*testing.T, *sources) {}),
			want:    failure{credentials.CodeProfile, `profile "default" has no SSO session (CACHE/ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no such file or directory); run: aws sso login --profile default`, false},
		},
		{
			name: "no aws login",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nlogin_session = arn:aws:iam::123456789012:user/me\n")
			},
			want: failure{credentials.CodeProfile, `the login of profile "default" cannot be used (token file not found); run: aws login --profile default`, false},
		},
		{
			name: "no login of the source_profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = sso\n[profile sso]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
			},
			want: failure{credentials.CodeProfile, `profile "default" has no SSO session (CACHE/ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no such file or directory); run: aws sso login --profile sso`, false},
		},
		{
			name: "expired without refresh token",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				l := w.login
				l.RefreshToken = ""
				if _, err := l.WriteSession(w.cache, "corp"); err != nil {
					t.Fatal(err)
				}
			}),
			want: failure{credentials.CodeProfile, `the SSO session of profile "default" has expired; run: aws sso login --profile default`, false},
		},
		{
			name: "expired and revoked",
			prepare: sso(func(t *testing.T, w *sources) {
				w.RevokeSSO(w.login)
				w.login = w.ExpireSSO(w.login)
				w.loggedIn(t)
			}),
			want: failure{credentials.CodeProfile, `the SSO session of profile "default" cannot be renewed (InvalidGrantException); run: aws sso login --profile default`, false},
		},
		{
			name: "expired client registration",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				w.login.ClientSecret = "hunter2hunter2"
				w.loggedIn(t)
			}),
			want: failure{credentials.CodeProfile, `the SSO session of profile "default" cannot be renewed (InvalidClientException); run: aws sso login --profile default`, false},
		},
		{
			name: "revoked",
			prepare: sso(func(t *testing.T, w *sources) {
				w.RevokeSSO(w.login)
				w.loggedIn(t)
			}),
			want: failure{credentials.CodeProfile, `the SSO session of profile "default" has ended (UnauthorizedException: Session token not found or invalid); run: aws sso login --profile default`, false},
		},
		{
			name: "no such permission set",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n"+ssoSessionCorp)
				w.loggedIn(t)
			},
			want: failure{credentials.CodeProfile, `SSO gives profile "default" no credentials (ForbiddenException: No access); check sso_account_id and sso_role_name`, false},
		},
		{
			name:    "missing sso-session section",
			prepare: func(t *testing.T, w *sources) { w.config(t, "[default]\nsso_session = corp\n"+ssoRole) },
			want:    failure{credentials.CodeProfile, `profile "default" cannot be used: there is no section [sso-session corp]; fix it in DIR/config:2`, false},
		},
		{
			name: "truncated cache file",
			prepare: sso(func(t *testing.T, w *sources) {
				if err := os.WriteFile(w.loggedIn(t), []byte(`{"accessToken": "hunter2`), 0o600); err != nil {
					t.Fatal(err)
				}
			}),
			want: failure{credentials.CodeProfile, `the SSO session of profile "default" has expired; run: aws sso login --profile default`, false},
		},
		{
			name: "throttled",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				w.Fail(stsfake.Fault{Status: 429, Code: "TooManyRequestsException", Message: "HTTP 429 Unknown Code"}, "GetRoleCredentials")
			}),
			want: failure{credentials.CodeFailed, `the credential source of profile "default" throttles calls (TooManyRequestsException: HTTP 429 Unknown Code); retrying`, true},
		},
		{
			name: "internal error",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				w.Fail(stsfake.InternalFailure, "GetRoleCredentials")
			}),
			want: failure{credentials.CodeFailed, `the credential source of profile "default" is failing (InternalFailure: The request processing has failed because of an unknown error, exception or failure.); retrying`, true},
		},
		{
			name: "SSO refresh fails",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				w.loggedIn(t)
				w.Fail(stsfake.Fault{Status: 500, Code: "InternalServerException", Message: "oops"}, "CreateToken")
			}),
			want: failure{credentials.CodeFailed, `the credential source of profile "default" is failing (InternalServerException); retrying`, true},
		},
		{
			name: "SSO refresh asked too often",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				w.loggedIn(t)
				w.Fail(stsfake.Fault{Status: 400, Code: "SlowDownException", Message: "slow down"}, "CreateToken")
			}),
			want: failure{credentials.CodeFailed, `the credential source of profile "default" throttles calls (SlowDownException); retrying`, true},
		},
		{
			name: "hanging",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				w.Hang("GetRoleCredentials")
			}),
			want: failure{credentials.CodeFailed, `the credential source of profile "default" did not answer in time; if it is a credential_process, run its command by hand to see why, else check the network`, true},
		},
		{
			name: "connection refused",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				t.Setenv("AWS_ENDPOINT_URL_SSO", closedPort(t))
			}),
			want: failure{credentials.CodeFailed, `the credential source of profile "default" cannot be reached: dial tcp ADDRESS: connect: connection refused; check the network`, true},
		},
		{
			name:    "legacy: no login",
			prepare: legacy(func(*testing.T, *sources) {}),
			want:    failure{credentials.CodeProfile, `profile "default" has no SSO session (CACHE/9e104e67bc03709422c341f8e7b917448969b3a1.json: no such file or directory); run: aws sso login --profile default`, false},
		},
		{
			name: "legacy: expired",
			prepare: legacy(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				if _, err := w.login.WriteLegacy(w.cache); err != nil {
					t.Fatal(err)
				}
			}),
			want: failure{credentials.CodeProfile, `the SSO session of profile "default" has expired; run: aws sso login --profile default`, false},
		},
		{
			name: "legacy: revoked",
			prepare: legacy(func(t *testing.T, w *sources) {
				w.RevokeSSO(w.login)
				if _, err := w.login.WriteLegacy(w.cache); err != nil {
					t.Fatal(err)
				}
			}),
			want: failure{credentials.CodeProfile, `the SSO session of profile "default" has ended (UnauthorizedException: Session token not found or invalid); run: aws sso login --profile default`, false},
		},
		{
			name: "legacy: incomplete profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nsso_start_url = https://x.awsapps.com/start\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: it is configured to use SSO but is missing required configuration: sso_region, sso_account_id, sso_role_name; fix it in DIR/config:2`, false},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

// The directory may be mounted read-only.
func TestRetrieve_SSOLoginThatCannotBeSavedIsAnError(t *testing.T) {
	for _, reason := range []error{syscall.EACCES, syscall.EROFS} {
		t.Run(reason.Error(), func(t *testing.T) {
			err := &fs.PathError{Op: "open", Path: "/home/.aws/sso/cache/x.json.tmp-1", Err: reason}
			got := provider(roleSpec()).describe(t.Context(), &sourceError{fmt.Errorf("refreshing: %w", err)})
			want := `the SSO login of profile "default" cannot be renewed (/home/.aws/sso/cache/x.json.tmp-1: ` + reason.Error() +
				`); let the daemon's user write there, then run: aws sso login --profile default`
			if e, ok := errors.AsType[*credentials.Error](got); !ok || e.Message != want {
				t.Errorf("got  %v\nwant %s", got, want)
			}
		})
	}
}
