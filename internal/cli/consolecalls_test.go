package cli

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// Texts that the page may show only on a click.
const (
	plantedUserData = "planted-user-data"
	plantedValue    = "planted-metadata-value"
	plantedSet      = "planted-event-value"
	plantedReboot   = "planted-user-data-of-a-restart"
)

// plantedConfig has a secret wherever the configuration can have one.
const plantedConfig = `
credentials: {source_profile: default, iam_role: ` + roleARN + `, external_id: ` + hunter2 + `}
ec2: {user_data: ` + plantedUserData + `}
roles: {web: {iam_role: ` + roleARN + `, external_id: ` + hunter2 + `}}
clients: [{from: [192.0.2.7], role: web, ec2: {user_data: ` + plantedUserData + `}, metadata: {meta-data/other: ` + plantedValue + `}}]
ecs: {enabled: true, listen: [], authorization: ` + hunter2 + `}
server: {allow_clients: [192.0.2.0/24], control_listen: '127.0.0.1:0'}
metadata:
  meta-data/own: ` + plantedValue + `
  meta-data/identity-credentials/ec2/security-credentials/ec2-instance: '{"AccessKeyId": "AKIAPLANTEDPLANTED00", "SecretAccessKey": "` + hunter2 + `"}'
`

// TestConsole_NoCallTellsASecret plants secrets in all that the daemon gets, and asks all that the page can ask.
func TestConsole_NoCallTellsASecret(t *testing.T) {
	isolate(t)
	v := &vault{Server: stsfake.Start(t)}
	t.Setenv("AWS_ENDPOINT_URL_STS", v.URL())
	v.AddRole(roleARN, stsfake.ExternalID(hunter2))
	user := v.AddUser("developer")
	testutil.Write(t, ".aws/credentials", profileFile(user))
	testutil.Write(t, "conf/config.yaml", plantedConfig)
	d := start(t)
	testutil.Eventually(t, "credentials", func() bool { return d.status(t).Credentials.State == "valid" })
	status := d.status(t)
	file, err := os.ReadFile(status.Control.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	hidden := []string{hunter2, string(file), user.AccessKeyID, "AKIAPLANTEDPLANTED00"}

	// What clients send: tokens of IMDSv2 and ids of roles, also in requests that are refused.
	for _, role := range status.Identities {
		if role.ID == "" {
			continue
		}
		hidden = append(hidden, role.ID)
		for _, path := range []string{"v2/credentials/" + role.ID, "v2/credentials/" + role.ID + "/x", "latest/v2/credentials/" + role.ID, "v1/credentials?id=" + role.ID} {
			hidden = append(hidden, keyID.FindAllString(getWith(t, d.url+path, http.Header{"Authorization": {hunter2}}), -1)...)
			getWith(t, d.url+path, http.Header{"Authorization": {hunter2}, "Origin": {"http://evil.example"}})
		}
	}
	hidden = append(hidden, keyID.FindAllString(v.get(t, d, "latest/meta-data/iam/security-credentials/myrole"), -1)...)
	getWith(t, d.url+"latest/meta-data/mac?token="+v.tokens[0], http.Header{"Origin": {"http://evil.example"}, "X-Aws-Ec2-Metadata-Token": {v.tokens[0]}})

	b := newCrawler(t, status.Control.Socket)
	hidden = append(hidden, b.token)
	for _, call := range [][2]string{
		{"GET /v1/status"},
		{"PUT /v1/events/reboot", `{"restart": true, "user_data": "` + plantedReboot + `"}`},
		{"PUT /v1/events/reboot", `{"restart": true, "user_data": "another"}`},
		{"PUT /v1/events/later", `{"restart": true, "user_data": "` + plantedReboot + `", "in": "1h"}`},
		{"POST /v1/events", `{"set": {"meta-data/planted": "` + plantedSet + `"}, "id": "set"}`},
		{"POST /v1/events", `{"set": {"meta-data/iam/security-credentials/other": "{\"SecretAccessKey\": \"` + hunter2 + `\"}"}, "id": "document"}`},
		{"POST /v1/events", `{"maintenance": "system-reboot", "id": "m"}`},
		{"POST /v1/events/m", `{"verb": "complete"}`},
		{"POST /v1/events/reboot", `{"verb": "complete"}`},
		{"GET /v1/events"},
		{"GET /v1/events/reboot"},
		{"GET /v1/events/later"},
		{"GET /v1/events/set"},
		{"GET /v1/events/set/wait?phase=active"},
		{"GET /v1/events/later/wait?timeout=0s"},
		{"POST /v1/faults", `{"status": 503, "match": {"paths": ["meta-data/none"]}, "id": "f"}`},
		{"PUT /v1/faults/g", `{"status": 503, "match": {"paths": ["meta-data/none"]}}`},
		{"GET /v1/faults"},
		{"GET /v1/faults/f"},
		{"GET /v1/state"},
		{"GET /v1/state?after=999999&timeout=0s"},
		{"GET /v1/status"},
		{"GET /v1/requests"},
		{"GET /v1/refusals"},
		{"GET /v1/config"},
		{"GET /v1/explain?path=/latest/meta-data/iam/security-credentials/myrole"},
		{"GET /v1/explain?client=192.0.2.7"},
		{"GET /v1/env?for=shell"},
		{"GET /v1/env?for=docker"},
		{"GET /v1/env?for=compose"},
		{"GET /v1/env?for=vm"},
		{"GET /v1/env?for=pod"},
		{"POST /v1/credentials/renew", `{}`},
		{"PUT /v1/credentials/choice", `{"role": "web"}`},
		{"GET /v1/status"},
		{"DELETE /v1/credentials/choice"},
		{"POST /v1/mfa", `{"code": "123456"}`},
		{"POST /v1/reload", `{}`},
	} {
		b.ask(t, call[0], call[1])
	}
	if e, err := control.NewClient(status.Control.Socket).Event(t.Context(), "later"); err != nil || !strings.Contains(string(e.Spec), plantedReboot) {
		t.Errorf("the socket hides the user data, too: %s, %v", e.Spec, err)
	}
	b.crawl(t, "", "")
	b.crawl(t, "", "&client=192.0.2.7")
	b.stream(t)
	v.Fail(stsfake.Fault{Code: "AccessDenied", Message: "no", Status: 403})
	b.ask(t, "POST /v1/credentials/renew", `{}`)
	testutil.Eventually(t, "the error of STS shows", func() bool { return strings.Contains(b.ask(t, "GET /v1/status", ""), `"last_error"`) })
	testutil.Write(t, "conf/config.yaml", "credentials: {external_id: '"+hunter2+" with blanks'}\n")
	b.ask(t, "POST /v1/reload", `{}`)
	b.ask(t, "GET /v1/status", "")

	revealed := &crawler{origin: b.origin, token: b.token, told: map[string]string{}}
	revealed.crawl(t, "", "&reveal=true")
	revealed.crawl(t, "", "&reveal=true&client=192.0.2.7")
	for request, told := range revealed.told {
		b.told["revealed "+request] = told
	}
	for _, request := range []string{"DELETE /v1/events/set", "DELETE /v1/events", "DELETE /v1/faults/f", "DELETE /v1/faults", "DELETE /v1/console/session"} {
		b.ask(t, request, "")
	}

	hidden = slices.Concat(hidden, v.Secrets(), v.tokens)
	if len(hidden) < 12 {
		t.Errorf("only %d secrets", len(hidden))
	}
	onClick := []string{plantedUserData, plantedValue, plantedSet, plantedReboot}
	all := ""
	for request, told := range b.told {
		all += told
		secrets := hidden
		if !strings.HasPrefix(request, "revealed ") {
			secrets = append(slices.Clip(hidden), onClick...)
		}
		for _, secret := range secrets {
			for _, form := range forms(secret) {
				if i := strings.Index(told, form); i >= 0 {
					t.Errorf("%s tells %q: %s", request, form, told[max(0, i-200):min(len(told), i+len(form)+100)])
				}
			}
		}
	}
	for _, text := range onClick {
		if !strings.Contains(all, text) {
			t.Errorf("%s is not even revealed", text)
		}
	}
	for _, text := range []string{`"[folded]"`, "[redacted]", "/v2/credentials/", "may not assume"} {
		if !strings.Contains(all, text) {
			t.Errorf("%s is nowhere", text)
		}
	}
	b.wantAll(t)
}

// keyID finds ids of access keys.
var keyID = regexp.MustCompile(`\bA[KS]IA[A-Z0-9]{12,}`)

// getWith sends a GET with headers, and returns the body of the answer.
func getWith(t *testing.T, url string, header http.Header) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
