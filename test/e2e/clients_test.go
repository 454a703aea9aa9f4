//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/test/stsfake"
)

const (
	awsCLI = "/usr/bin/aws"
	python = "/usr/bin/python3"
)

// whoAmI is an unmodified client. It asks STS whose credentials the metadata service gave it.
type whoAmI func(t *testing.T, metadata, stsURL string) (arn string, err error)

var clients = map[string]whoAmI{
	"aws-cli": func(t *testing.T, metadata, stsURL string) (string, error) {
		out, err := client(t, clean(t, metadata), awsCLI, "sts", "get-caller-identity",
			"--endpoint-url", stsURL, "--region", region, "--query", "Arn", "--output", "text")
		return strings.TrimSpace(out), err
	},
	"boto3": func(t *testing.T, metadata, stsURL string) (string, error) {
		out, err := client(t, clean(t, metadata), python, "-c", `
import boto3, sys
session = boto3.Session(region_name=sys.argv[2])
assert session.get_credentials().method == "iam-role", session.get_credentials().method
print(session.client("sts", endpoint_url=sys.argv[1]).get_caller_identity()["Arn"])
`, stsURL, region)
		return strings.TrimSpace(out), err
	},
	"aws-sdk-go-v2": func(t *testing.T, metadata, stsURL string) (string, error) {
		md := imds.New(imds.Options{Endpoint: metadata})
		identity, err := md.GetInstanceIdentityDocument(t.Context(), nil)
		if err != nil {
			return "", err
		}
		client := sts.New(sts.Options{
			Region: identity.Region, BaseEndpoint: aws.String(stsURL),
			Credentials: aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = md })),
		})
		out, err := client.GetCallerIdentity(t.Context(), nil)
		if err != nil {
			return "", err
		}
		return aws.ToString(out.Arn), nil
	},
}

func needClients(t *testing.T) {
	t.Helper()
	for tool, debian := range map[string]string{awsCLI: "awscli", "/usr/lib/python3/dist-packages/boto3": "python3-boto3"} {
		if _, err := os.Stat(tool); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", tool, debian)
		}
	}
}

// TestClients_GetTheRolesCredentials asks STS for the ARN of the credentials that each client got, by IMDSv1 and IMDSv2.
func TestClients_GetTheRolesCredentials(t *testing.T) {
	needClients(t)
	for _, tokens := range []string{"optional", "required"} {
		fake := stsfake.Start(t)
		d := startLocal(t, newHome(t, fake, "ec2:\n  metadata_options: {http_tokens: "+tokens+"}\n"), fake.URL())
		d.waitFor(t, `"msg":"got credentials"`)
		for name, who := range clients {
			t.Run(name+" tokens "+tokens, func(t *testing.T) {
				if arn, err := who(t, d.url, fake.URL()); arn != sessionARN || err != nil {
					t.Errorf("got %q, %v; want %s", arn, err, sessionARN)
				}
			})
		}
		if got := fake.Calls("AssumeRole"); got != 1 {
			t.Errorf("%d AssumeRole calls, want 1", got)
		}
	}
}

// TestClients_WaitForASlowSTS delays the answer of STS by 700 ms from the moment that the client asks for the role's name. Each
// client succeeds at its first try, with its default time-outs.
func TestClients_WaitForASlowSTS(t *testing.T) {
	needClients(t)
	for name, who := range clients {
		t.Run(name, func(t *testing.T) {
			fake := stsfake.New()
			asked := make(chan struct{})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			slow := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-asked:
					time.Sleep(700 * time.Millisecond)
				case <-r.Context().Done():
				}
				fake.ServeHTTP(w, r)
			})}
			go func() { _ = slow.Serve(l) }()
			t.Cleanup(func() { _ = slow.Close() })
			direct := stsfake.URL(l.Addr())

			d := startLocal(t, newHome(t, fake, ""), direct)
			go func() {
				d.waitFor(t, `security-credentials`)
				close(asked)
			}()
			if arn, err := who(t, d.url, direct); arn != sessionARN || err != nil {
				t.Errorf("got %q, %v; want %s", arn, err, sessionARN)
			}
			if got := fake.Calls("AssumeRole"); got != 1 {
				t.Errorf("%d AssumeRole calls, want 1", got)
			}
		})
	}
}

// TestClients_AThousandShareOneSTSCall sends a thousand requests to a daemon that has no credentials yet.
func TestClients_AThousandShareOneSTSCall(t *testing.T) {
	fake := stsfake.Start(t)
	fake.Delay(200 * time.Millisecond) // clients of the daemon wait for 900 ms
	d := startLocal(t, newHome(t, fake, ""), fake.URL())
	var all sync.WaitGroup
	documents := make(chan string, 1000)
	for range cap(documents) {
		all.Go(func() {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, d.url+"latest/meta-data/iam/security-credentials/myrole", nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			body, _ := io.ReadAll(resp.Body)
			documents <- resp.Status + "\n" + string(body)
		})
	}
	all.Wait()
	close(documents)
	different := map[string]bool{}
	for document := range documents {
		different[document] = true
	}
	if len(different) != 1 || fake.Calls("AssumeRole") != 1 {
		t.Errorf("%d different answers, %d AssumeRole calls; want one of each", len(different), fake.Calls("AssumeRole"))
	}
	for document := range different {
		status, body, _ := strings.Cut(document, "\n")
		var c struct{ Code, Expiration string }
		if err := json.Unmarshal([]byte(body), &c); err != nil || status != "200 OK" || c.Code != "Success" {
			t.Errorf("%s %+v %v", status, c, err)
		}
	}
}
