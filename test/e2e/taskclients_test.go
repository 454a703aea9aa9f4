//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// TestTasks_ClientsGetTheRoleOfTheirID runs clients with the variable that ECS' agent sets, at 169.254.170.2. The metadata service
// at 169.254.169.254 would give them another role.
func TestTasks_ClientsGetTheRoleOfTheirID(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	sdks := containerSDKs(t, m.sts, m.machine.client(""))
	for _, role := range []string{"web", "jobs"} {
		uri := m.uri(t, role)
		for name, s := range sdks {
			t.Run(name+" "+role, func(t *testing.T) {
				s.wantRole(t, m.machine, m.sts.URL(), role, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="+uri)
			})
		}
	}
	t.Run("clients of S3", func(t *testing.T) { testStoreClients(t, m) })
	secrets := m.sts.Secrets()
	for _, role := range []string{"web", "jobs"} {
		if got := callsFor(m.sts, role); got != 1 {
			t.Errorf("%d calls of STS for %s, want one", got, role)
		}
		secrets = append(secrets, m.id(t, role))
	}
	m.noSecretInLog(t, secrets...)
}

// testStoreClients runs clients of S3 with the role web.
func testStoreClients(t *testing.T, m *taskMachine) {
	uri := m.uri(t, "web")
	_, document := m.machine.ask(t, ecsURL+uri)
	var issued struct{ AccessKeyID, Token string }
	if err := json.Unmarshal([]byte(document), &issued); err != nil || issued.Token == "" {
		t.Fatalf("%v in %s", err, document)
	}
	p := place{
		site: m.machine, daemon: m.home, key: issued.AccessKeyID, token: issued.Token,
		env: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=" + uri},
	}
	for _, c := range append(slices.Clone(storeClients), storeClient{
		name: "s3fs", file: "/usr/bin/s3fs", debian: "s3fs", want: grid, run: mountOfECS,
	}) {
		if slices.Contains([]string{"minio-go", "GDAL", "rclone", "s3fs"}, c.name) {
			t.Run(c.name, func(t *testing.T) {
				asked := m.asked(t, "/v2/credentials/…")
				c.signs(t, p.forClient(t))
				if m.asked(t, "/v2/credentials/…") == asked {
					t.Error("it has not asked for the credentials")
				}
			})
		}
	}
}

// asked is how many requests for a path, as the access log has it, the daemon has answered with 200.
func (m *taskMachine) asked(t *testing.T, path string) int {
	t.Helper()
	m.settleLog(t)
	return len(m.daemon.logLines(`"path":"` + path + `","status":200`))
}

// mountOfECS reads an object by s3fs. Its mount is in the namespace of the command alone.
func mountOfECS(t *testing.T, p place) string {
	t.Helper()
	dir := filepath.Join(p.home, "mount")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return p.run(t, nil, "sh", "-ec", `s3fs "$0" "$1" -o ecs -o "url=http://127.0.0.1:$2" -o use_path_request_style -o sigv4 -o "endpoint=$3"
		cat "$1/grid.asc"
		umount "$1"`, bucket, dir, p.plain, region)
}

// TestPods_ClientsGetTheRoleOfTheirToken runs clients with the variables that the webhook of EKS Pod Identity sets, at both addresses.
// The metadata service at 169.254.169.254 would give them another role.
func TestPods_ClientsGetTheRoleOfTheirToken(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	sdks := containerSDKs(t, m.sts, m.machine.client(""))
	var tokens []string
	for _, role := range []string{"web", "jobs"} {
		file := m.token(t, role)
		token, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, string(token))
		for family, url := range map[string]string{"IPv4": podIdentityURL, "IPv6": podIdentityURLIPv6} {
			for _, name := range []string{"aws-sdk-go v2", "aws-sdk-js v3"} {
				t.Run(fmt.Sprint(name, " ", role, " ", family), func(t *testing.T) {
					sdks[name].wantRole(t, m.machine, m.sts.URL(), role, webhook(url, file)...)
				})
			}
		}
		if got := callsFor(m.sts, role); got != 1 { // for both addresses
			t.Errorf("%d calls of STS for %s, want one", got, role)
		}
	}
	file := m.token(t, "web")
	t.Run("Debian 12's boto3 and AWS CLI do not ask", func(t *testing.T) { // as documentation and doctor say
		for _, name := range []string{"boto3", "aws-cli"} {
			r := m.machine.run(t, append(webhook(podIdentityURL, file), "LC_ALL=C.UTF-8"), sdks[name].command...)
			if r.code == 0 || !strings.Contains(r.stderr, "169.254.170.23") {
				t.Errorf("%s: exit %d, %s%s", name, r.code, r.stdout, r.stderr)
			}
		}
	})
	t.Run("another token is refused", func(t *testing.T) {
		for name, other := range map[string]struct {
			file string
			want string // of the SDK for Go, which shows the daemon's text
		}{
			"no association":   {m.token(t, "web2"), "(ResourceNotFoundException)"},
			"another audience": {m.token(t, "web", "--audience", "sts.amazonaws.com"), "(InvalidTokenException)"},
			"a line's end":     {testutil.WriteTemp(t, "token", tokens[0]+"\n"), "invalid newline"},
			"Bearer":           {testutil.WriteTemp(t, "token", "Bearer "+tokens[0]), "illegal base64 data at input byte 6"},
		} {
			r := m.machine.run(t, append(webhook(podIdentityURL, other.file), "AWS_REGION="+region, endAtOnce), sdks["aws-sdk-go v2"].command...)
			if r.code == 0 || !strings.Contains(r.stderr, other.want) {
				t.Errorf("%s: exit %d\n%s%s", name, r.code, r.stdout, r.stderr)
			}
		}
		if got := callsFor(m.sts, "web"); got != 1 {
			t.Errorf("%d calls of STS for web, want one", got)
		}
	})
	m.daemon.waitFor(t, `"path":"/v1/credentials","status":`+fmt.Sprint(http.StatusOK))
	m.noSecretInLog(t, append(tokens, m.sts.Secrets()...)...)
}
