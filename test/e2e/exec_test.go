//go:build e2e && linux

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// nowhere is an address at which no program listens. A free port could become another test's, whose daemon exec would use.
const nowhere = "127.0.0.1:9"

// TestExec_HidesTheShellsOwnCredentials runs clients from a shell with credentials of its own, in the environment and in ~/.aws,
// and with a proxy that does not exist.
func TestExec_HidesTheShellsOwnCredentials(t *testing.T) {
	needClients(t)
	fake := stsfake.Start(t)
	dir := newHome(t, fake, "server: {listen: ['"+nowhere+"']}\n")
	own := fake.AddUser("own")
	env := []string{
		"PATH=" + systemPath, "HOME=" + dir, "XDG_RUNTIME_DIR=" + runtimeDir(t), "LC_ALL=C.UTF-8", "AWS_ENDPOINT_URL_STS=" + fake.URL(),
		"http_proxy=http://" + nowhere, "NO_PROXY=" + strings.TrimPrefix(fake.URL(), "http://"),
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
		t.Run(name+" with a daemon of its own", func(t *testing.T) {
			if out, err := run(append([]string{"exec", "--"}, command...)...); out != sessionARN+"\n" || err != nil {
				t.Errorf("%q, %v; want %s", out, err, sessionARN)
			}
		})
	}
	d := startLocal(t, dir, fake.URL())
	d.waitFor(t, `"msg":"got credentials"`)
	calls := fake.Calls("AssumeRole")
	listen := d.address()
	for name, command := range who {
		t.Run(name+" with the running daemon", func(t *testing.T) {
			if out, err := run(append([]string{"exec", "--listen", listen, "--"}, command...)...); out != sessionARN+"\n" || err != nil {
				t.Errorf("%q, %v; want %s", out, err, sessionARN)
			}
		})
	}
	script := `eval "$("$0" env --listen ` + listen + `)" && aws sts get-caller-identity --endpoint-url ` + fake.URL() + ` --query Arn --output text`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, buildDaemon(t))
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); string(out) != sessionARN+"\n" || err != nil {
		t.Errorf("aws-cli, after env: %q, %v; want %s", out, err, sessionARN)
	}
	if got := fake.Calls("AssumeRole"); got != calls {
		t.Errorf("%d AssumeRole calls after %d: the commands did not use the running daemon", got, calls)
	}
}

// TestExec_AsksForTheMFACodeBeforeTheCommandRuns types an MFA code. Then the terminal is the command's.
func TestExec_AsksForTheMFACodeBeforeTheCommandRuns(t *testing.T) {
	fake := stsfake.Start(t)
	dir, serial := mfaHome(t, fake)
	testutil.Write(t, filepath.Join(dir, "command"), `trap 'echo interrupted' INT
curl -qsS "${AWS_EC2_METADATA_SERVICE_ENDPOINT}latest/meta-data/iam/security-credentials/myrole" | grep Code
printf 'your name: '; read -r name; echo "hello $name"
printf 'and yours: '; read -r name; echo "hello $name"
sleep 3 # until interrupted
exit 9
`)
	env := []string{"PATH=" + systemPath, "HOME=" + dir, "XDG_RUNTIME_DIR=" + runtimeDir(t), "AWS_ENDPOINT_URL_STS=" + fake.URL()}
	shown, in, cmd := startTerminal(t, dir, env, buildDaemon(t)+" exec --log-level error --listen "+nowhere+" -- bash command")
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
		t.Errorf("interrupted twice:\n%s", shown.all())
	}
}
