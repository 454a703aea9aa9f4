//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/test/stsfake"
)

// roleProgram prints the ARN of the credentials that boto3 got as containers of ECS do.
var roleProgram = strings.ReplaceAll(whoProgram, `"iam-role"`, `"container-role"`)

// endAtOnce lets a program that was built with the race detector end at once. It sleeps for a second otherwise.
const endAtOnce = "GORACE=atexit_sleep_ms=0"

// shell is a shell with credentials, a profile and a dead proxy of its own.
type shell struct {
	dir string
	env []string
}

// run runs a command and returns its output without the newline at the end.
func (s shell) run(t *testing.T, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = s.dir, s.env
	r := finish(t, cmd)
	if r.code != 0 || r.stderr != "" {
		t.Errorf("%q: exit %d\n%s", command, r.code, r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// TestIdentities_ExecAndEnvGiveTheRoleThatTheyName runs clients with a role, without a daemon and with one. An entry for all
// addresses takes the roles of the metadata service away.
func TestIdentities_ExecAndEnvGiveTheRoleThatTheyName(t *testing.T) {
	needClients(t)
	fake := stsfake.Start(t)
	dir := rolesHome(t, fake, []string{"web", "jobs"}, "server: {listen: ['"+nowhere+"']}\n"+
		"clients:\n  - {from: [0.0.0.0/0, '::/0'], role: none}\n")
	own := fake.AddUser("own")
	proxy := "http://" + nowhere
	s := shell{dir, []string{
		endAtOnce,
		"PATH=" + systemPath, "HOME=" + dir, "XDG_RUNTIME_DIR=" + runtimeDir(t), "LC_ALL=C.UTF-8", "AWS_ENDPOINT_URL_STS=" + fake.URL(),
		"http_proxy=" + proxy, "HTTP_PROXY=" + proxy, "https_proxy=" + proxy, "HTTPS_PROXY=" + proxy, "ALL_PROXY=" + proxy,
		"NO_PROXY=" + strings.TrimPrefix(fake.URL(), "http://"),
		"AWS_ACCESS_KEY_ID=" + own.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + own.SecretAccessKey, "AWS_PROFILE=default",
	}}
	programs := containerSDKs(t, fake, http.DefaultClient)
	bin := buildDaemon(t)
	for name, program := range programs {
		t.Run(name+" without a daemon", func(t *testing.T) {
			program.want(t, "web", s.run(t, append([]string{bin, "exec", "--role", "web", "--"}, program.command...)...))
		})
	}

	d := startLocal(t, dir, fake.URL())
	d.waitFor(t, `"msg":"got credentials"`)
	web := callsFor(fake, "web")
	for name, program := range programs {
		t.Run(name+" with a daemon", func(t *testing.T) {
			program.want(t, "jobs", s.run(t, append([]string{bin, "exec", "--listen", d.address(), "--role", "jobs", "--"}, program.command...)...))
		})
		t.Run(name+" after env", func(t *testing.T) {
			script := `changes=$("$0" env --listen "$1" --role web) || exit; eval "$changes"; shift; exec "$@"`
			program.want(t, "web", s.run(t, append([]string{"sh", "-c", script, bin, d.address()}, program.command...)...))
		})
	}
	if got := []int{callsFor(fake, "web") - web, callsFor(fake, "jobs")}; got[0] != 1 || got[1] != 1 {
		t.Errorf("%v calls of STS for the roles of the running daemon, want one of each", got)
	}
	t.Run("unknown role", func(t *testing.T) {
		cmd := exec.Command(bin, "exec", "--listen", d.address(), "--role", "wep", "--", "true")
		cmd.Dir, cmd.Env = s.dir, s.env
		if r := finish(t, cmd); r.code != 125 || !strings.Contains(r.stderr, `has no role "wep"`) {
			t.Errorf("exit %d, %s", r.code, r.stderr)
		}
	})
}

// ownerOf asks STS, by a client that reaches it, for the ARN of credentials: a JSON list of key id, secret and token.
func ownerOf(t *testing.T, fake *stsfake.Server, client *http.Client, printed string) string {
	t.Helper()
	var c []string
	if err := json.Unmarshal([]byte(printed), &c); err != nil || len(c) != 3 {
		t.Errorf("%v in %s", err, printed)
		return ""
	}
	who := sts.New(sts.Options{
		Region: region, BaseEndpoint: aws.String(fake.URL()), HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider(c[0], c[1], c[2]),
	})
	out, err := who.GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	return aws.ToString(out.Arn)
}
