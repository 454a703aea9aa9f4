package sts

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/internal/testutil"
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

// sources is a fake AWS with one source of credentials of every kind, and a home directory that points to it.
type sources struct {
	*stsfake.Server
	key stsfake.Key
	// task are credentials of a role, for sources that hand out ready credentials.
	task     aws.Credentials
	webToken string
	webFile  string // holds webToken
	login    stsfake.SSOLogin
	dir      string // of the profile files
	cache    string // ~/.aws/sso/cache
	setup    int    // requests made by newSources
}

func newSources(t *testing.T) *sources {
	t.Helper()
	w := &sources{Server: stsfake.Start(t), webToken: "eyJhbGciOiJSUzI1NiJ9.hunter2-of-the-pod.c2lnbmF0dXJl"}
	w.dir = home(t, w.Server, "", "")
	w.key = w.AddUser("developer")
	for _, role := range []string{baseRole, midRole, taskRole, roleARN} {
		w.AddRole(role)
	}
	client := awssts.New(awssts.Options{Region: "us-east-1", BaseEndpoint: aws.String(w.URL()), Credentials: w.key})
	out, err := client.AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: aws.String(taskRole), RoleSessionName: aws.String("task")})
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

	w.cache = filepath.Join(w.dir, "sso", "cache")
	t.Setenv("AWS_ENDPOINT_URL_SSO", w.URL())
	t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", w.URL())
	w.setup = len(w.Requests())
	return w
}

// write writes a file next to the profile files.
func (w *sources) write(t *testing.T, name, content string) (file string) {
	t.Helper()
	return testutil.Write(t, filepath.Join(w.dir, name), content)
}

func (w *sources) config(t *testing.T, content string) { t.Helper(); w.write(t, "config", content) }

// process returns a credential_process line that runs script. JSON in it stands for the name of a file with content.
func (w *sources) process(t *testing.T, script, content string) string {
	t.Helper()
	file := w.write(t, "output.json", content)
	return "credential_process = /bin/sh " + w.write(t, "process", strings.ReplaceAll(script, "JSON", "'"+file+"'")) + "\n"
}

// printed is the task's credentials in the format of credential_process and of container endpoints. Values of extra replace
// its values; nil removes them.
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

// container serves credentials as ECS does, to clients with the token, and points the SDK at it. answer, if not nil,
// replaces the handler.
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

// calls are the requests since newSources, each as action and caller.
func (w *sources) calls() (calls []string) {
	for _, r := range w.Requests()[w.setup:] {
		who := ssoSuffix.ReplaceAllString(r.CallerARN, "AWSReservedSSO_PowerUser_0123456789abcdef")
		calls = append(calls, strings.TrimSpace(r.Action+" "+who))
	}
	return calls
}

// noSecrets checks that text contains no secret of any source.
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
