//go:build e2e && linux

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

// TestExec runs clients whose shell has credentials of its own, in the environment and in ~/.aws, and a proxy that nobody is.
func TestExec(t *testing.T) {
	needClients(t)
	fake := stsfake.Start(t)
	dir := newHome(t, fake, "server: {listen: ['127.0.0.1:"+freePort(t)+"']}\n")
	own := fake.AddUser("own")
	env := []string{
		"PATH=" + systemPath, "HOME=" + dir, "LC_ALL=C.UTF-8", "AWS_ENDPOINT_URL_STS=" + fake.URL(),
		"http_proxy=http://127.0.0.1:9", "NO_PROXY=" + strings.TrimPrefix(fake.URL(), "http://"),
		"AWS_ACCESS_KEY_ID=" + own.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + own.SecretAccessKey, "AWS_PROFILE=default",
		"AWS_EC2_METADATA_DISABLED=true",
	}
	run := func(args ...string) (string, error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), buildDaemon(t), args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	who := map[string][]string{
		"aws-cli": {"aws", "sts", "get-caller-identity", "--endpoint-url", fake.URL(), "--query", "Arn", "--output", "text"},
		"boto3": {python, "-c", `
import boto3, sys
session = boto3.Session(region_name=sys.argv[2])
assert session.get_credentials().method == "iam-role", session.get_credentials().method
print(session.client("sts", endpoint_url=sys.argv[1]).get_caller_identity()["Arn"])
`, fake.URL(), region},
	}
	for name, command := range who {
		if out, err := run(append([]string{"exec", "--"}, command...)...); out != sessionARN+"\n" || err != nil {
			t.Errorf("%s, with a daemon of its own: %q, %v; want %s", name, out, err, sessionARN)
		}
	}
	d := startLocal(t, dir, fake.URL())
	d.waitFor(t, `"msg":"got credentials"`)
	calls := fake.Calls("AssumeRole")
	listen := strings.Trim(strings.TrimPrefix(d.url, "http://"), "/")
	for name, command := range who {
		if out, err := run(append([]string{"exec", "--listen", listen, "--"}, command...)...); out != sessionARN+"\n" || err != nil {
			t.Errorf("%s, with the one that runs: %q, %v; want %s", name, out, err, sessionARN)
		}
	}
	script := `eval "$("$0" env --listen ` + listen + `)" && aws sts get-caller-identity --endpoint-url ` + fake.URL() + ` --query Arn --output text`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, buildDaemon(t))
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); string(out) != sessionARN+"\n" || err != nil {
		t.Errorf("aws-cli, after env: %q, %v; want %s", out, err, sessionARN)
	}
	if got := fake.Calls("AssumeRole"); got != calls {
		t.Errorf("the daemon that runs was not used: %d AssumeRole calls after %d", got, calls)
	}
}

// TestExecTerminal gives an MFA code first; then the terminal is the command's.
func TestExecTerminal(t *testing.T) {
	dir := t.TempDir()
	fake := stsfake.Start(t)
	key := fake.AddUser("developer")
	serial := fake.SetMFA("developer", "123456")
	fake.AddRole(roleARN, stsfake.MFA())
	writeFile(t, filepath.Join(dir, ".aws/credentials"),
		"[default]\naws_access_key_id = "+key.AccessKeyID+"\naws_secret_access_key = "+key.SecretAccessKey+"\n")
	writeFile(t, filepath.Join(dir, "conf/config.yaml"),
		"credentials: {source_profile: default, iam_role: '"+roleARN+"', mfa_serial: '"+serial+"'}\nserver: {listen: ['127.0.0.1:"+freePort(t)+"']}\n")
	writeFile(t, filepath.Join(dir, "command"), `trap 'echo interrupted' INT
curl -qsS "${AWS_EC2_METADATA_SERVICE_ENDPOINT}latest/meta-data/iam/security-credentials/myrole" | grep Code
printf 'your name: '; read -r name; echo "hello $name"
printf 'and yours: '; read -r name; echo "hello $name"
sleep 3 # until interrupted
exit 9
`)
	env := []string{"PATH=" + systemPath, "HOME=" + dir, "AWS_ENDPOINT_URL_STS=" + fake.URL()}
	shown, in, cmd := startTerminal(t, dir, env, buildDaemon(t)+" exec --log-level error -- bash command")
	shown.await(t, "MFA code of "+serial+": ", 1)
	typeIn(t, in, "123456\n")
	shown.await(t, `"Code" : "Success"`, 1)
	shown.await(t, "your name: ", 1)
	typeIn(t, in, "first\n")
	shown.await(t, "hello first", 1)
	shown.await(t, "and yours: ", 1)
	typeIn(t, in, "second\n")
	shown.await(t, "hello second", 1)
	typeIn(t, in, "\x03") // Ctrl-C
	shown.await(t, "interrupted", 1)
	if err := cmd.Wait(); err == nil || err.Error() != "exit status 9" {
		t.Errorf("ended with %v", err)
	}
	if shown.shows("interrupted", 2) {
		t.Errorf("interrupted twice:\n%s", shown.text.String())
	}
}
