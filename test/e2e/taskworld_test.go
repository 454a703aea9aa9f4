//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// taskServices enables both services of containers. Tokens of pods are verified by the daemon's own key.
const taskServices = `ecs: {enabled: true}
pod_identity:
  enabled: true
  verify: jwks
  associations:
    - {namespace: shop, service_account: web, role: web}
    - {namespace: shop, service_account: jobs, role: jobs}
`

// The addresses of the services as URLs. Pod Identity has a second one.
const (
	ecsURL             = "http://" + ecsAddress
	podIdentityURL     = "http://" + podIdentityAddress + "/v1/credentials"
	podIdentityURLIPv6 = "http://[" + podIdentityIPv6 + "]/v1/credentials"
)

// taskMachine is a machine with the addresses of both services, in a namespace: a daemon with --link-local, and an STS. It has the
// roles web and jobs beside its own, myrole.
type taskMachine struct {
	machine, vm, pod netns // as of newNetwork
	sts              *stsfake.Server
	home             string
	daemon           *local
}

// newTaskMachine makes one. blocks follow roles in its configuration.
func newTaskMachine(t *testing.T, blocks string) *taskMachine {
	t.Helper()
	m := &taskMachine{}
	m.machine, m.vm, m.pod = newNetwork(t)
	m.sts = stsfake.StartOn(t, m.machine.listen(t, "10.244.1.1:0"))
	m.home = rolesHome(t, m.sts, []string{"web", "jobs"}, blocks)
	m.start(t)
	return m
}

// environ is what the daemon and its commands have in their environment.
func (m *taskMachine) environ() []string {
	return []string{"HOME=" + m.home, "AWS_ENDPOINT_URL_STS=" + m.sts.URL(), endAtOnce}
}

// start starts the daemon, and waits for the credentials of its own role.
func (m *taskMachine) start(t *testing.T) {
	t.Helper()
	cmd := m.machine.command(t, m.environ(), buildDaemon(t), "serve", "--link-local", "--log-format", "json")
	cmd.Dir = m.home
	m.daemon = follow(t, cmd)
}

// id is that of a role's credentials for processes of the machine.
func (m *taskMachine) id(t *testing.T, role string) string {
	t.Helper()
	s := m.status(t)
	for _, identity := range s.Identities {
		if identity.Role == role && identity.ID != "" {
			return identity.ID
		}
	}
	t.Fatalf("no id of %s in %+v", role, s.Identities)
	return ""
}

// status is the daemon's, as the machine sees it.
func (m *taskMachine) status(t *testing.T) *api.Status {
	t.Helper()
	code, body := m.machine.ask(t, "http://127.0.0.1:5000/status")
	var s api.Status
	if err := json.Unmarshal([]byte(body), &s); code != 200 || err != nil {
		t.Fatalf("%d, %v in %s", code, err, body)
	}
	return &s
}

// uri is the relative URI of a role's credentials, as ECS' agent gives it.
func (m *taskMachine) uri(t *testing.T, role string) string {
	t.Helper()
	return "/v2/credentials/" + m.id(t, role)
}

// token makes the token of a pod in the namespace shop, and returns the file that has it. args are further flags of the command.
func (m *taskMachine) token(t *testing.T, account string, args ...string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "eks-pod-identity-token")
	cmd := m.machine.command(t, m.environ(), append([]string{
		buildDaemon(t), "token", "--namespace", "shop", "--service-account", account, "--output", file,
	}, args...)...)
	cmd.Dir = m.home
	if r := finish(t, cmd); r.code != 0 || r.stdout != "" { // it warns of tokens that the daemon refuses
		t.Fatalf("token: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return file
}

// settleLog waits until the log has all requests that are answered: it is written a little later.
func (m *taskMachine) settleLog(t *testing.T) {
	t.Helper()
	end := fmt.Sprint("/v4/end-", len(m.daemon.logged())) // a path of its own
	m.machine.ask(t, ecsURL+end)
	m.daemon.waitFor(t, `"path":"`+end+`"`)
}

// noSecretInLog checks that no line of the daemon's log has one of the texts, whole or the second half.
func (m *taskMachine) noSecretInLog(t *testing.T, secrets ...string) {
	t.Helper()
	m.settleLog(t)
	log := strings.Join(m.daemon.logged(), "\n")
	for _, secret := range secrets {
		if half := secret[len(secret)/2:]; half == "" || strings.Contains(log, half) {
			t.Errorf("the log has %q", half)
		}
	}
}

// sdk is a program that prints whose credentials its SDK finds by itself.
type sdk struct {
	command []string
	who     func(t *testing.T, printed string) string // nil: it prints the ARN
}

// containerSDKs are the programs for credentials of containers. "aws-cli" and "boto3" are Debian's. client reaches the STS.
func containerSDKs(t *testing.T, fake *stsfake.Server, client *http.Client) map[string]sdk {
	t.Helper()
	needClients(t)
	javaScript := installJavaScript(t, "js-others")
	javaScript[1] = filepath.Join(filepath.Dir(javaScript[1]), "credentials.mjs")
	copyFile(t, "testdata/credentials.mjs", javaScript[1], 0o644)
	whoami := filepath.Join(t.TempDir(), "whoami")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", whoami, ".")
	build.Dir = "testdata/whoami"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return map[string]sdk{
		"aws-cli":       {command: whoByCLI(fake.URL())},
		"boto3":         {command: []string{python, "-c", roleProgram, fake.URL(), region}},
		"aws-sdk-go v2": {command: []string{whoami}},
		"aws-sdk-js v3": {javaScript, func(t *testing.T, printed string) string { return ownerOf(t, fake, client, printed) }},
	}
}

// want checks whose credentials the program has printed, and that it has them as containers do.
func (s sdk) want(t *testing.T, role, printed string) {
	t.Helper()
	if s.who != nil {
		printed = s.who(t, printed)
	}
	if got, source, _ := strings.Cut(printed, " "); got != sessionOf(role, instanceID) || source != "" && source != "CredentialsEndpointProvider" {
		t.Errorf("it is %q, want %s", printed, sessionOf(role, instanceID))
	}
}

// wantRole runs the program in a namespace with this environment.
func (s sdk) wantRole(t *testing.T, n netns, stsURL, role string, env ...string) {
	t.Helper()
	r := n.run(t, append([]string{"LC_ALL=C.UTF-8", "AWS_REGION=" + region, "AWS_ENDPOINT_URL_STS=" + stsURL}, env...), s.command...)
	if r.code != 0 {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
		return
	}
	s.want(t, role, strings.TrimSpace(r.stdout))
}

// editConfig replaces a text of the configuration, and waits until the daemon has loaded it.
func (m *taskMachine) editConfig(t *testing.T, from, to string) {
	t.Helper()
	file := filepath.Join(m.home, "conf/config.yaml")
	content, err := os.ReadFile(file)
	if err != nil || strings.Count(string(content), from) != 1 {
		t.Fatalf("%q is not once in %s: %v", from, content, err)
	}
	loads := func() int { return len(m.daemon.logLines(`"msg":"configuration reloaded"`)) }
	before := loads()
	testutil.Write(t, file, strings.Replace(string(content), from, to, 1))
	testutil.Eventually(t, "the configuration is loaded", func() bool { return loads() > before })
}

// webhook are the variables that the webhook of EKS Pod Identity sets.
func webhook(url, file string) []string {
	return []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + file}
}
