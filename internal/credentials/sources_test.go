package credentials

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

const (
	userARN  = "arn:aws:iam::123456789012:user/developer"
	baseRole = "arn:aws:iam::123456789012:role/base"
	midRole  = "arn:aws:iam::123456789012:role/mid"
	taskRole = "arn:aws:iam::123456789012:role/task"
	sessions = "arn:aws:sts::123456789012:assumed-role/"
	ssoARN   = sessions + "AWSReservedSSO_PowerUser_0123456789abcdef/alice"

	assumesBase    = "role_arn = " + baseRole + "\nrole_session_name = base\n"
	assumesMid     = "role_arn = " + midRole + "\nrole_session_name = mid\n"
	ssoRole        = "sso_account_id = 123456789012\nsso_role_name = PowerUser\n"
	ssoSessionCorp = "[sso-session corp]\nsso_region = " + stsfake.SSORegion + "\nsso_start_url = " + stsfake.SSOStartURL + "\n"
	ssoLegacy      = ssoRole + "sso_region = " + stsfake.SSORegion + "\nsso_start_url = " + stsfake.SSOStartURL + "\n"
	containerToken = "Bearer hunter2-of-the-container"
)

// sources is a fake AWS with something to get credentials by of every kind, and a home that leads to it.
type sources struct {
	*stsfake.Server
	key stsfake.Key
	// task are a role session's, for what hands out ready credentials.
	task     aws.Credentials
	webToken string
	webFile  string // holds webToken
	login    stsfake.SSOLogin
	dir      string // of the profile files
	cache    string // ~/.aws/sso/cache
	earlier  int    // requests that were made to prepare all this
}

func newSources(t *testing.T) *sources {
	t.Helper()
	w := &sources{Server: stsfake.Start(t), webToken: "eyJhbGciOiJSUzI1NiJ9.hunter2-of-the-pod.c2lnbmF0dXJl"}
	w.dir = home(t, w.Server, "", "")
	w.key = w.AddUser("developer")
	for _, role := range []string{baseRole, midRole, taskRole, roleARN} {
		w.AddRole(role)
	}
	client := sdksts.New(sdksts.Options{Region: "us-east-1", BaseEndpoint: aws.String(w.URL()), Credentials: w.key})
	out, err := client.AssumeRole(t.Context(), &sdksts.AssumeRoleInput{RoleArn: aws.String(taskRole), RoleSessionName: aws.String("task")})
	if err != nil {
		t.Fatal(err)
	}
	w.task = aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey,
		SessionToken: *out.Credentials.SessionToken, Expires: *out.Credentials.Expiration,
	}
	w.AddWebIdentity(w.webToken, baseRole)
	w.webFile = w.write(t, "token", w.webToken)
	w.AddPermissionSet("123456789012", "PowerUser")
	w.login = w.LoginSSO("alice")

	user := t.TempDir()
	t.Setenv("HOME", user)
	w.cache = filepath.Join(user, ".aws", "sso", "cache")
	t.Setenv("AWS_ENDPOINT_URL_SSO", w.URL())
	t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", w.URL())
	w.earlier = len(w.Requests())
	return w
}

// write makes a file next to the profile files.
func (w *sources) write(t *testing.T, name, content string) (file string) {
	t.Helper()
	file = filepath.Join(w.dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (w *sources) config(t *testing.T, content string) { t.Helper(); w.write(t, "config", content) }

// process is a credential_process line that runs script, in which JSON is the name of a file with content.
func (w *sources) process(t *testing.T, script, content string) string {
	t.Helper()
	file := w.write(t, "output.json", content)
	return "credential_process = /bin/sh " + w.write(t, "process", strings.ReplaceAll(script, "JSON", "'"+file+"'")) + "\n"
}

// printed is what a credential_process or a container's endpoint gives for the task's credentials. Values of extra
// replace its own, nil ones take them away.
func (w *sources) printed(extra map[string]any) string {
	all := map[string]any{
		"Version": 1, "AccessKeyId": w.task.AccessKeyID, "SecretAccessKey": w.task.SecretAccessKey,
		"SessionToken": w.task.SessionToken, "Token": w.task.SessionToken, "Expiration": w.task.Expires,
	}
	for name, value := range extra {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	content, _ := json.Marshal(all)
	return string(content)
}

// container serves credentials as ECS does to who knows the token, and points the SDK at it. answer replaces what it
// says.
func (w *sources) container(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	if answer == nil {
		answer = func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			if r.Header.Get("Authorization") != containerToken {
				rw.WriteHeader(http.StatusUnauthorized)
				_, _ = rw.Write([]byte(`{"code":"Unauthorized","message":"invalid token"}`))
				return
			}
			_, _ = rw.Write([]byte(w.printed(nil)))
		}
	}
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL+"/role")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", containerToken)
}

// environment sets the user's key in the environment.
func (w *sources) environment(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", w.key.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", w.key.SecretAccessKey)
}

// loggedIn writes the cache file of the session corp.
func (w *sources) loggedIn(t *testing.T) (file string) {
	t.Helper()
	file, err := w.login.WriteSession(w.cache, "corp")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

var unixTime = regexp.MustCompile(`\b[0-9]{10}([0-9]{9})?\b`)

var ssoSuffix = regexp.MustCompile(`AWSReservedSSO_PowerUser_[0-9a-f]{16}`)

// calls are the requests since the beginning, each as action and caller.
func (w *sources) calls() (calls []string) {
	for _, r := range w.Requests()[w.earlier:] {
		who := ssoSuffix.ReplaceAllString(r.CallerARN, "AWSReservedSSO_PowerUser_0123456789abcdef")
		calls = append(calls, strings.TrimSpace(r.Action+" "+who))
	}
	return calls
}

// noSecrets checks that text shows nothing of any source.
func (w *sources) noSecrets(t *testing.T, text string) {
	t.Helper()
	secrets := []string{
		"hunter2", w.key.SecretAccessKey, w.task.SecretAccessKey, w.task.SessionToken, w.webToken,
		w.login.AccessToken, w.login.RefreshToken, w.login.ClientSecret,
	}
	if files, _ := filepath.Glob(filepath.Join(w.cache, "*.json")); len(files) == 1 {
		if now, err := stsfake.ReadLogin(files[0]); err == nil && now.AccessToken != "" {
			secrets = append(secrets, now.AccessToken)
			if now.RefreshToken != "" {
				secrets = append(secrets, now.RefreshToken)
			}
		}
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows in\n%s", secret, text)
		}
	}
}

func TestSources(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, w *sources)
		noName  bool     // no profile is named
		want    []string // the calls; the last one is ours
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
			name: "slow credential_process without an end",
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
			name:    "no profile named, keys in the environment",
			prepare: func(t *testing.T, w *sources) { w.environment(t) },
			noName:  true,
			want:    []string{"AssumeRole " + userARN},
		},
		{
			name: "no profile named, AWS_PROFILE",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("work", w.key))
				t.Setenv("AWS_PROFILE", "work")
			},
			noName: true,
			want:   []string{"AssumeRole " + userARN},
		},
		{
			name: "no profile named, keys in the environment and AWS_PROFILE",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[profile work]\n"+w.process(t, "cat JSON", w.printed(nil)))
				t.Setenv("AWS_PROFILE", "work")
				w.environment(t)
			},
			noName: true,
			want:   []string{"AssumeRole " + userARN},
		},
		{
			name:    "no profile named, default",
			prepare: func(t *testing.T, w *sources) { w.write(t, "credentials", keys("default", w.key)) },
			noName:  true,
			want:    []string{"AssumeRole " + userARN},
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
			noName: true,
			want:   []string{"AssumeRoleWithWebIdentity", "AssumeRole " + sessions + "base/pod"},
		},
		{
			name:    "no profile named, container",
			prepare: func(t *testing.T, w *sources) { w.container(t, nil) },
			noName:  true,
			want:    []string{"AssumeRole " + sessions + "task/task"},
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
			opt := options()
			if tt.noName {
				opt.Profile = ""
			}
			var log bytes.Buffer
			a := NewSTS(opt, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), time.Now)
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

// TestSSORefreshIsKept checks what a refresh leaves for the next renewal, and for the CLI.
func TestSSORefreshIsKept(t *testing.T) {
	w := newSources(t)
	w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
	w.login = w.ExpireSSO(w.login)
	file := w.loggedIn(t)
	a := provider(options())
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
		t.Error("the file keeps the tokens of before")
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

// TestSourceIsMended takes a source away and gives it back, to the same provider.
func TestSourceIsMended(t *testing.T) {
	w := newSources(t)
	w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
	a := provider(options())
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

// TestDefaultFiles runs itself with a HOME of its own: the SDK finds ~/.aws/config when the process begins.
func TestDefaultFiles(t *testing.T) {
	const inside = "TEST_DEFAULT_FILES"
	if os.Getenv(inside) != "" {
		opt := options()
		opt.Profile = ""
		if _, err := provider(opt).Retrieve(t.Context()); err != nil {
			t.Error(err)
		}
		return
	}
	w := newSources(t)
	aws := filepath.Dir(filepath.Dir(w.cache))
	if err := os.MkdirAll(aws, 0o700); err != nil {
		t.Fatal(err)
	}
	w.dir = aws
	w.config(t, "[default]\n"+assumesBase+"source_profile = keys\n")
	w.write(t, "credentials", keys("keys", w.key))
	_ = os.Unsetenv("AWS_CONFIG_FILE")
	_ = os.Unsetenv("AWS_SHARED_CREDENTIALS_FILE")
	t.Setenv(inside, "1")
	out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDefaultFiles$").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff([]string{"AssumeRole " + userARN, "AssumeRole " + sessions + "base/base"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	w.noSecrets(t, string(out))
}
