//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestIPv6_ClientsNeedNoIPv4 serves at the service's IPv6 address only. Clients are told to use IPv6, and nothing else.
func TestIPv6_ClientsNeedNoIPv4(t *testing.T) {
	needClients(t)
	site := newSite(t, serviceIPv6)
	site.serve(t, mockHome(t, instance+requireTokens), listenIPv6)
	env := []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"}
	const url = "http://[" + serviceIPv6 + "]" + "/latest/"
	token := site.output(t, nil, "curl", "-qfsSg", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", url+"api/token")
	document := site.output(t, nil, "curl", "-qfsSg", "-H", "X-aws-ec2-metadata-token: "+token, url+"meta-data/iam/security-credentials/myrole")

	t.Run("boto3", func(t *testing.T) {
		var want struct {
			AccessKeyID            string `json:"AccessKeyId"`
			SecretAccessKey, Token string
		}
		if err := json.Unmarshal([]byte(document), &want); err != nil {
			t.Fatal(err)
		}
		var got []string
		out := site.output(t, env, python, "-c", `
import boto3, json
c = boto3.Session().get_credentials()
print(json.dumps([c.method, c.access_key, c.secret_key, c.token]))
`)
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"iam-role", want.AccessKeyID, want.SecretAccessKey, want.Token}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	for name, prepare := range sdks {
		t.Run(name, func(t *testing.T) {
			env := env
			if name == "aws-sdk-js v3" { // its MetadataService has no endpoint mode
				env = []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://[" + serviceIPv6 + "]"}
			}
			wantSeen(t, site.output(t, env, prepare(t)...), document)
		})
	}
}
