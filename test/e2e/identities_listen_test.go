//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestIdentities_ListenersHaveRolesOfTheirOwn runs two shells whose clients ask at different ports, and reloads the configuration
// meanwhile.
func TestIdentities_ListenersHaveRolesOfTheirOwn(t *testing.T) {
	needClients(t)
	sts := stsfake.Start(t)
	own, forWeb, forJobs := testutil.FreeAddr(t), testutil.FreeAddr(t), testutil.FreeAddr(t)
	server := fmt.Sprintf("server: {listen: ['%s', '%s']}\n", own, forWeb) // the third is of its entry alone
	web := "  - {listen: ['" + forWeb + "'], role: web}\n"
	jobs := "  - {listen: ['" + forJobs + "'], role: jobs}\n"
	home := rolesHome(t, sts, []string{"web", "jobs"}, server+"clients:\n"+web+jobs)

	run := runtimeDir(t)
	socket := filepath.Join(run, "mock-ec2-metadata", portOf(own)+".sock")
	env := []string{"PATH=" + systemPath, "HOME=" + home, "XDG_RUNTIME_DIR=" + run, "AWS_ENDPOINT_URL_STS=" + sts.URL(), endAtOnce}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(buildDaemon(t), args...)
		cmd.Dir, cmd.Env = home, env
		return cmd
	}
	d := follow(t, command("--log-format", "json"))
	d.waitFor(t, `"msg":"got credentials"`)
	url := func(address string) string { return "http://" + address + "/" }

	t.Run("two shells", func(t *testing.T) { // ends with all of them
		for role, address := range map[string]string{"web": forWeb, "jobs": forJobs} {
			for _, program := range [][]string{whoByCLI(sts.URL()), whoByBoto3(sts.URL())} {
				t.Run(filepath.Base(program[0])+" as "+role, func(t *testing.T) {
					t.Parallel()
					arn, err := client(t, clean(t, url(address)), program[0], program[1:]...)
					if got := strings.TrimSpace(arn); got != sessionOf(role, instanceID) || err != nil {
						t.Errorf("it is %q, %v", got, err)
					}
				})
			}
		}
	})
	wantRoles := func(roles map[string]string) {
		t.Helper()
		for address, role := range roles {
			if status, got := askLocal(t, url(address)+rolesList); status != http.StatusOK && role != "" || status == http.StatusOK && got != role {
				t.Errorf("at %s the role is %q (%d), want %q", address, got, status, role)
			}
			for _, name := range []string{"myrole", "web", "jobs"} {
				if status, _ := askLocal(t, url(address)+rolesList+name); (status == http.StatusOK) != (name == role) {
					t.Errorf("at %s %s is answered with %d", address, name, status)
				}
			}
		}
	}
	wantRoles(map[string]string{own: "myrole", forWeb: "web", forJobs: "jobs"})
	_, document := askLocal(t, url(forWeb)+rolesList+"web")
	if !strings.Contains(document, `"Code" : "Success"`) {
		t.Fatal(document)
	}
	byID := url(own) + "v2/credentials/" + roleID(t, d, "jobs") // as containers of ECS get them
	wantByID := func(status int) {
		t.Helper()
		if got, body := askLocal(t, byID); got != status {
			t.Errorf("jobs by its id is answered with %d, want %d: %s", got, status, body)
		}
	}
	wantByID(http.StatusOK)
	const file = "conf/config.yaml"
	reload := func(names []string, rest string, code int, stdout, stderr string) {
		t.Helper()
		writeRoles(t, home, names, rest)
		wantRun(t, finish(t, command("reload", "--control", socket)), code, stdout, stderr)
	}
	wantSame := func() {
		t.Helper()
		if _, got := askLocal(t, url(forWeb)+rolesList+"web"); got != document {
			t.Errorf("the credentials of web have changed from\n%s\nto\n%s", document, got)
		}
		for _, role := range []string{"myrole", "web", "jobs"} {
			if got := callsFor(sts, role); got != 1 {
				t.Errorf("%d calls of STS for %s, want 1", got, role)
			}
		}
	}

	t.Run("bad entry", func(t *testing.T) {
		const where = file + ":12: "
		reload([]string{"web", "jobs"}, server+"clients:\n"+web+strings.Replace(jobs, "role: jobs", "role: job", 1), 1, "",
			"mock-ec2-metadata: "+where+`clients[1].role: there is no role "job"; did you mean jobs? roles has: jobs, web`+"\n")
		line := d.waitFor(t, `"msg":"configuration not reloaded, the old one stays"`)
		if !strings.Contains(line, where) {
			t.Errorf("the log has no %s: %s", where, line)
		}
		wantRoles(map[string]string{own: "myrole", forWeb: "web", forJobs: "jobs"})
		wantSame()
	})
	t.Run("removed role", func(t *testing.T) {
		reload([]string{"web"}, server+"clients:\n"+web+strings.Replace(jobs, "role: jobs", "role: none", 1), 0, "reloaded "+file+"\n", "")
		wantRoles(map[string]string{own: "myrole", forWeb: "web", forJobs: ""})
		wantByID(http.StatusBadRequest) // as the agent of ECS answers
		wantSame()
		out, err := client(t, append(clean(t, url(forJobs)), "AWS_METADATA_SERVICE_NUM_ATTEMPTS=1"), awsCLI, whoByCLI(sts.URL())[1:]...)
		if err == nil || !strings.Contains(err.Error(), "Unable to locate credentials") {
			t.Errorf("the AWS CLI of the removed role: %q, %v", out, err)
		}
	})
	t.Run("added listener", func(t *testing.T) {
		added := testutil.FreeAddr(t)
		more := strings.Replace(server, "listen: [", "listen: ['"+added+"', ", 1)
		reload([]string{"web"}, more+"clients:\n"+web+"  - {listen: ['"+added+"'], role: web}\n", 0, "reloaded "+file+
			"\nserver.listen takes effect after a restart\nclients[].listen takes effect after a restart\n", "")
		wantLine(t, d, "WARN", "a changed key takes effect only after a restart", map[string]string{"key": "server.listen"})
		wantRoles(map[string]string{own: "myrole", forWeb: "web"})
		for _, path := range []string{rolesList, rolesList + "myrole", "latest/meta-data/instance-id"} { // its entry is gone
			if status, body := askLocal(t, url(forJobs)+path); status != http.StatusServiceUnavailable {
				t.Errorf("the third listener answers %d %q, want 503", status, body)
			}
		}
		wantSame()
	})
	t.Run("role that is back", func(t *testing.T) {
		reload([]string{"web", "jobs"}, server+"clients:\n"+web+jobs, 0, "reloaded "+file+"\n", "")
		wantRoles(map[string]string{own: "myrole", forWeb: "web", forJobs: "jobs"})
		if _, got := askLocal(t, url(forWeb)+rolesList+"web"); got != document {
			t.Error("the credentials of web have changed")
		}
		wantByID(http.StatusOK)
	})
}

// askLocal gets a URL on this machine.
func askLocal(t *testing.T, url string) (status int, body string) {
	t.Helper()
	got := get(http.DefaultClient, url)
	if got.status == 0 {
		t.Fatalf("%s: %s", url, got.body)
	}
	return got.status, got.body
}

// roleID is the id of a role in the daemon's status, a secret.
func roleID(t *testing.T, d *local, role string) string {
	t.Helper()
	var status api.Status
	_, body := fetch(t, d.url+"status")
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatal(err)
	}
	for _, one := range status.Identities {
		if one.Role == role && one.ID != "" {
			return one.ID
		}
	}
	t.Fatalf("the status has no id of %s:\n%s", role, body)
	return ""
}
