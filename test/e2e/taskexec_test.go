//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// podsOfExec are two associations. pod_identity itself is off.
const podsOfExec = `pod_identity:
  associations:
    - {namespace: shop, service_account: web, role: web}
    - {namespace: shop, service_account: jobs, role: jobs}
`

// newTaskShell makes a shell with credentials of its own and a dead proxy. Its daemon listens nowhere, unless it is started.
func newTaskShell(t *testing.T, fake *stsfake.Server, more string) shell {
	t.Helper()
	dir := rolesHome(t, fake, []string{"web", "jobs"}, "server: {listen: ['"+nowhere+"']}\n"+more)
	own := fake.AddUser("own")
	proxy := "http://" + nowhere
	return shell{dir, []string{
		endAtOnce,
		"PATH=" + systemPath, "HOME=" + dir, "XDG_RUNTIME_DIR=" + runtimeDir(t), "TMPDIR=" + t.TempDir(), "LC_ALL=C.UTF-8", "AWS_ENDPOINT_URL_STS=" + fake.URL(),
		"http_proxy=" + proxy, "HTTP_PROXY=" + proxy, "https_proxy=" + proxy, "HTTPS_PROXY=" + proxy, "ALL_PROXY=" + proxy,
		"NO_PROXY=" + strings.TrimPrefix(fake.URL(), "http://"),
		"AWS_ACCESS_KEY_ID=" + own.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + own.SecretAccessKey, "AWS_PROFILE=default",
	}}
}

// fails runs a command that must fail, and returns its exit code and what it printed to stderr.
func (s shell) fails(t *testing.T, command ...string) (code int, stderr string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = s.dir, s.env
	r := finish(t, cmd)
	if r.code == 0 {
		t.Errorf("%q succeeds: %s", command, r.stdout)
	}
	return r.code, r.stderr
}

// evaluate is a script for sh that evaluates what env with the flags $2 prints, and runs a command. $1 is where the daemon listens.
const evaluate = `changes=$("$0" env --listen "$1" $2) || exit; eval "$changes"; shift 2; exec "$@"`

// TestTasks_ExecAndEnvMakeAContainerOfECS runs clients as in a container of ECS, without a daemon and with one.
func TestTasks_ExecAndEnvMakeAContainerOfECS(t *testing.T) {
	fake := stsfake.Start(t)
	s, bin := newTaskShell(t, fake, ""), buildDaemon(t)
	programs := containerSDKs(t, fake, http.DefaultClient)
	for name, program := range programs {
		t.Run(name+" without a daemon", func(t *testing.T) {
			program.want(t, "myrole", s.run(t, append([]string{bin, "exec", "--ecs", "--"}, program.command...)...))
			program.want(t, "web", s.run(t, append([]string{bin, "exec", "--ecs", "--role", "web", "--"}, program.command...)...))
		})
	}
	d := startLocal(t, s.dir, fake.URL())
	d.waitFor(t, `"msg":"got credentials"`)
	calls := fake.Calls("AssumeRole")
	for name, program := range programs {
		t.Run(name+" with a daemon", func(t *testing.T) {
			program.want(t, "myrole", s.run(t, append([]string{bin, "exec", "--listen", d.address(), "--ecs", "--"}, program.command...)...))
			program.want(t, "jobs", s.run(t, append([]string{bin, "exec", "--listen", d.address(), "--ecs", "--role", "jobs", "--"}, program.command...)...))
		})
		t.Run(name+" after env", func(t *testing.T) {
			program.want(t, "myrole", s.run(t, append([]string{"sh", "-c", evaluate, bin, d.address(), "--ecs"}, program.command...)...))
			program.want(t, "jobs", s.run(t, append([]string{"sh", "-c", evaluate, bin, d.address(), "--ecs --role jobs"}, program.command...)...))
		})
	}
	if got := fake.Calls("AssumeRole") - calls; got != 1 {
		t.Errorf("%d calls of STS beside that of the daemon's own role, want one", got)
	}
	for name, command := range map[string][]string{
		"env":          {"sh", "-c", evaluate, bin, d.address(), "--ecs"},
		"exec":         {bin, "exec", "--listen", d.address(), "--ecs", "--"},
		"exec's own":   {bin, "exec", "--ecs", "--"},
		"env's proxy":  {"env", "NO_PROXY=", "sh", "-c", evaluate, bin, d.address(), "--ecs"},
		"exec's proxy": {"env", "NO_PROXY=", bin, "exec", "--listen", d.address(), "--ecs", "--"},
	} {
		t.Run("task metadata by "+name, func(t *testing.T) {
			get := []string{"sh", "-ec", `echo "$AWS_EXECUTION_ENV $AWS_REGION"
				curl -qfsS "$ECS_CONTAINER_METADATA_URI_V4"; echo; curl -qfsS "$ECS_CONTAINER_METADATA_URI_V4/task"; echo
				curl -qfsS "$ECS_CONTAINER_METADATA_URI/task"; echo; curl -qfsS "$ECS_CONTAINER_METADATA_URI_V4/task/stats"`}
			lines := strings.Split(s.run(t, append(command, get...)...), "\n")
			if len(lines) != 5 || lines[0] != "AWS_ECS_EC2 "+region {
				t.Fatalf("%q", lines)
			}
			wantTask(t, lines[1], lines[2], lines[3])
		})
	}
}

// wantTask checks the metadata of the machine itself: its container, and its task in versions 4 and 3.
func wantTask(t *testing.T, container, task, task3 string) {
	t.Helper()
	var c struct{ DockerID, Name, KnownStatus, Type string }
	if err := json.Unmarshal([]byte(container), &c); err != nil || c.KnownStatus != "RUNNING" || c.Type != "NORMAL" {
		t.Errorf("%v in %s", err, container)
	}
	for version, text := range map[int]string{4: task, 3: task3} {
		var whole struct {
			Cluster, TaskARN, Revision, LaunchType string
			Containers                             []struct{ DockerID string }
		}
		if err := json.Unmarshal([]byte(text), &whole); err != nil || whole.Cluster != "local" || whole.Revision != "1" ||
			!strings.HasPrefix(whole.TaskARN, "arn:aws:ecs:"+region+":123456789012:task/local/") || (whole.LaunchType == "EC2") != (version == 4) ||
			len(whole.Containers) != 1 || whole.Containers[0].DockerID != c.DockerID {
			t.Errorf("version %d: %v in %s", version, err, text)
		}
		if strings.Contains(strings.ToLower(text), "credential") {
			t.Errorf("it tells of credentials: %s", text)
		}
	}
}

// TestPods_ExecMakesAPod runs clients as in a pod of EKS, without a cluster.
func TestPods_ExecMakesAPod(t *testing.T) {
	fake := stsfake.Start(t)
	s, bin := newTaskShell(t, fake, podsOfExec), buildDaemon(t)
	programs := containerSDKs(t, fake, http.DefaultClient)
	as := func(account string, command ...string) []string {
		return append([]string{bin, "exec", "--pod-identity", "--namespace", "shop", "--service-account", account, "--"}, command...)
	}
	for _, name := range []string{"aws-sdk-go v2", "aws-sdk-js v3"} {
		t.Run(name, func(t *testing.T) {
			programs[name].want(t, "web", s.run(t, as("web", programs[name].command...)...))
			programs[name].want(t, "jobs", s.run(t, as("jobs", programs[name].command...)...))
		})
	}
	t.Run("Debian 12's boto3 gets no role", func(t *testing.T) { // it knows no file with a token
		if _, stderr := s.fails(t, as("web", programs["boto3"].command...)...); !strings.Contains(stderr, "Service account token cannot be empty") {
			t.Error(stderr)
		}
	})
	t.Run("its token is for it alone", func(t *testing.T) {
		printed := s.run(t, as("web", "sh", "-ec", `stat -c '%a %u' "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"; echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
			curl -qsS -H "Authorization: $(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")" "$AWS_CONTAINER_CREDENTIALS_FULL_URI" | grep -o '^{"AccessKeyId":"ASIA'
			env | grep -c '^AWS_.*eyJ' || true`)...)
		lines := strings.Split(printed, "\n")
		if len(lines) != 4 || lines[0] != "600 0" || lines[2] != `{"AccessKeyId":"ASIA` || lines[3] != "0" {
			t.Fatalf("%q", lines)
		}
		if _, err := os.Stat(filepath.Dir(lines[1])); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder of the token remains: %v", err)
		}
	})
	t.Run("which pod must be clear", func(t *testing.T) {
		for want, command := range map[string][]string{
			"several associations: shop/web, shop/jobs; name one": {bin, "exec", "--pod-identity", "--", "true"},
			"has no association of shop/web2":                     as("web2", "true"),
		} {
			if code, stderr := s.fails(t, command...); code != 125 || !strings.Contains(stderr, want) {
				t.Errorf("exit %d, %s", code, stderr)
			}
		}
	})
}

// TestTasks_AuthorizationOfAFileReachesClients has a daemon whose clients must send a text, and a proxy that does not exist.
func TestTasks_AuthorizationOfAFileReachesClients(t *testing.T) {
	const secret = "a secret of the file's"
	fake := stsfake.Start(t)
	s, bin := newTaskShell(t, fake, "ecs: {authorization_file: token}\n"), buildDaemon(t)
	testutil.Write(t, filepath.Join(s.dir, "conf/token"), secret)
	programs := containerSDKs(t, fake, http.DefaultClient)
	d := startLocal(t, s.dir, fake.URL())
	d.waitFor(t, `"msg":"got credentials"`)
	for _, name := range []string{"aws-sdk-go v2", "aws-sdk-js v3"} { // those that know the variable of the file
		program := programs[name]
		t.Run(name, func(t *testing.T) {
			program.want(t, "web", s.run(t, append([]string{"sh", "-c", evaluate, bin, d.address(), "--role web"}, program.command...)...))
			program.want(t, "web", s.run(t, append([]string{"sh", "-c", evaluate, bin, d.address(), "--ecs --role web"}, program.command...)...))
			program.want(t, "jobs", s.run(t, append([]string{bin, "exec", "--listen", d.address(), "--role", "jobs", "--"}, program.command...)...))
			program.want(t, "jobs", s.run(t, append([]string{bin, "exec", "--role", "jobs", "--"}, program.command...)...))
			program.want(t, "myrole", s.run(t, append([]string{bin, "exec", "--ecs", "--"}, program.command...)...))
		})
	}
	t.Run("without it", func(t *testing.T) {
		got := s.run(t, "sh", "-c", evaluate, bin, d.address(), "--role web", "sh", "-c",
			`curl -qsS "$AWS_CONTAINER_CREDENTIALS_FULL_URI"; curl -qsS -H "Authorization: Bearer $(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"`)
		if strings.Count(got, `{"code":"Unauthorized",`) != 2 || strings.Contains(got, "AccessKeyId") {
			t.Error(got)
		}
	})
	d.waitFor(t, `"path":"/v2/credentials/…","status":401`)
	if log := strings.Join(d.logged(), "\n"); strings.Contains(log, secret) {
		t.Error("the log has the text")
	}
	t.Run("a text in the configuration", func(t *testing.T) { // which Debian's clients know, too
		testutil.Write(t, filepath.Join(s.dir, "conf/config.yaml"), "credentials:\n  source_profile: default\n  iam_role: "+roleARN+"\naws:\n  region: "+region+"\n"+
			rolesBlock([]string{"web", "jobs"})+"server: {listen: ['"+nowhere+"']}\necs: {authorization: another secret}\n")
		d.waitFor(t, `"msg":"configuration reloaded"`)
		for _, program := range programs {
			program.want(t, "web", s.run(t, append([]string{"sh", "-c", evaluate, bin, d.address(), "--role web"}, program.command...)...))
		}
	})
}
