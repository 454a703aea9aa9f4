package cli

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/internal/sdkenv"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// hunter2 is in all secrets that the fake AWS does not issue.
const hunter2 = "hunter2-Hunter2/hunter2"

const baseARN = "arn:aws:iam::123456789012:role/base"

const ssoConfig = `[default]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = PowerUser
[sso-session corp]
sso_region = ` + stsfake.SSORegion + `
sso_start_url = ` + stsfake.SSOStartURL + `
`

// webIdentity is a profile called pod that takes its credentials by a token in a file.
func webIdentity(file string) string {
	return fmt.Sprintf("[profile pod]\nrole_arn = %s\nweb_identity_token_file = %s\n", baseARN, file)
}

// vault is a fake AWS, a daemon for each format of the log, and all outputs of these and of the other commands.
type vault struct {
	*stsfake.Server
	daemons []*running
	outputs map[string]string
	tokens  []string // of IMDSv2
	ids     []string // of roles
	task    aws.Credentials
	n       int // scenarios so far
}

// scenario is one way to get credentials, or to fail to.
type scenario struct {
	name    string
	prepare func(t *testing.T, v *vault)
	profile string // default, or - for none
	own     bool   // the profile's own credentials
	why     string // there are none; "" if there are
}

// TestSecrets_NeverShow plays all scenarios at debug level, and looks for every secret in every output: both formats of the
// log, error documents, /status to clients, and the commands check, doctor, healthcheck, status, reload, mfa, env and exec --role.
func TestSecrets_NeverShow(t *testing.T) {
	v := newVault(t)
	for _, s := range scenarios {
		v.play(t, s)
	}
	v.misconfigure(t)
	for i, d := range v.daemons {
		d.stop()
		v.outputs[fmt.Sprintf("log %d", i)] = d.log.String()
	}
	secrets := slices.Concat(v.Secrets(), v.tokens, v.ids)
	for _, file := range []string{"one", "two"} {
		key, err := os.ReadFile("conf/" + file + "/identity.pem")
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, strings.Split(string(key), "\n")[1])
	}
	if len(secrets) < 100 {
		t.Errorf("only %d secrets", len(secrets))
	}
	for name, output := range v.outputs {
		if output == "" {
			t.Errorf("%s is empty", name)
		}
		for _, secret := range append(secrets, hunter2, base64.StdEncoding.EncodeToString([]byte(hunter2))) {
			for _, form := range forms(secret) {
				if i := strings.Index(output, form); i >= 0 {
					t.Errorf("%s shows %q in\n%s", name, form, output[max(0, i-300):min(len(output), i+len(form)+300)])
				}
			}
		}
	}
}

// forms are how a secret could show: as it is, in a form or a URL, and a part of it if it is long.
func forms(secret string) []string {
	all := []string{secret, url.QueryEscape(secret)}
	if len(secret) > 100 {
		all = append(all, secret[40:80])
	}
	return all
}

func newVault(t *testing.T) *vault {
	t.Helper()
	isolate(t)
	v := &vault{Server: stsfake.Start(t), outputs: map[string]string{}}
	for _, variable := range []string{"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"} {
		t.Setenv(variable, v.URL())
	}
	v.AddRole(baseARN)
	v.AddRole(roleARN, stsfake.ExternalID(hunter2))
	v.AddPermissionSet("123456789012", "PowerUser")
	client := sdksts.New(sdksts.Options{Region: "us-east-1", BaseEndpoint: aws.String(v.URL()), Credentials: v.AddUser("task")})
	out, err := client.AssumeRole(t.Context(), &sdksts.AssumeRoleInput{RoleArn: aws.String(baseARN), RoleSessionName: aws.String("task")})
	if err != nil {
		t.Fatal(err)
	}
	v.task, _ = v.Issued(*out.Credentials.AccessKeyId)
	v.configure(t, scenario{profile: "none"})
	for i, format := range []string{"text", "json"} {
		v.daemons = append(v.daemons, startWith(t, []string{
			"--listen", "127.0.0.1:0", "--log-level", "debug", "--log-format", format,
			"--set", "identity.state_dir=" + [...]string{"conf/one", "conf/two"}[i],
		}))
	}
	return v
}

// configure writes a configuration with all its secrets, that differs from the last one in the session's name.
func (v *vault) configure(t *testing.T, s scenario) {
	t.Helper()
	role := fmt.Sprintf("\n  iam_role: %s\n  session_name: s%d\n  external_id: %s", roleARN, v.n, hunter2)
	if s.own {
		role = ""
	}
	testutil.Write(t, "conf/config.yaml", fmt.Sprintf("credentials:\n  source_profile: '%s'%s\nec2:\n  user_data: |\n    password=%s %d\n",
		strings.TrimSuffix(s.profile, "-"), role, hunter2, v.n)+
		"roles: {web: {external_id: "+hunter2+", iam_role: "+roleARN+"}}\n"+
		"clients: [{from: [192.0.2.7], role: web, ec2: {user_data: "+hunter2+"}}]\n")
}

// play prepares a scenario, asks all that can be asked and keeps the outputs.
func (v *vault) play(t *testing.T, s scenario) {
	t.Helper()
	v.n++
	if s.profile == "" {
		s.profile = "default"
	}
	t.Setenv("AWS_ENDPOINT_URL_STS", v.URL())
	v.Recover()
	for _, file := range []string{".aws/config", ".aws/credentials"} {
		testutil.Write(t, file, "")
	}
	s.prepare(t, v)
	v.configure(t, s)
	for i, d := range v.daemons {
		testutil.Eventually(t, s.name+": "+s.why, func() bool {
			c := d.status(t).Credentials
			if s.why != "" {
				return (c.State == "failed" || c.MFA != nil) && strings.Contains(c.LastError, s.why)
			}
			return c.State == "valid" && (s.own && c.ARN == "" || strings.HasSuffix(c.ARN, fmt.Sprintf("/s%d", v.n)))
		})
		output := fmt.Sprintf("%s, daemon %d: ", s.name, i)
		v.askRole(t, output, d)
		_, role := d.get(t, "latest/meta-data/iam/security-credentials/")
		if document := v.get(t, d, "latest/meta-data/iam/security-credentials/"+role); s.why != "" {
			v.outputs[output+"error document"] = document
		} else if !strings.Contains(document, `"Code" : "Success"`) {
			t.Errorf("%s%s", output, document)
		}
		if data := v.get(t, d, "latest/user-data"); !strings.Contains(data, hunter2) {
			t.Errorf("%suser data: %q", output, data)
		}
		v.get(t, d, "latest/dynamic/instance-identity/pkcs7")
		v.run(t, output+"healthcheck", true, "healthcheck", "--listen", host(d.url))
		v.run(t, output+"status command", true, "status", "--listen", host(d.url))
		v.run(t, output+"status --table", true, "status", "--table", "--listen", host(d.url))
		v.run(t, output+"env of another role", false, "env", "--role", "other", "--listen", host(d.url))
		v.run(t, output+"exec", true, "exec", "--role", "web", "--listen", host(d.url), "--log-level", "debug", "--", "echo", "done")
		v.run(t, output+"reload command", true, "reload", "--listen", host(d.url))
		if s.name != "MFA" {
			v.run(t, output+"mfa command", false, "mfa", "--listen", host(d.url), "123456")
		}
	}
	last := v.daemons[len(v.daemons)-1].url
	environ := append(os.Environ(), sdkenv.EndpointVariable+"="+last) // doctor asks there, and not at 169.254.169.254
	v.runIn(t, environ, s.name+": doctor", s.why == "", "doctor", "--listen", host(last), "--log-level", "debug")
	environ = append(environ, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+last+"v2/credentials/"+v.ids[len(v.ids)-1])
	v.runIn(t, environ, s.name+": doctor after env --role", s.why == "", "doctor", "--listen", host(last), "--log-level", "debug")
	v.run(t, s.name+": check", true, "check", "--log-level", "debug")
	v.run(t, s.name+": check --as", true, "check", "--as", "192.0.2.7", "--log-level", "debug")
	v.run(t, s.name+": check --credentials", s.why == "", "check", "--credentials", "--log-level", "debug")
}

// statusPage is /status without the ids of roles, which it shows to this machine.
func (v *vault) statusPage(t *testing.T, d *running) string {
	t.Helper()
	_, page := d.get(t, "status")
	for _, id := range d.status(t).Identities {
		if id.ID != "" {
			page = strings.ReplaceAll(page, id.ID, "(id)")
		}
	}
	return page
}

// askRole keeps the status, and asks for the credentials of a role by its id.
func (v *vault) askRole(t *testing.T, output string, d *running) {
	t.Helper()
	for _, id := range d.status(t).Identities {
		if id.ID == "" {
			continue
		}
		v.ids = append(v.ids, id.ID)
		d.get(t, "v2/credentials/"+id.ID)
		d.get(t, "v2/credentials/"+id.ID+"/") // an unknown one
	}
	v.outputs[output+"status"] = v.statusPage(t, d)
}

// get asks by IMDSv2, with a token of its own.
func (v *vault) get(t *testing.T, d *running, path string) string {
	t.Helper()
	ask := func(method, path, header, value string) string {
		req, err := http.NewRequest(method, d.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	token := ask(http.MethodPut, "latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	v.tokens = append(v.tokens, token)
	return ask(http.MethodGet, path, "X-aws-ec2-metadata-token", token)
}

// run keeps the output of a command.
func (v *vault) run(t *testing.T, name string, ok bool, args ...string) {
	t.Helper()
	v.runIn(t, os.Environ(), name, ok, args...)
}

func (v *vault) runIn(t *testing.T, environ []string, name string, ok bool, args ...string) {
	t.Helper()
	out := new(testutil.Buffer)
	code := Run(t.Context(), commandLine(environ, out, out, args...))
	if (code == 0) != ok {
		t.Errorf("%s: exit %d\n%s", name, code, out)
	}
	v.outputs[name] = out.String()
}

// misconfigure has secrets where the configuration is wrong: by check, and by a reload that is refused.
func (v *vault) misconfigure(t *testing.T) {
	t.Helper()
	for _, wrong := range []string{
		"credentials: {external_id: '" + hunter2 + " with blanks'}",
		"credentials: {external_id: ['" + hunter2 + "']}",
		"credentials: {external_id: {" + hunter2 + ": 1}}",
		"credentials: {external_id: '" + hunter2 + "', external_id: '" + hunter2 + "'}",
		"credentials: {external_id: '" + hunter2,
		"ec2: {user_data: ['" + hunter2 + "']}",
		"ec2: {user_data: '" + hunter2 + "', user_data_base64: '" + hunter2 + "'}",
		"ec2: {user_data_base64: '!" + hunter2 + "'}",
	} {
		testutil.Write(t, "conf/config.yaml", wrong+"\n")
		v.run(t, "check "+wrong, false, "check")
		for i, d := range v.daemons {
			first, _, _ := strings.Cut(v.outputs["check "+wrong], "\n")
			first = strings.TrimPrefix(first, "mock-ec2-metadata: ")
			testutil.Eventually(t, first, func() bool { return strings.HasPrefix(d.status(t).Config.Error, first) })
			v.outputs[fmt.Sprintf("status %d %s", i, wrong)] = v.statusPage(t, d)
			v.run(t, fmt.Sprintf("reload %d %s", i, wrong), false, "reload", "--listen", host(d.url))
		}
	}
	testutil.Write(t, "conf/config.yaml", "")
	v.run(t, "check --set", false, "check", "--set", "credentials.external_id="+hunter2+" with blanks")
	t.Setenv("MOCK_EC2_METADATA__CREDENTIALS__EXTERNAL_ID", hunter2+" with blanks")
	v.run(t, "check environment", false, "check")
}

// printed is the output of a credential_process or of a container's endpoint.
func (v *vault) printed(more string) string {
	content, _ := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": v.task.AccessKeyID, "SecretAccessKey": v.task.SecretAccessKey,
		"SessionToken": v.task.SessionToken, "Token": v.task.SessionToken, "Expiration": v.task.Expires,
	})
	return string(content) + more
}

// answers serves the same answer to every request.
func answers(t *testing.T, status int, contentType, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
