package metrics

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestMetrics_TellNoSecretARNOrPath lets secrets, ARNs, paths and hostile texts enter wherever they can.
func TestMetrics_TellNoSecretARNOrPath(t *testing.T) {
	s := fakeSTS(t)
	s.SetMFA("developer", "123456")
	s.AddRole("arn:aws:iam::123456789012:role/team/path/web", stsfake.ExternalID("external-7f3a"))
	c := countHere(t, real+`
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/team/path/web', external_id: external-7f3a, session_name: session-7f3a}
pod_identity: {enabled: true, verify: jwks, listen: [], associations: [{namespace: namespace-7f3a, service_account: account-7f3a, role: web}]}
ec2: {user_data: user-data-7f3a, tags: {Name: tag-7f3a}}
metadata: {meta-data/custom-7f3a: value-7f3a}
faults: [{id: fault-7f3a, match: {paths: [meta-data/custom-7f3a]}, status: 503}]
`)
	var ids []string
	for _, id := range c.Status().Identities {
		ids = append(ids, id.ID)
		if id.ID != "" {
			c.ask(t, "GET", "v2/credentials/"+id.ID)
		}
	}
	c.event(t, `{"id": "event-7f3a", "set": {"meta-data/event-7f3a": "value-7f3a"}}`)
	token := c.token(t)
	c.ask(t, "GET", "latest/meta-data/custom-7f3a", tokenHeader, token)
	c.ask(t, "GET", rolePath+"-7f3a", "User-Agent", "agent-7f3a")
	c.ask(t, "GET", "", "Host", "host-7f3a.example.com")
	s.Fail(stsfake.Fault{Status: http.StatusForbidden, Code: "Code7f3a", Message: "message-7f3a of arn:aws:iam::123456789012:role/x"})
	if _, err := c.RenewCredentials(peer); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "a failed renewal", func() bool { return c.scrape(t)[ofRole("credentials_failures_in_a_row", "myrole")] == 1 })

	text := c.text(t)
	known := append(s.Secrets(), token, "7f3a", "arn:", "AKIA", "ASIA", "IQoJ", "/latest", "127.0.0.1", c.State().Config.File)
	for _, secret := range append(known, ids...) {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("a scrape has %q", secret)
		}
	}
	for line := range strings.Lines(text) {
		if value := regexp.MustCompile(`"[^"]*/[^"]*"`).FindString(line); value != "" {
			t.Errorf("a label has a slash: %s", value)
		}
	}
	if len(s.Secrets()) < 3 || !strings.Contains(text, `role="web"`) {
		t.Errorf("%d secrets are known; a scrape has the role web: %t", len(s.Secrets()), strings.Contains(text, `role="web"`))
	}
}
