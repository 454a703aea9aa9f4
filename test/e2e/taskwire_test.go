//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// said is one request to a service of containers, and its answers.
type said struct {
	name string
	at   string // host and port
	text string // \n for CRLF; ID and JWT stand for those of web
	want string // of the last answer, as shown has it; DOCUMENT stands for the credentials
}

// Answers that several requests get, as shown has them.
const (
	pageNotFound    = "404\nContent-Length: 19\nContent-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n\n404 page not found\n"
	pageNotAllowed  = "405\nAllow: GET, HEAD\nContent-Length: 19\nContent-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n\nMethod Not Allowed\n"
	invalidID       = `{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found","HTTPErrorCode":400}`
	metadataMissing = "404 EC2ws"
)

// shown is an answer's status, its header without Date, and its body.
func shown(a answer) string {
	var lines []string
	for name, values := range a.header {
		if name != "Date" {
			lines = append(lines, name+": "+strings.Join(values, " | ")+"\n")
		}
	}
	slices.Sort(lines)
	return fmt.Sprintf("%d\n%s\n%s", a.status, strings.Join(lines, ""), a.body)
}

// asJSON is an answer of ECS.
func asJSON(status int, body string) string {
	return fmt.Sprintf("%d\nContent-Length: %d\nContent-Type: application/json\n\n%s", status, len(body), body)
}

// asText is an answer of Go's http.Error, which the agent of Pod Identity uses.
func asText(status int, text string) string {
	return fmt.Sprintf("%d\nContent-Length: %d\nContent-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n\n%s\n", status, len(text)+1, text)
}

// say sends bytes from a namespace and returns all answers. It closes its side at once, after which the daemon does not wait for STS.
func (n netns) say(t *testing.T, at, text string) []answer {
	t.Helper()
	conn, err := n.dial(t.Context(), "", at)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := exchange(conn, strings.ReplaceAll(text, "\n", "\r\n"), false)
	if err != nil || len(answers) == 0 {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	return answers
}

// Requests without the rest of their header.
const (
	getByID  = "GET /v2/credentials/ID HTTP/1.1\nHost: 169.254.170.2\n"
	getByJWT = "GET /v1/credentials HTTP/1.1\nHost: 169.254.170.23\nAuthorization: JWT\n"
)

// toECS are requests to 169.254.170.2.
func toECS() []said {
	get := func(path string) string { return "GET " + path + " HTTP/1.1\nHost: 169.254.170.2\n\n" }
	all := []said{
		{name: "credentials", text: getByID + "\n", want: "DOCUMENT"},
		{name: "on the same connection", text: strings.Repeat(getByID+"\n", 3), want: "DOCUMENT"},
		{name: "version 1", text: get("/v1/credentials?id=ID"), want: "DOCUMENT"},
		{name: "slashes", text: get("//v2//credentials/ID"), want: "DOCUMENT"},
		{name: "query", text: get("/v2/credentials/ID?x=1&id=2"), want: "DOCUMENT"},
		{name: "with a port", text: "GET /v2/credentials/ID HTTP/1.1\nHost: 169.254.170.2:80\n\n", want: "DOCUMENT"},
		{name: "without Host", text: "GET /v2/credentials/ID HTTP/1.1\n\n", want: "DOCUMENT"},
		{name: "another header", text: getByID + "Authorization: x\nAccept: text/html\nAccept-Encoding: gzip\n\n", want: "DOCUMENT"},
		{name: "no id", text: get("/v2/credentials/"), want: asJSON(400, `{"code":"NoIdInRequest","message":"CredentialsV2Request: No Credential ID in the request","HTTPErrorCode":400}`)},
		{name: "no id of version 1", text: get("/v1/credentials?id="), want: asJSON(400, `{"code":"NoIdInRequest","message":"CredentialsV1Request: No Credential ID in the request","HTTPErrorCode":400}`)},
		{name: "no query", text: get("/v1/credentials"), want: asJSON(400, `{"code":"NoIdInRequest","message":"CredentialsV1Request: No Credential ID in the request","HTTPErrorCode":400}`)},
		{name: "unknown id", text: get("/v2/credentials/8f6b2c4d-9e0a-4f7b-9c1d-2e3f4a5b6c7d"), want: asJSON(400, invalidID)},
		{name: "slash after the id", text: get("/v2/credentials/ID/"), want: asJSON(400, invalidID)},
		{name: "no slash", text: get("/v2/credentials"), want: pageNotFound},
		{name: "metadata service", text: get("/latest/meta-data/"), want: pageNotFound},
		{name: "status", text: get("/status"), want: pageNotFound},
		{name: "root", text: get("/"), want: pageNotFound},
		{name: "unknown endpoint", text: get("/v4/x"), want: asJSON(404, `"V4 container metadata handler: unable to get container ID from request: unable to get docker ID from v3 endpoint ID: x"`)},
		{name: "unknown endpoint of version 3", text: get("/v3/x/task"), want: asJSON(500, `"V3 task metadata handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: x"`)},
		{name: "unknown endpoint's statistics", text: get("/v3/x/stats"), want: asJSON(400, `"V3 container stats handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: x"`)},
		{name: "slash after the endpoint", text: get("/v4/x/"), want: pageNotFound},
		{name: "proxy", text: getByID + "X-Forwarded-For: 127.0.0.1\n\n", want: asText(403, "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)")},
		{name: "proxy that hides the client", text: getByID + "X-Forwarded-For:\n\n", want: asText(403, "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)")},
		{name: "rebound", text: "GET /v2/credentials/ID HTTP/1.1\nHost: evil.example\n\n", want: asText(403, `Host "evil.example" is not allowed here: it may be a web page's (DNS rebinding); ask 169.254.170.2`)},
		{name: "page", text: getByID + "Origin: http://evil.example\n\n", want: asText(403, originDenied)},
		{name: "picture", text: getByID + "Sec-Fetch-Site: cross-site\n\n", want: asText(403, siteDenied)},
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		all = append(all, said{name: method, text: method + " /v2/credentials/ID HTTP/1.1\nHost: 169.254.170.2\nContent-Length: 2\n\n{}", want: pageNotAllowed})
	}
	for i := range all {
		all[i].at = ecsAddress + ":80"
	}
	return all
}

const (
	originDenied = `requests of web pages are not allowed (Origin: "http://evil.example"); to allow this page, add its origin to server.allow_origins`
	siteDenied   = `requests of web pages are not allowed (Sec-Fetch-Site: "cross-site"); to allow this page, add its origin to server.allow_origins`
)

// toPodIdentity are requests to one of its addresses.
func toPodIdentity(at string) []said {
	get := func(path, header string) string {
		return "GET " + path + " HTTP/1.1\nHost: " + at + "\n" + header + "\n"
	}
	const jwt = "Authorization: JWT\n"
	all := []said{
		{name: "credentials", text: getByJWT + "\n", want: "DOCUMENT"},
		{name: "on the same connection", text: strings.Repeat(getByJWT+"\n", 3), want: "DOCUMENT"},
		{name: "query", text: get("/v1/credentials?id=1", jwt), want: "DOCUMENT"},
		{name: "slashes", text: get("//v1/credentials", jwt), want: "DOCUMENT"},
		{name: "without Host", text: "GET /v1/credentials HTTP/1.1\nAuthorization: JWT\n\n", want: "DOCUMENT"},
		{name: "no token", text: get("/v1/credentials", ""), want: asText(400, "Service account token cannot be empty")},
		{name: "empty token", text: get("/v1/credentials", "Authorization:\n"), want: asText(400, "Service account token cannot be empty")},
		{name: "nonsense", text: get("/v1/credentials", "Authorization: nonsense\n"), want: asText(400, "Service account token cannot be parsed: token is malformed: token contains an invalid number of segments")},
		{name: "Bearer", text: get("/v1/credentials", "Authorization: Bearer JWT\n"), want: asText(400, "Service account token cannot be parsed: token is malformed: could not base64 decode header: illegal base64 data at input byte 6")},
		{name: "root", text: get("/", jwt), want: pageNotFound},
		{name: "slash at the end", text: get("/v1/credentials/", jwt), want: pageNotFound},
		{name: "metadata service", text: get("/latest/meta-data/", jwt), want: pageNotFound},
		{name: "ECS", text: get("/v2/credentials/ID", jwt), want: pageNotFound},
		{name: "task metadata", text: get("/v4/x", jwt), want: pageNotFound},
		{name: "status", text: get("/status", jwt), want: pageNotFound},
		{name: "POST", text: "POST /v1/credentials HTTP/1.1\nHost: " + at + "\nAuthorization: JWT\nContent-Length: 2\n\n{}", want: pageNotAllowed},
		{name: "proxy", text: getByJWT + "Via:\n\n", want: asText(403, "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)")},
		{name: "page", text: getByJWT + "Origin: http://evil.example\n\n", want: asText(403, originDenied)},
		{name: "picture", text: getByJWT + "Sec-Fetch-Site: cross-site\n\n", want: asText(403, siteDenied)},
	}
	for _, host := range []string{podIdentityAddress, podIdentityAddress + ":80", "[" + podIdentityIPv6 + "]", "[" + podIdentityIPv6 + "]:80"} {
		all = append(all, said{name: "Host " + host, text: "GET /v1/credentials HTTP/1.1\nHost: " + host + "\nAuthorization: JWT\n\n", want: "DOCUMENT"})
	}
	for _, host := range []string{"evil.example", "localhost", "127.0.0.1", ecsAddress} {
		const denial = "Access Denied. Called agent through invalid address, please use either [169.254.170.23 fd00:ec2::23] address not "
		all = append(all, said{name: "Host " + host, text: "GET /v1/credentials HTTP/1.1\nHost: " + host + "\nAuthorization: JWT\n\n", want: asText(403, denial+host)})
	}
	for i := range all {
		all[i].at = at + ":80"
	}
	return all
}

// TestTasks_WireIsThatOfTheAgents compares answers at each address byte for byte, without their date.
func TestTasks_WireIsThatOfTheAgents(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	token, err := os.ReadFile(m.token(t, "web"))
	if err != nil {
		t.Fatal(err)
	}
	id := m.id(t, "web")
	// say does not wait for STS and the check of the token.
	for _, options := range [][]string{{ecsURL + "/v2/credentials/" + id}, {podIdentityURL, "-H", "Authorization: " + string(token)}} {
		if code, body := m.machine.ask(t, options[0], options[1:]...); code != 200 {
			t.Fatalf("%d %s", code, body)
		}
	}
	inside := strings.NewReplacer("ID", id, "JWT", string(token))
	document := func(t *testing.T, n netns, at, request string, container bool) string {
		t.Helper()
		return m.document(t, n.say(t, at, inside.Replace(request)+"\n")[0].body, container)
	}
	for _, tt := range []struct {
		name      string
		from      netns
		all       []said
		request   string
		container bool // ECS'
	}{
		{"ECS", m.machine, toECS(), getByID, true},
		{"ECS, from a virtual machine", m.vm, toECS(), getByID, true},
		{"Pod Identity", m.machine, toPodIdentity(podIdentityAddress), getByJWT, false},
		{"Pod Identity by IPv6", m.machine, toPodIdentity("[" + podIdentityIPv6 + "]"), getByJWT, false},
		{"Pod Identity by IPv6, from a container", m.pod, toPodIdentity("[" + podIdentityIPv6 + "]"), getByJWT, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := asJSON(200, document(t, tt.from, tt.all[0].at, tt.request, tt.container))
			for _, s := range tt.all {
				answers := tt.from.say(t, s.at, inside.Replace(s.text))
				want := s.want
				if want == "DOCUMENT" {
					want = doc
				}
				for _, a := range answers {
					if diff := cmp.Diff(want, shown(a)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", s.name, diff)
					}
				}
				if want := strings.Count(s.text, " HTTP/1.1\n"); len(answers) != want {
					t.Errorf("%s: %d answers, want %d", s.name, len(answers), want)
				}
			}
			head := tt.from.say(t, tt.all[0].at, inside.Replace(strings.Replace(tt.request, "GET", "HEAD", 1)+"\n"))[0]
			if want := doc[:strings.Index(doc, "\n\n")+2]; shown(head) != want {
				t.Errorf("HEAD gets %q, want %q", shown(head), want)
			}
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		for _, path := range []string{"/v2/credentials/ID", "/v1/credentials?id=ID", "/v1/credentials", "/v4/x", "/v3/x/task", "/v2/metadata"} {
			for at, host := range map[string]string{listenIPv4: serviceIPv4, listenIPv6: "[" + serviceIPv6 + "]"} {
				a := m.machine.say(t, at, inside.Replace("GET "+path+" HTTP/1.1\nHost: "+host+"\nAuthorization: JWT\n\n"))[0]
				if got := fmt.Sprint(a.status, " ", a.header.Get("Server")); got != metadataMissing || !strings.Contains(a.body, "<html") {
					t.Errorf("%s at %s: %s", path, at, shown(a))
				}
			}
		}
		const shared = "127.0.0.1:5000"
		for request, container := range map[string]bool{
			getByID: true, "GET /v1/credentials?id=ID HTTP/1.1\nHost: x\nAuthorization: JWT\n": true, getByJWT: false,
		} {
			a := m.machine.say(t, shared, inside.Replace(request)+"\n")[0]
			if diff := cmp.Diff(asJSON(200, m.document(t, a.body, container)), shown(a)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", request, diff)
			}
		}
	})
	if got := callsFor(m.sts, "web"); got != 1 {
		t.Errorf("%d calls of STS for web, want one", got)
	}
	m.noSecretInLog(t, append(m.sts.Secrets(), id, string(token))...)
}

// document is what a service must answer whose credentials have the key id of printed: those that STS has issued for web.
func (m *taskMachine) document(t *testing.T, printed string, ofECS bool) string {
	t.Helper()
	var got struct{ AccessKeyID string }
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Fatalf("%v in %q", err, printed)
	}
	c, ok := m.sts.Issued(got.AccessKeyID)
	if !ok || m.sts.Principal(got.AccessKeyID) != arnOf("web") {
		t.Fatalf("STS has issued no such credentials for web: %q", printed)
	}
	type keys struct{ AccessKeyId, SecretAccessKey, Token string } //nolint:revive // as AWS spells it
	of, expires := keys{c.AccessKeyID, c.SecretAccessKey, c.SessionToken}, c.Expires.UTC().Format("2006-01-02T15:04:05Z")
	var all any = struct {
		keys
		AccountId, Expiration string //nolint:revive // as AWS spells it
	}{of, "123456789012", expires}
	if ofECS {
		all = struct {
			RoleArn string
			keys
			Expiration string
		}{arnOf("web"), of, expires}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTasks_RateIsThatOfTheAgent has a rate that the third request at once exceeds.
func TestTasks_RateIsThatOfTheAgent(t *testing.T) {
	m := newTaskMachine(t, "ecs: {enabled: true, rate: 1/2}\n")
	ask := func(n netns, path string, times int) string {
		request := "GET " + path + " HTTP/1.1\nHost: 169.254.170.2\n\n"
		return statuses(n.say(t, ecsAddress+":80", strings.Repeat(request, times)))
	}
	for path, status := range map[string]string{"/v2/credentials/x": "400", "/v2/credentials/y": "400", "/v4/x": "404"} {
		for _, n := range []netns{m.machine, m.vm} {
			if got, want := ask(n, path, 3), status+" "+status+" 429"; got != want {
				t.Errorf("%s gets %s, want %s", path, got, want)
			}
		}
	}
	answers := m.pod.say(t, ecsAddress+":80", strings.Repeat("GET /v2/credentials/x HTTP/1.1\nHost: 169.254.170.2\n\n", 3))
	const want = "429\nContent-Length: 39\nContent-Type: text/plain; charset=utf-8\n\nYou have reached maximum request limit."
	if got := shown(answers[2]); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
