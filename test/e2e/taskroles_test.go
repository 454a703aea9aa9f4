//go:build e2e && linux

package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// taskClients are entries of clients for the guests of newNetwork, and paths that name roles.
const taskClients = `clients:
  - {from: ["0.0.0.0/0", "::/0"], role: none}
  - {from: [10.244.1.2, "2001:db8:1::2"], role: web, also: [jobs]}
`

// TestTasks_GuestsGetTheRolesOfTheirEntry has a guest with the role web and, if it asks for it, jobs; and one without a role. A pod's
// token decides alone.
func TestTasks_GuestsGetTheRolesOfTheirEntry(t *testing.T) {
	m := newTaskMachine(t, strings.Replace(taskServices, "ecs: {enabled: true}", "ecs: {enabled: true, by_path: true}", 1)+taskClients)
	ids := map[string]string{"web": m.id(t, "web"), "jobs": m.id(t, "jobs")}
	token, err := os.ReadFile(m.token(t, "jobs"))
	if err != nil {
		t.Fatal(err)
	}
	gets := func(n netns, name, path, role string) {
		t.Helper()
		status, body := n.ask(t, ecsURL+path)
		switch {
		case role != "" && (status != http.StatusOK || !strings.HasPrefix(body, `{"RoleArn":"`+arnOf(role)+`",`)):
			t.Errorf("%s gets %d %s for %s, want %s", name, status, body, path, role)
		case role == "" && strings.HasPrefix(path, "/v2/") && (status != http.StatusBadRequest || body != invalidID),
			role == "" && !strings.HasPrefix(path, "/v2/") && (status != http.StatusNotFound || body != "404 page not found\n"):
			t.Errorf("%s gets %d %s for %s, want nothing", name, status, body, path)
		}
	}
	paths := []string{
		"/creds", "/role/web", "/role/web/", "/role/jobs", "/role-arn/" + arnOf("jobs"), "/role-arn/" + arnOf("jobs") + "/", "/role-arn/" + arnOf("web") + "/web",
		"/v2/credentials/" + ids["web"], "/v2/credentials/" + ids["jobs"], "/role/myrole", "/role/other", "/role-arn/" + roleARN,
	}
	for i, role := range []string{"web", "web", "web", "jobs", "jobs", "jobs", "web", "web", "jobs", "", "", ""} {
		gets(m.vm, "vm", paths[i], role)
		gets(m.pod, "pod", paths[i], "")
	}
	m.vm.wantAnswer(t, "http://"+serviceIPv4+"/"+rolesList, "web")
	if status, body := m.pod.ask(t, "http://"+serviceIPv4+"/"+rolesList); status != http.StatusNotFound {
		t.Errorf("the metadata service gives the pod %d %s", status, body)
	}
	if status, body := m.vm.ask(t, "http://"+serviceIPv4+"/"+rolesList+"jobs"); status != http.StatusNotFound {
		t.Errorf("the metadata service gives vm %d %s for another role", status, body)
	}
	sdks := containerSDKs(t, m.sts, m.vm.client(""))
	for name, s := range sdks {
		t.Run(name, func(t *testing.T) {
			s.wantRole(t, m.vm, m.sts.URL(), "jobs", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/role/jobs")
			s.wantRole(t, m.vm, m.sts.URL(), "web", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/creds")
		})
	}
	for _, n := range []netns{m.vm, m.pod} {
		if status, body := n.ask(t, podIdentityURL, "-H", bearing(token)); status != http.StatusOK || !strings.HasPrefix(body, `{"AccessKeyId":"`) {
			t.Errorf("the token gets %d %s", status, body)
		}
	}
	for role, want := range map[string]int{"web": 1, "jobs": 1} {
		if got := callsFor(m.sts, role); got != want {
			t.Errorf("%d calls of STS for %s, want %d", got, role, want)
		}
	}
	m.noSecretInLog(t, ids["web"], ids["jobs"], string(token))
}
