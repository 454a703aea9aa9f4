//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// A client of no network that the machine is attached to, behind newNetwork's vm.
const (
	lanClient, lanClient6 = "198.18.76.9", "2001:db8:76::9"
)

// TestTasks_LANIsDeniedAtEachAddress asks with the right id and the right token from the LAN.
func TestTasks_LANIsDeniedAtEachAddress(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	token, err := os.ReadFile(m.token(t, "web"))
	if err != nil {
		t.Fatal(err)
	}
	for address, by := range map[string]string{lanClient + "/32": "10.244.1.2", lanClient6 + "/128": "2001:db8:1::2"} {
		mustIP(t, "-n", string(m.vm), "address", "add", address, "dev", "lo")
		m.machine.route(t, address, "via", by)
	}
	uri := m.uri(t, "web")
	for _, url := range []string{
		ecsURL + uri, ecsURL + "/v1/credentials?id=" + m.id(t, "web"), ecsURL + "/v2/credentials/", ecsURL + "/v4/x/task", ecsURL + "/",
		podIdentityURL, podIdentityURLIPv6, "http://" + serviceIPv4 + uri, "http://10.244.1.1:5000" + uri,
		"http://10.244.1.1:5000/v1/credentials", "http://10.244.1.1:5000/v4/x",
	} {
		for _, header := range []string{"", bearing(token)} {
			from := lanClient
			if strings.Contains(url, "[") {
				from = lanClient6
			}
			options := []string{"--interface", from}
			if header != "" {
				options = append(options, "-H", header)
			}
			code, body := m.vm.ask(t, url, options...)
			if code != http.StatusForbidden || !strings.HasPrefix(body, "client "+from+" is not allowed: server.allow_clients is auto") {
				t.Errorf("%s with %q: %d %s", strings.ReplaceAll(url, uri, "/…"), strings.SplitN(header, ":", 2)[0], code, body)
			}
		}
	}
	if got := callsFor(m.sts, "web"); got != 0 {
		t.Errorf("%d calls of STS, want none", got)
	}
	// The guest itself is allowed.
	if code, body := m.vm.ask(t, podIdentityURL, "-H", bearing(token)); code != http.StatusOK {
		t.Errorf("the guest gets %d %s", code, body)
	}
	if code, body := m.vm.ask(t, ecsURL+uri); code != http.StatusOK {
		t.Errorf("the guest gets %d %s", code, body)
	}
	m.noSecretInLog(t, string(token), m.id(t, "web"))
}

// bearing is the header with a pod's token.
func bearing(token []byte) string { return "Authorization: " + string(token) }

// TestTasks_STSThatFailsIsToldInTime has an STS that hangs, refuses and is away.
func TestTasks_STSThatFailsIsToldInTime(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	token := map[string]string{}
	for _, role := range []string{"web", "jobs"} {
		content, err := os.ReadFile(m.token(t, role))
		if err != nil {
			t.Fatal(err)
		}
		token[role] = string(content)
	}
	// ask asks for a role in each way, all at once. Each answer must come within a second, or a little later on a busy machine.
	ask := func(t *testing.T, role string) map[string]answer {
		t.Helper()
		id := m.id(t, role)
		answers := map[string]answer{}
		var mu sync.Mutex // guards answers
		var all sync.WaitGroup
		for name, url := range map[string]string{
			"ECS": ecsURL + "/v2/credentials/" + id, "ECS 1": ecsURL + "/v1/credentials?id=" + id,
			"Pod": podIdentityURL, "Pod IPv6": podIdentityURLIPv6, "shared": "http://127.0.0.1:5000/v1/credentials",
		} {
			all.Go(func() {
				began := time.Now()
				a := m.get(t, url, token[role])
				if took := time.Since(began); took > 1300*time.Millisecond {
					t.Errorf("%s is answered %d after %v", name, a.status, took)
				}
				mu.Lock()
				defer mu.Unlock()
				answers[name] = a
			})
		}
		all.Wait()
		return answers
	}
	want := func(t *testing.T, role string, ecs, pod func(a answer) string) {
		t.Helper()
		for name, a := range ask(t, role) {
			check := pod
			if strings.HasPrefix(name, "ECS") {
				check = ecs
			}
			if problem := check(a); problem != "" {
				t.Errorf("%s by %s: %s: %s", role, name, problem, shown(a))
			}
		}
	}
	says := func(status int, text, retry string) func(a answer) string {
		return func(a answer) string {
			if a.status != status || !strings.Contains(a.body, text) || a.header.Get("Retry-After") != retry || a.header.Get("Server") != "" {
				return fmt.Sprintf("want %d, %s and Retry-After %q", status, text, retry)
			}
			return ""
		}
	}

	t.Run("hangs", func(t *testing.T) {
		m.sts.Hang("AssumeRole")
		for range 2 {
			want(t, "web", says(503, `{"code":"CredentialsUninitialized","message":"CredentialsV`, "1"), says(503, "(ServiceUnavailableException): ", "1"))
		}
		m.sts.Recover()
		testutil.Eventually(t, "STS answers again", func() bool { return m.get(t, podIdentityURL, token["web"]).status == http.StatusOK })
	})
	t.Run("refuses", func(t *testing.T) {
		m.sts.Fail(stsfake.AccessDenied, arnOf("jobs"))
		const denied = "AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole"
		want(t, "jobs", says(403, denied, ""), says(400, denied, ""))
		want(t, "jobs", says(403, `{"code":"AccessDenied","message":"`, ""), says(400, "(AccessDeniedException): ", ""))
	})
	t.Run("is away", func(t *testing.T) { // the role that the daemon has goes on
		m.sts.Fail(stsfake.ServiceUnavailable)
		var documents []string
		for _, a := range ask(t, "web") {
			var c struct{ AccessKeyID string }
			if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.status != http.StatusOK || m.sts.Principal(c.AccessKeyID) != arnOf("web") {
				t.Errorf("%v in %s", err, shown(a))
			}
			documents = append(documents, c.AccessKeyID)
		}
		for _, key := range documents {
			if key != documents[0] {
				t.Errorf("the key ids are %q", documents)
			}
		}
		m.sts.Recover()
	})
	secrets := append(m.sts.Secrets(), token["web"], token["jobs"], m.id(t, "web"), m.id(t, "jobs"))
	m.noSecretInLog(t, secrets...)
}

// get gets a URL on the machine, with a token. It may be called from any goroutine.
func (m *taskMachine) get(t *testing.T, url, token string) answer {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return answer{body: err.Error()}
	}
	req.Header.Set("Authorization", token)
	resp, err := m.machine.client("").Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}
