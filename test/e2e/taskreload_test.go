//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// TestTasks_IDsAndTokensSurviveARestart asks by the ids and the tokens of a daemon that has ended.
func TestTasks_IDsAndTokensSurviveARestart(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	token, err := os.ReadFile(m.token(t, "web"))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, role := range []string{"web", "jobs"} {
		ids[role] = m.id(t, role)
	}
	endpoint := m.endpoint(t)
	if ids["web"] == ids["jobs"] || endpoint == ids["web"] {
		t.Fatalf("the ids are %q and %q", ids, endpoint)
	}
	check := func() {
		t.Helper()
		for role, id := range ids {
			if a := m.get(t, ecsURL+"/v2/credentials/"+id, ""); a.status != http.StatusOK || !strings.Contains(a.body, `{"RoleArn":"`+arnOf(role)+`",`) {
				t.Errorf("the id of %s gets %s", role, shown(a))
			}
		}
		if a := m.get(t, podIdentityURL, string(token)); a.status != http.StatusOK {
			t.Errorf("the token gets %s", shown(a))
		}
		if a := m.get(t, ecsURL+"/v4/"+endpoint+"/task", ""); a.status != http.StatusOK {
			t.Errorf("the endpoint gets %s", shown(a))
		}
		m.noSecretInLog(t, append(m.sts.Secrets(), ids["web"], ids["jobs"], string(token))...)
	}
	check()
	m.daemon.stop(t)
	m.start(t)
	check()
	for role, id := range ids {
		if got := m.id(t, role); got != id {
			t.Errorf("the id of %s has changed", role)
		}
	}

	// Another state directory has another secret and another key.
	m.daemon.stop(t)
	if err := os.Rename(m.home+"/.local", m.home+"/.old"); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	if a := m.get(t, ecsURL+"/v2/credentials/"+ids["web"], ""); shown(a) != asJSON(400, invalidID) {
		t.Errorf("an id of another secret gets %s", shown(a))
	}
	if a := m.get(t, podIdentityURL, string(token)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "(InvalidTokenException)") {
		t.Errorf("a token of another key gets %s", shown(a))
	}
}

// endpoint is the id of the machine's own task metadata.
func (m *taskMachine) endpoint(t *testing.T) string {
	t.Helper()
	s := m.status(t)
	if s.ECS == nil || len(s.ECS.Containers) == 0 {
		t.Fatalf("the status has no container: %+v", s)
	}
	return s.ECS.Containers[0].EndpointID
}

// TestTasks_ReloadIsInForceAtOnce takes an association and a role away, and gives them back.
func TestTasks_ReloadIsInForceAtOnce(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	token := map[string]string{}
	for _, account := range []string{"web", "jobs"} {
		content, err := os.ReadFile(m.token(t, account))
		if err != nil {
			t.Fatal(err)
		}
		token[account] = string(content)
	}
	id := m.id(t, "web")
	want := func(name, url, token string, status int, text string) {
		t.Helper()
		if a := m.get(t, url, token); a.status != status || !strings.Contains(a.body, text) {
			t.Errorf("%s: %s, want %d %s", name, shown(a), status, text)
		}
	}
	all := func(web, jobs, byID int, webText, jobsText, idText string) {
		t.Helper()
		for _, url := range []string{podIdentityURL, podIdentityURLIPv6, "http://127.0.0.1:5000/v1/credentials"} {
			want("the pod of web at "+url, url, token["web"], web, webText)
			want("the pod of jobs at "+url, url, token["jobs"], jobs, jobsText)
		}
		want("the id of web", ecsURL+"/v2/credentials/"+id, "", byID, idText)
	}
	const ok, none = http.StatusOK, "(ResourceNotFoundException)"
	const key, arn = `{"AccessKeyId":"`, `{"RoleArn":"`
	all(ok, ok, ok, key, key, arn)

	const association = "    - {namespace: shop, service_account: web, role: web}\n"
	m.editConfig(t, association, "")
	all(http.StatusNotFound, ok, ok, none, key, arn)

	role := fmt.Sprintf("  web: {iam_role: %q}\n", arnOf("web"))
	m.editConfig(t, role, "")
	all(http.StatusNotFound, ok, http.StatusBadRequest, none, key, "InvalidIdInRequest")

	m.editConfig(t, "roles:\n", "roles:\n"+role)
	m.editConfig(t, "  associations:\n", "  associations:\n    - {namespace: shop, service_account: web, role: jobs}\n")
	all(ok, ok, ok, key, key, arn)
	if a, b := m.get(t, podIdentityURL, token["web"]), m.get(t, podIdentityURL, token["jobs"]); a.body != b.body {
		t.Errorf("pods of one role get\n%s\nand\n%s", a.body, b.body)
	}
	m.editConfig(t, "  enabled: true\n  verify", "  enabled: true\n  audience: other.example\n  verify")
	all(http.StatusBadRequest, http.StatusBadRequest, ok, "(InvalidTokenException)", "(InvalidTokenException)", arn)

	// One session of jobs served all.
	if got := callsFor(m.sts, "jobs"); got != 1 {
		t.Errorf("%d calls of STS for jobs, want one", got)
	}
	testutil.Write(t, m.home+"/conf/config.yaml", "ecs: {enabled: maybe}\n")
	m.daemon.waitFor(t, `"msg":"configuration not reloaded, the old one stays"`)
	all(http.StatusBadRequest, http.StatusBadRequest, ok, "(InvalidTokenException)", "(InvalidTokenException)", arn)
	m.noSecretInLog(t, append(m.sts.Secrets(), id, token["web"], token["jobs"])...)
}
