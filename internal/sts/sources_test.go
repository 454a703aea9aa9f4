package sts

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

func TestRetrieve_WorksWithEverySource(t *testing.T) {
	for _, tt := range []struct {
		name      string
		prepare   func(t *testing.T, w *sources)
		noProfile bool     // Spec.Profile is ""
		want      []string // the calls; the last one is Retrieve's own, the others are the source's
	}{
		{
			name:    "static keys",
			prepare: func(t *testing.T, w *sources) { w.write(t, "credentials", keys("default", w.key)) },
			want:    []string{"AssumeRole " + userARN},
		},
		{
			name:    "static keys in the config file",
			prepare: func(t *testing.T, w *sources) { w.config(t, keys("default", w.key)) },
			want:    []string{"AssumeRole " + userARN},
		},
		{
			name: "static keys of a session",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", stsfake.Key{AccessKeyID: w.task.AccessKeyID, SecretAccessKey: w.task.SecretAccessKey})+
					"aws_session_token = "+w.task.SessionToken+"\n")
			},
			want: []string{"AssumeRole " + sessions + "task/task"},
		},
		{
			name: "both files elsewhere",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_CONFIG_FILE", w.write(t, "other.ini", "[default]\n"+assumesBase+"source_profile = keys\n"))
				t.Setenv("AWS_SHARED_CREDENTIALS_FILE", w.write(t, "other-keys.ini", keys("keys", w.key)))
			},
			want: []string{"AssumeRole " + userARN, "AssumeRole " + sessions + "base/base"},
		},
		{
			name: "chain of two roles",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesMid+"source_profile = first\n[profile first]\n"+assumesBase+"source_profile = keys\n")
				w.write(t, "credentials", keys("keys", w.key))
			},
			want: []string{"AssumeRole " + userARN, "AssumeRole " + sessions + "base/base", "AssumeRole " + sessions + "mid/mid"},
		},
		{
			name: "credential_source Environment",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = Environment\n")
				w.environment(t)
			},
			want: []string{"AssumeRole " + userARN, "AssumeRole " + sessions + "base/base"},
		},
		{
			name: "credential_source EcsContainer",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
				w.container(t, nil)
			},
			want: []string{"AssumeRole " + sessions + "task/task", "AssumeRole " + sessions + "base/base"},
		},
		{
			name: "container with a token file",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nregion = us-east-1\n")
				w.container(t, nil)
				t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
				t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", w.write(t, "container-token", containerToken))
			},
			want: []string{"AssumeRole " + sessions + "task/task"},
		},
		{
			name: "web_identity_token_file",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"web_identity_token_file = "+w.webFile+"\n")
			},
			want: []string{"AssumeRoleWithWebIdentity", "AssumeRole " + sessions + "base/base"},
		},
		{
			name: "web_identity_token_file of the source_profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesMid+"source_profile = pod\n[profile pod]\n"+assumesBase+"web_identity_token_file = "+w.webFile+"\n")
			},
			want: []string{"AssumeRoleWithWebIdentity", "AssumeRole " + sessions + "base/base", "AssumeRole " + sessions + "mid/mid"},
		},
		{
			name: "sso_session",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
				w.loggedIn(t)
			},
			want: []string{"GetRoleCredentials", "AssumeRole " + ssoARN},
		},
		{
			name: "sso_session of the source_profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = sso\n[profile sso]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
				w.loggedIn(t)
			},
			want: []string{"GetRoleCredentials", "AssumeRole " + ssoARN, "AssumeRole " + sessions + "base/base"},
		},
		{
			name: "sso_session to be refreshed",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
				w.login = w.ExpireSSO(w.login)
				w.loggedIn(t)
			},
			want: []string{"CreateToken", "GetRoleCredentials", "AssumeRole " + ssoARN},
		},
		{
			name: "legacy SSO",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+ssoLegacy)
				if _, err := w.login.WriteLegacy(w.cache); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"GetRoleCredentials", "AssumeRole " + ssoARN},
		},
		{
			name: "credential_process",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+w.process(t, "cat JSON", w.printed(nil)))
			},
			want: []string{"AssumeRole " + sessions + "task/task"},
		},
		{
			name: "slow credential_process without an expiry",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+w.process(t, "sleep 1; cat JSON", w.printed(map[string]any{"Expiration": nil})))
			},
			want: []string{"AssumeRole " + sessions + "task/task"},
		},
		{
			name: "credential_process of the source_profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = p\n[profile p]\n"+w.process(t, "cat JSON", w.printed(nil)))
			},
			want: []string{"AssumeRole " + sessions + "task/task", "AssumeRole " + sessions + "base/base"},
		},
		{
			name:      "no profile named, keys in the environment",
			prepare:   func(t *testing.T, w *sources) { w.environment(t) },
			noProfile: true,
			want:      []string{"AssumeRole " + userARN},
		},
		{
			name: "no profile named, AWS_PROFILE",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("work", w.key))
				t.Setenv("AWS_PROFILE", "work")
			},
			noProfile: true,
			want:      []string{"AssumeRole " + userARN},
		},
		{
			name: "no profile named, keys in the environment and AWS_PROFILE",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[profile work]\n"+w.process(t, "cat JSON", w.printed(nil)))
				t.Setenv("AWS_PROFILE", "work")
				w.environment(t)
			},
			noProfile: true,
			want:      []string{"AssumeRole " + userARN},
		},
		{
			name:      "no profile named, default",
			prepare:   func(t *testing.T, w *sources) { w.write(t, "credentials", keys("default", w.key)) },
			noProfile: true,
			want:      []string{"AssumeRole " + userARN},
		},
		{
			name: "no profile named, web identity in the environment",
			prepare: func(t *testing.T, w *sources) {
				for name, value := range map[string]string{
					"AWS_WEB_IDENTITY_TOKEN_FILE": w.webFile, "AWS_ROLE_ARN": baseRole, "AWS_ROLE_SESSION_NAME": "pod",
				} {
					t.Setenv(name, value)
				}
			},
			noProfile: true,
			want:      []string{"AssumeRoleWithWebIdentity", "AssumeRole " + sessions + "base/pod"},
		},
		{
			name: "no profile named, web identity in the environment, but a role by way of a profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesMid+"source_profile = keys\n")
				w.write(t, "credentials", keys("keys", w.key))
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", w.webFile)
				t.Setenv("AWS_ROLE_ARN", baseRole)
			},
			noProfile: true,
			want:      []string{"AssumeRole " + userARN, "AssumeRole " + sessions + "mid/mid"},
		},
		{
			name: "no profile named, web identity in the environment, and keys in the profile",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", w.key))
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", w.webFile)
				t.Setenv("AWS_ROLE_ARN", baseRole)
				t.Setenv("AWS_ROLE_SESSION_NAME", "pod")
			},
			noProfile: true,
			want:      []string{"AssumeRoleWithWebIdentity", "AssumeRole " + sessions + "base/pod"},
		},
		{
			name: "no profile named, only a secret key in the environment",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", w.key))
				t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
			},
			noProfile: true,
			want:      []string{"AssumeRole " + userARN},
		},
		{
			name:      "no profile named, container",
			prepare:   func(t *testing.T, w *sources) { w.container(t, nil) },
			noProfile: true,
			want:      []string{"AssumeRole " + sessions + "task/task"},
		},
		{
			name: "a named profile and other keys in the environment",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", w.key))
				t.Setenv("AWS_ACCESS_KEY_ID", w.task.AccessKeyID)
				t.Setenv("AWS_SECRET_ACCESS_KEY", w.task.SecretAccessKey)
				t.Setenv("AWS_SESSION_TOKEN", w.task.SessionToken)
				t.Setenv("AWS_PROFILE", "none")
			},
			want: []string{"AssumeRole " + userARN},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newSources(t)
			tt.prepare(t, w)
			spec := roleSpec()
			if tt.noProfile {
				spec.Profile = ""
			}
			var log bytes.Buffer
			a := New(spec, Options{Log: debugLog(&log)})
			c, err := a.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.ARN != sessionARN {
				t.Errorf("credentials of %s", c.ARN)
			}
			if diff := cmp.Diff(tt.want, w.calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			w.noSecrets(t, fmt.Sprintf("%v %+v %#v\n%s", c, *c, *c, log.String()))
		})
	}
}

// The next renewal and the AWS CLI read the file.
func TestRetrieve_SavesTheRefreshedSSOLogin(t *testing.T) {
	w := newSources(t)
	w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
	w.login = w.ExpireSSO(w.login)
	file := w.loggedIn(t)
	a := provider(roleSpec())
	for range 2 {
		if _, err := a.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.Calls("CreateToken"); n != 1 {
		t.Errorf("refreshed %d times", n)
	}
	got, err := stsfake.ReadLogin(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessToken == w.login.AccessToken || got.RefreshToken == w.login.RefreshToken || got.RefreshToken == "" {
		t.Error("the file still has the old tokens")
	}
	if left := time.Until(got.ExpiresAt); left > time.Hour || left < 59*time.Minute {
		t.Errorf("%v left", left)
	}
	got.AccessToken, got.RefreshToken, got.ExpiresAt = w.login.AccessToken, w.login.RefreshToken, w.login.ExpiresAt
	if diff := cmp.Diff(w.login, got); diff != "" {
		t.Errorf("the rest of the file (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if files, _ := os.ReadDir(w.cache); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestRetrieve_SucceedsAfterTheSourceIsFixed(t *testing.T) {
	w := newSources(t)
	w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
	a := provider(roleSpec())
	if _, err := a.Retrieve(t.Context()); err == nil {
		t.Fatal("got credentials without a login")
	}
	w.loggedIn(t)
	if _, err := a.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.RevokeSSO(w.login)
	if _, err := a.Retrieve(t.Context()); err == nil {
		t.Fatal("got credentials after the login was revoked")
	}
	w.login = w.LoginSSO("alice")
	w.loggedIn(t)
	if _, err := a.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The SDK looks up ~/.aws only once per process, so the test runs itself in another one.
func TestRetrieve_ReadsTheFilesOfHOME(t *testing.T) {
	const inside = "TEST_DEFAULT_FILES"
	if os.Getenv(inside) != "" {
		spec := roleSpec()
		spec.Profile = ""
		if _, err := provider(spec).Retrieve(t.Context()); err != nil {
			t.Error(err)
		}
		return
	}
	w := newSources(t)
	w.config(t, "[default]\n"+assumesBase+"source_profile = keys\n")
	w.write(t, "credentials", keys("keys", w.key))
	_ = os.Unsetenv("AWS_CONFIG_FILE")
	_ = os.Unsetenv("AWS_SHARED_CREDENTIALS_FILE")
	t.Setenv(inside, "1")
	out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff([]string{"AssumeRole " + userARN, "AssumeRole " + sessions + "base/base"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	w.noSecrets(t, string(out))
}
