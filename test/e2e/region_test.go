//go:build e2e && linux

package e2e

import (
	"regexp"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

// TestRegion_ClientsFindItAtTheService tells clients the endpoint of the metadata service alone. They get credentials and region
// from it.
func TestRegion_ClientsFindItAtTheService(t *testing.T) {
	needClients(t)
	fake := stsfake.Start(t)
	d := startLocal(t, newHome(t, fake, instance), fake.URL(), "--set", "ec2.metadata_options.http_tokens=required")
	env := clean(t, d.url)

	t.Run("aws configure list", func(t *testing.T) {
		out, err := client(t, env, awsCLI, "configure", "list")
		for _, line := range []string{`access_key[ :]+\*+.{4}[ :]+iam-role`, `secret_key[ :]+\*+.{4}[ :]+iam-role`, `region[ :]+` + region + `[ :]+imds`} {
			if !regexp.MustCompile(`(?m)^ *` + line).MatchString(out) {
				t.Errorf("no %q in\n%s%v", line, out, err)
			}
		}
	})
	t.Run("aws sts", func(t *testing.T) {
		out, err := client(t, env, awsCLI, "sts", "get-caller-identity", "--endpoint-url", fake.URL(), "--query", "Arn", "--output", "text")
		if out != sessionARN+"\n" || err != nil {
			t.Errorf("got %q, %v; want %s", out, err, sessionARN)
		}
		calls := fake.Requests()
		if last := calls[len(calls)-1]; last.Action != "GetCallerIdentity" || last.Region != region {
			t.Errorf("%s is signed for %q; want %s", last.Action, last.Region, region)
		}
	})
	t.Run("botocore", func(t *testing.T) {
		out, err := client(t, env, python, "-c", `
import botocore.session, botocore.utils
print(botocore.utils.IMDSRegionProvider(botocore.session.Session()).provide())
`)
		if out != region+"\n" || err != nil {
			t.Errorf("got %q, %v; want %s", out, err, region)
		}
	})
	// In the region that it talks to, boto3 has a shorter time-out for connections (elsewhere 3.1 s).
	t.Run("boto3", func(t *testing.T) {
		out, err := client(t, append(env, "AWS_DEFAULTS_MODE=auto", "AWS_DEFAULT_REGION="+region), python, "-c", `
import boto3
client = boto3.client("sts")
print(client.meta.config.connect_timeout, client.meta.config.retries["mode"])
`)
		if out != "1.1 standard\n" || err != nil {
			t.Errorf("got %q, %v; want the defaults for clients in the region", out, err)
		}
	})
}
