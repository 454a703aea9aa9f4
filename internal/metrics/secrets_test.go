package metrics

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestPages_TellNoSecret has a daemon that has given credentials and tokens, and been refused by STS. It looks for all of these, and
// for ARNs, paths and ids, on each page.
func TestPages_TellNoSecret(t *testing.T) {
	d, sts, key := startReal(t, nil)
	testutil.Eventually(t, "it is ready", func() bool { return d.status(t, "/readyz") == http.StatusOK })
	token := ask(t, "PUT", d.url+"latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60").body
	page := ask(t, "GET", d.url+"latest/meta-data/iam/security-credentials/myrole", "X-aws-ec2-metadata-token: "+token)
	var document struct{ AccessKeyID, SecretAccessKey, Token string }
	if err := json.Unmarshal([]byte(page.body), &document); err != nil || document.Token == "" {
		t.Fatalf("%s: %v", page.body, err)
	}
	ask(t, "GET", d.url+"latest/private-path", "User-Agent: private-agent", "X-aws-ec2-metadata-token: private-token")
	ask(t, "GET", d.url+"latest/meta-data/", "Host: private-host.example")
	sts.Fail(stsfake.Fault{Status: 403, Code: "AccessDenied", Message: "private-message"})
	testutil.Write(t, "conf/config.yaml", "credentials: {source_profile: default, iam_role: '"+roleARN+"2'}\n")
	if err := d.Reload("test"); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "STS has refused", func() bool { return strings.HasSuffix(ask(t, "GET", d.base+"/readyz").body, "failed\n") })

	private := append(sts.Secrets(), key.AccessKeyID, key.SecretAccessKey, document.AccessKeyID, document.SecretAccessKey, document.Token, token,
		"private", "arn:", "/team", "role/", "latest", "meta-data", "127.0.0.1", "i-0123456789abcdef0", "developer", "ASIA", "AKIA")
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/readyz?verbose", "/none"} {
		for _, accept := range []string{plainType, openType} {
			body := ask(t, "GET", d.base+path, "Accept: "+accept).body
			for _, text := range private {
				if strings.Contains(body, text) {
					t.Errorf("%s has %s", path, text)
				}
			}
		}
	}
	if v := value(t, d.scrape(t), `mock_ec2_metadata_sts_requests_total{code="AccessDenied",operation="AssumeRole",outcome="refused"}`); v == 0 {
		t.Error("the refusal of STS was not counted")
	}
}
