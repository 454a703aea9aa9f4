//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// rolesList lists the name of the client's role.
const rolesList = "latest/meta-data/iam/security-credentials/"

// arnOf is the ARN of a role of the tests' account.
func arnOf(role string) string { return "arn:aws:iam::123456789012:role/" + role }

// sessionOf is who has the credentials that an instance got for a role.
func sessionOf(role, instance string) string {
	return "arn:aws:sts::123456789012:assumed-role/" + role + "/" + instance
}

// rolesHome makes the home of newHome with an entry of roles for each name. more follows roles.
func rolesHome(t *testing.T, sts *stsfake.Server, names []string, more string) string {
	t.Helper()
	for _, name := range names {
		sts.AddRole(arnOf(name))
	}
	return newHome(t, sts, rolesBlock(names)+more)
}

func rolesBlock(names []string) string {
	var block strings.Builder
	block.WriteString("roles:\n")
	for _, name := range names {
		fmt.Fprintf(&block, "  %s: {iam_role: %q}\n", name, arnOf(name))
	}
	return block.String()
}

// writeRoles replaces the blocks from roles on in the configuration of rolesHome.
func writeRoles(t *testing.T, home string, names []string, more string) {
	t.Helper()
	testutil.Write(t, filepath.Join(home, "conf/config.yaml"),
		"credentials:\n  source_profile: default\n  iam_role: "+roleARN+"\naws:\n  region: "+region+"\n"+rolesBlock(names)+more)
}

// callsFor is how many sessions of a role STS was asked for.
func callsFor(sts *stsfake.Server, role string) int {
	n := 0
	for _, r := range sts.Requests() {
		if r.Action == "AssumeRole" && r.Form.Get("RoleArn") == arnOf(role) {
			n++
		}
	}
	return n
}

// whoProgram prints the ARN of the credentials that boto3 got from the metadata service.
const whoProgram = `
import boto3, sys
session = boto3.Session(region_name=sys.argv[2])
assert session.get_credentials().method == "iam-role", session.get_credentials().method
print(session.client("sts", endpoint_url=sys.argv[1]).get_caller_identity()["Arn"])
`

// whoByCLI and whoByBoto3 print the ARN of the credentials that they got. stsURL is where they ask for it.
func whoByCLI(stsURL string) []string {
	return []string{
		awsCLI, "sts", "get-caller-identity", "--endpoint-url", stsURL, "--region", region, "--query", "Arn", "--output", "text",
	}
}

func whoByBoto3(stsURL string) []string { return []string{python, "-c", whoProgram, stsURL, region} }

// wantWho runs a command of whoByCLI or whoByBoto3 in a namespace. url is the daemon's; "" for the service's real address.
func (n netns) wantWho(t *testing.T, url string, command []string, want string) {
	t.Helper()
	env := []string{"LC_ALL=C.UTF-8"}
	if url != "" {
		env = append(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+url)
	}
	r := n.run(t, env, command...)
	if got := strings.TrimSpace(r.stdout); got != want || r.code != 0 {
		t.Errorf("%s is %q, want %s\n%s", command[0], got, want, r.stderr)
	}
}

// ask gets a URL by curl in a namespace. options are curl's.
func (n netns) ask(t *testing.T, url string, options ...string) (status int, body string) {
	t.Helper()
	args := append([]string{"curl", "-qsSg", "--max-time", "5", "-w", "\n%{http_code}"}, options...)
	r := n.run(t, nil, append(args, url)...)
	end := strings.LastIndexByte(r.stdout, '\n')
	if r.code != 0 || end < 0 {
		t.Fatalf("curl %s: exit %d\n%s%s", url, r.code, r.stdout, r.stderr)
	}
	status, err := strconv.Atoi(r.stdout[end+1:])
	if err != nil {
		t.Fatal(err)
	}
	return status, r.stdout[:end]
}

// wantAnswer asks and compares the body. The status must be 200.
func (n netns) wantAnswer(t *testing.T, url, body string, options ...string) {
	t.Helper()
	if status, got := n.ask(t, url, options...); status != http.StatusOK || got != body {
		t.Errorf("%s %s answers %d %q, want %q", url, strings.Join(options, " "), status, got, body)
	}
}

// token is a session token for a client in a namespace. options are curl's.
func (n netns) token(t *testing.T, url string, options ...string) string {
	t.Helper()
	status, token := n.ask(t, url+"latest/api/token", append(options, "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60")...)
	if status != http.StatusOK {
		t.Fatalf("the token's PUT answers %d %s", status, token)
	}
	return token
}

// withToken are curl's options for a session token.
func withToken(token string) []string { return []string{"-H", "X-aws-ec2-metadata-token: " + token} }
