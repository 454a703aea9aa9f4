package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/testutil"
)

const ecsRoles = `
credentials: {source_profile: default, iam_role: 'arn:aws:iam::123456789012:role/base'}
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/p/web'}
  jobs: {iam_role: 'arn:aws:iam::123456789012:role/jobs'}
  other: {iam_role: 'arn:aws:iam::123456789012:role/other'}
clients: [{from: 172.20.0.0/16, role: web, also: [jobs]}]
server: {allow_clients: [172.20.0.0/16, 10.0.0.0/8]}
`

// answer is what a client gets: the status and the ARN of the role, or the body of an error.
func (u *unserved) answer(path, from string, headers ...string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Host, r.RemoteAddr = "127.0.0.1:5000", from
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	u.http.ServeHTTP(w, r)
	body := w.Body.String()
	if _, rest, ok := strings.Cut(body, `{"RoleArn":"`); ok {
		body, _, _ = strings.Cut(rest, `"`)
	}
	return w.Code, strings.TrimSpace(body)
}

func TestECS_ByPathGivesAClientItsOwnRolesOnly(t *testing.T) {
	u, sts := realMany(t, ecsRoles+"ecs: {by_path: true}\n", "base", "p/web", "other")
	const box, stranger = "172.20.0.2:1", "10.0.0.1:1"
	for _, tt := range []struct {
		path, from string
		code       int
		want       string
	}{
		{"/creds", box, 200, "arn:aws:iam::123456789012:role/p/web"},
		{"/creds", stranger, 200, "arn:aws:iam::123456789012:role/base"},
		{"/role/web", box, 200, "arn:aws:iam::123456789012:role/p/web"},
		{"/role/jobs", box, 200, "arn:aws:iam::123456789012:role/jobs"},
		{"/role/jobs/", box, 200, "arn:aws:iam::123456789012:role/jobs"},
		{"/role/other", box, 404, "404 page not found"},
		{"/role/base", box, 404, "404 page not found"},
		{"/role/jobs", stranger, 404, "404 page not found"},
		{"/role/jobs", "127.0.0.1:1", 404, "404 page not found"}, // anybody on this machine
		{"/role/base", stranger, 200, "arn:aws:iam::123456789012:role/base"},
		{"/role-arn/arn:aws:iam::123456789012:role/p/web", box, 200, "arn:aws:iam::123456789012:role/p/web"},
		{"/role-arn/arn:aws:iam::123456789012:role/p/web/", box, 200, "arn:aws:iam::123456789012:role/p/web"},
		{"/role-arn/arn:aws:iam::123456789012:role/p/web/web", box, 200, "arn:aws:iam::123456789012:role/p/web"},
		{"/role-arn/arn:aws:iam::123456789012:role/web", box, 404, "404 page not found"},
		{"/role-arn/arn:aws:iam::123456789012:role/other", box, 404, "404 page not found"},
	} {
		t.Run(tt.path+" from "+tt.from, func(t *testing.T) {
			if code, got := u.answer(tt.path, tt.from); code != tt.code || got != tt.want {
				t.Errorf("got %d %s, want %d %s", code, got, tt.code, tt.want)
			}
		})
	}
	for _, role := range roles(sts) {
		if role == "other" {
			t.Errorf("STS was asked for %s", role)
		}
	}
}

func TestECS_AuthorizationOpensTheRolesByPath(t *testing.T) {
	u, sts := realMany(t, ecsRoles+"ecs: {by_path: true, authorization: s3cret}\n", "base", "p/web", "other")
	const stranger = "10.0.0.1:1"
	for _, header := range []string{"", "wrong", "Bearer s3cret"} {
		for _, path := range []string{"/creds", "/role/other", "/v2/credentials/x"} {
			if code, body := u.answer(path, stranger, "Authorization", header); code != http.StatusUnauthorized || strings.Contains(body, "s3cret") {
				t.Errorf("%s with %q: %d %s", path, header, code, body)
			}
		}
	}
	if n := sts.Calls("AssumeRole"); n > 1 { // the file's own
		t.Errorf("%d calls of STS", n)
	}
	if code, got := u.answer("/role/other", stranger, "Authorization", "s3cret"); code != 200 || got != "arn:aws:iam::123456789012:role/other" {
		t.Errorf("got %d %s", code, got)
	}
	if code, got := u.answer("/role/other", "172.20.0.2:1", "Authorization", "s3cret"); code != 404 {
		t.Errorf("a client with an entry: %d %s", code, got)
	}
	if code, _ := u.answer("/v1/credentials?id=", stranger); code != http.StatusBadRequest {
		t.Errorf("no id comes before the authorization: %d", code)
	}
}

// The name b is one of roles, and that of another role's IAM role.
func TestECS_ByPathPrefersTheNamesOfRoles(t *testing.T) {
	for _, other := range []string{"a", "z"} {
		u := many(t, `
credentials: {mock: true}
roles:
  b: {iam_role: 'arn:aws:iam::123456789012:role/c'}
  `+other+`: {iam_role: 'arn:aws:iam::123456789012:role/b'}
ecs: {by_path: true, authorization: s}
`)
		if code, got := u.answer("/role/b", "127.0.0.1:1", "Authorization", "s"); code != 200 || got != "arn:aws:iam::123456789012:role/c" {
			t.Errorf("beside %s: %d %s", other, code, got)
		}
		if code, got := u.answer("/role/c", "127.0.0.1:1", "Authorization", "s"); code != 200 || got != "arn:aws:iam::123456789012:role/c" {
			t.Errorf("by the name of the IAM role: %d %s", code, got)
		}
	}
}

func TestECS_ByPathIsOffByDefault(t *testing.T) {
	u := many(t, strings.Replace(ecsRoles, "source_profile: default", "mock: true", 1))
	for _, path := range []string{"/creds", "/role/web", "/role-arn/arn:aws:iam::123456789012:role/p/web"} {
		if code, _ := u.answer(path, "172.20.0.2:1"); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestECS_IDsStandForARoleInAContainer(t *testing.T) {
	u := many(t, strings.Replace(ecsRoles, "source_profile: default", "mock: true", 1)+
		"ecs: {containers: {web-1: {name: web, role: web}, plain: {name: plain}, bare: {name: bare, role: none}}}\n")
	s := u.Status()
	seen := map[string]string{}
	for _, c := range s.ECS.Containers {
		if c.CredentialsID == "" {
			continue
		}
		if other, again := seen[c.CredentialsID]; again {
			t.Errorf("%s and %s have one id", c.Name, other)
		}
		seen[c.CredentialsID] = c.Name
		want := map[string]string{"self": "base", "plain": "base", "web": "p/web"}[c.Name]
		if code, got := u.answer("/v2/credentials/"+c.CredentialsID, "10.0.0.1:1"); code != 200 || got != "arn:aws:iam::123456789012:role/"+want {
			t.Errorf("%s: %d %s", c.Name, code, got)
		}
	}
	if len(seen) != 3 {
		t.Errorf("ids of %v", seen)
	}
	if code, got := u.answer("/v1/credentials?id="+s.ECS.Containers[0].CredentialsID, "172.20.0.2:1"); code != 400 {
		t.Errorf("the file's own credentials for a client of an entry: %d %s", code, got)
	}
}

func TestECS_ContainerOfTheEngineHasItsOwnID(t *testing.T) {
	u, e, log := containers(t)
	e.put("172.20.0.2", "web")
	e.put("172.18.0.2", "arn:aws:iam::123456789012:role/dev-7")
	e.put("172.18.0.3", "secret") // not allowed
	e.put("172.18.0.4", "none")
	ids := map[string]string{}
	for _, c := range u.Status().ECS.Containers[1:] {
		ids[c.Role] = c.CredentialsID
	}
	if len(ids) != 3 || ids[""] != "" {
		t.Fatalf("ids of %v", ids)
	}
	for _, tt := range []struct {
		role, from string
		code       int
		want       string
	}{
		{"web", "172.20.0.2:1", 200, "arn:aws:iam::123456789012:role/web"},
		{"web", "127.0.0.1:1", 200, "arn:aws:iam::123456789012:role/web"},
		{"web", "172.18.0.2:1", 400, ""}, // another container
		{"arn:aws:iam::123456789012:role/dev-7", "172.18.0.2:1", 200, "arn:aws:iam::123456789012:role/dev-7"},
		{"arn:aws:iam::123456789012:role/dev-7", "172.20.0.2:1", 400, ""},
	} {
		code, got := u.answer("/v2/credentials/"+ids[tt.role], tt.from)
		if code != tt.code || tt.want != "" && got != tt.want {
			t.Errorf("%s from %s: %d %s", tt.role, tt.from, code, got)
		}
	}
	denied := ecs.ID(u.State().Secret.Key(), "secret", containerID("172.18.0.3"))
	if code, got := u.answer("/v2/credentials/"+denied, "172.18.0.3:1"); code != 403 && code != 400 {
		t.Errorf("a role that containers.allow does not have: %d %s", code, got)
	}
	for _, id := range ids {
		if id != "" && log.Contains(id) {
			t.Error("an id is in the log")
		}
	}
}

func TestECS_MetadataShowsWhoAsks(t *testing.T) {
	u, e, _ := containers(t)
	e.put("172.20.0.2", "")
	e.put("172.20.0.3", "")
	if code, body := u.answer("/v2/metadata", "172.20.0.2:1"); code != 200 || !strings.Contains(body, containerID("172.20.0.2")) || strings.Contains(body, containerID("172.20.0.3")) {
		t.Errorf("got %d %s", code, body)
	}
	if code, body := u.answer("/v2/metadata", "10.0.0.1:1"); code != 400 || body != `"Unable to get task arn from request: unable to associate '10.0.0.1' with task"` {
		t.Errorf("no container: %d %s", code, body)
	}
	var self api.ECSContainer
	for _, c := range u.Status().ECS.Containers {
		if c.Name == selfName {
			self = c
		}
	}
	if code, body := u.answer("/v4/"+self.EndpointID+"/task", "127.0.0.1:1"); code != 200 || !strings.Contains(body, `"FaultInjectionEnabled":false`) || strings.Contains(body, self.CredentialsID) {
		t.Errorf("self: %d %s", code, body)
	}
}

func TestECS_RateSurvivesAReload(t *testing.T) {
	const limited = "credentials: {mock: true}\necs: {rate: 1/2}\n"
	u := many(t, limited)
	if err := u.reload(t, limited+"log: {level: warn}\n"); err != nil {
		t.Fatal(err)
	}
	codes := []int{}
	for range 2 {
		code, _ := u.answer("/v2/credentials/x", "127.0.0.1:1")
		codes = append(codes, code)
	}
	if err := u.reload(t, limited); err != nil {
		t.Fatal(err)
	}
	code, body := u.answer("/v2/credentials/x", "127.0.0.1:1")
	if codes[0] != 400 || codes[1] != 400 || code != http.StatusTooManyRequests || body != "You have reached maximum request limit." {
		t.Errorf("%v, then %d %s", codes, code, body)
	}
}

func TestStatus_OtherMachinesSeeNoIDs(t *testing.T) {
	u := many(t, strings.Replace(ecsRoles, "source_profile: default", "mock: true", 1))
	testutil.Eventually(t, "credentials", func() bool { return u.Status().Status == api.StatusOK })
	if code, body := u.answer("/status", "10.0.0.1:1"); code != 200 || strings.Contains(body, "endpoint_id") || strings.Contains(body, "credentials_id") {
		t.Errorf("got %d %s", code, body)
	}
}
