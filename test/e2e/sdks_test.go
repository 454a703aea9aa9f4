//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

// seen is what the programs of test/clients print: all that their SDK can read.
type seen struct {
	Region, InstanceID, PrivateIP, PendingTime string
	Products                                   []string
	Profile                                    string
	Credentials                                []string // access key, secret key, token
	UserData, Monitoring, Listing              string
}

// sdks build or install the program of each SDK and return its command.
var sdks = map[string]func(t *testing.T) []string{
	"aws-sdk-go v1": func(t *testing.T) []string { return buildClient(t, "go-v1") },
	"aws-sdk-go v2": func(t *testing.T) []string { return buildClient(t, "go-v2") },
	"aws-sdk-js v3": func(t *testing.T) []string { return installJavaScript(t, "js") },
}

// TestSDKs_ReadCredentialsAndMetadata reads credentials and metadata by each SDK, with http_tokens: required.
func TestSDKs_ReadCredentialsAndMetadata(t *testing.T) {
	fake := stsfake.Start(t)
	d := startLocal(t, newHome(t, fake, instance+requireTokens), fake.URL())
	for name, prepare := range sdks {
		t.Run(name, func(t *testing.T) {
			command := prepare(t)
			env := append(clean(t, d.url), "AWS_EC2_METADATA_V1_DISABLED=true")
			out, err := client(t, env, command[0], command[1:]...)
			if err != nil {
				t.Fatal(err)
			}
			wantSeen(t, out, fetchWithToken(t, d.url, "latest/meta-data/iam/security-credentials/myrole"))
		})
	}
}

// wantSeen compares what a program printed with the instance, and with the document of its credentials.
func wantSeen(t *testing.T, printed, document string) {
	t.Helper()
	var c struct {
		AccessKeyID            string `json:"AccessKeyId"`
		SecretAccessKey, Token string
	}
	if err := json.Unmarshal([]byte(document), &c); err != nil || c.Token == "" {
		t.Fatalf("%v in %s", err, document)
	}
	var got seen
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Fatal(err)
	}
	want := seen{
		Region: region, InstanceID: instanceID, PrivateIP: "10.20.1.10", PendingTime: "2026-02-03T04:05:06Z",
		Products:    []string{"1abc2defghijklm3nopqrs4tu", "5abc2defghijklm3nopqrs4tu"},
		Profile:     "arn:aws:iam::123456789012:instance-profile/myrole",
		Credentials: []string{c.AccessKeyID, c.SecretAccessKey, c.Token},
		UserData:    userData, Monitoring: "enabled", Listing: topListing,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// topListing is the listing of meta-data/ of instance.
const topListing = `ami-id
ami-launch-index
ami-manifest-path
block-device-mapping/
events/
hostname
iam/
identity-credentials/
instance-action
instance-id
instance-life-cycle
instance-type
ipv6
local-hostname
local-ipv4
mac
metrics/
network/
placement/
product-codes
profile
public-hostname
public-ipv4
public-keys/
reservation-id
security-groups
services/
system
tags/`

// buildClient builds the program of an SDK for Go, which may be a module of its own.
func buildClient(t *testing.T, name string) []string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("../clients", name)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return []string{bin}
}

// installJavaScript installs the packages that a program of test/clients locks, from the configured registry.
func installJavaScript(t *testing.T, name string) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing: apt-get install nodejs")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatal("npm is missing: apt-get install npm")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("../clients", name))); err != nil {
		t.Fatal(err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return []string{node, filepath.Join(dir, "main.js")}
}

// fetchWithToken gets a path by IMDSv2. The answer must be 200.
func fetchWithToken(t *testing.T, url, path string) string {
	t.Helper()
	token := do(t, http.MethodPut, url+"latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	return do(t, http.MethodGet, url+path, "X-Aws-Ec2-Metadata-Token", token)
}

func do(t *testing.T, method, url, header, value string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v\n%s", method, url, resp.Status, err, body)
	}
	return string(body)
}
