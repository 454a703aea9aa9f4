package sts

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	roleARN    = "arn:aws:iam::123456789012:role/some/path/myrole"
	sessionARN = "arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0"
)

// home isolates the test, writes the two shared config files, unless they are empty, and points the SDK at the fake. It
// returns the directory of the files.
func home(t *testing.T, sts *stsfake.Server, configFile, credentialsFile string) (dir string) {
	t.Helper()
	dir = filepath.Join(testutil.IsolateHome(t), ".aws")
	for name, content := range map[string]string{"config": configFile, "credentials": credentialsFile} {
		if content != "" {
			testutil.Write(t, filepath.Join(dir, name), content)
		}
	}
	if sts != nil {
		t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	}
	return dir
}

// keys is a profile of the credentials file.
func keys(profile string, key stsfake.Key) string {
	return fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", profile, key.AccessKeyID, key.SecretAccessKey)
}

// roleSpec is the Spec of most tests: profile "default" assumes roleARN.
func roleSpec() credentials.Spec {
	return credentials.Spec{
		Profile: "default", Region: "ap-southeast-2", RoleARN: roleARN, SessionName: "i-0123456789abcdef0", Duration: time.Hour,
	}
}

// ownSpec has no role: the profile's own credentials are handed out.
func ownSpec() credentials.Spec {
	return credentials.Spec{Profile: "default", Region: "ap-southeast-2", Duration: 2 * time.Hour}
}

func provider(spec credentials.Spec) *Provider { return New(spec, Options{}) }

// debugLog is a logger of all levels.
func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// expectLeft fails the test unless c is valid for want, give or take a minute.
func expectLeft(t *testing.T, c *credentials.Credentials, want time.Duration) {
	t.Helper()
	if left := time.Until(c.Expiration); (left - want).Abs() > time.Minute {
		t.Errorf("%v left, want %v", left, want)
	}
}

func TestRetrieve_PassesAllParametersToAssumeRole(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	sts.AddRole(roleARN, stsfake.MaxSession(12*time.Hour), stsfake.ExternalID("ext"))
	home(t, sts, "", keys("default", key))

	spec := roleSpec()
	spec.Duration = 2 * time.Hour
	spec.ExternalID = "ext"
	spec.SourceIdentity = "alice"
	spec.SessionTags = map[string]string{"b": "2", "a": "1"}
	spec.TransitiveTagKeys = []string{"a"}
	spec.Policy = `{"Version":"2012-10-17","Statement":[]}`
	spec.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	a := provider(spec)
	c, err := a.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.ARN != sessionARN {
		t.Errorf("ARN %q, want %q", c.ARN, sessionARN)
	}
	expectLeft(t, c, 2*time.Hour)
	if len(sts.Requests()) != 1 {
		t.Errorf("%d requests, want 1", len(sts.Requests()))
	}
	r := sts.Requests()[0]
	got := map[string]string{}
	for name, values := range r.Form {
		got[name] = strings.Join(values, "|")
	}
	if diff := cmp.Diff(map[string]string{
		"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": roleARN, "RoleSessionName": "i-0123456789abcdef0",
		"DurationSeconds": "7200", "ExternalId": "ext", "SourceIdentity": "alice",
		"Tags.member.1.Key": "a", "Tags.member.1.Value": "1", "Tags.member.2.Key": "b", "Tags.member.2.Value": "2",
		"TransitiveTagKeys.member.1": "a", "Policy": spec.Policy, "PolicyArns.member.1.arn": spec.PolicyARNs[0],
	}, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if r.Region != "ap-southeast-2" || r.CallerARN != key.UserARN {
		t.Errorf("signed by %s for %s", r.CallerARN, r.Region)
	}
	if arn, err := a.CallerIdentity(t.Context(), c); arn != sessionARN || err != nil {
		t.Errorf("CallerIdentity = %q, %v", arn, err)
	}
}

func TestRetrieve_RoleChainingFallsBackToOneHourForGood(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	sts.AddRole("arn:aws:iam::123456789012:role/base")
	sts.AddRole(roleARN, stsfake.MaxSession(12*time.Hour))
	home(t, sts, "[profile chained]\nrole_arn = arn:aws:iam::123456789012:role/base\nsource_profile = default\n", keys("default", key))
	spec := roleSpec()
	spec.Profile, spec.Duration = "chained", 4*time.Hour
	a := provider(spec)
	for i, wantCalls := range []int{3, 5} { // base, refused, accepted; then base, accepted
		c, err := a.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		expectLeft(t, c, time.Hour)
		if got := sts.Calls("AssumeRole"); got != wantCalls {
			t.Errorf("renewal %d: %d calls in total, want %d", i, got, wantCalls)
		}
	}
}

func TestRetrieve_SignatureErrorNamesAWrongClock(t *testing.T) {
	behind := stsfake.WithNow(func() time.Time { return time.Now().Add(-2 * time.Hour) })
	sts := stsfake.Start(t, behind)
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	home(t, sts, "", keys("default", key))
	_, err := provider(roleSpec()).Retrieve(t.Context())
	var e *credentials.Error
	if !errors.As(err, &e) || !e.Temporary || !strings.HasPrefix(e.Message, "this machine's clock is 2h0m0s ahead of STS's; set it (SignatureDoesNotMatch: ") {
		t.Errorf("got %v", err)
	}
}

func TestRetrieve_WithoutProfileUsesKeysInTheEnvironment(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	home(t, sts, "", "")
	t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
	spec := roleSpec()
	spec.Profile = ""
	if c, err := provider(spec).Retrieve(t.Context()); err != nil || c.ARN != sessionARN {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestRetrieve_ReadsTheProfileAtEachCall(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	dir := home(t, sts, "", "")
	a := provider(roleSpec())
	if _, err := a.Retrieve(t.Context()); err == nil {
		t.Fatal("got credentials without ~/.aws")
	}
	testutil.Write(t, filepath.Join(dir, "credentials"), keys("default", key))
	if _, err := a.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The daemon itself would be such a metadata service.
func TestRetrieve_NeverFallsBackToTheMetadataService(t *testing.T) {
	sts := stsfake.Start(t)
	home(t, sts, "[default]\nregion = us-east-1\n", "")
	requests := make(chan string, 100)
	metadata := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r.Method + " " + r.URL.Path }))
	defer metadata.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	if _, err := provider(roleSpec()).Retrieve(t.Context()); err == nil {
		t.Error("got credentials")
	}
	if len(requests) > 0 {
		t.Errorf("request to the metadata service: %s", <-requests)
	}
}

func TestRetrieve_CanceledContextIsNoErrorOfCredentials(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	home(t, sts, "", keys("default", key))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := provider(roleSpec()).Retrieve(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A proxy that intercepts TLS needs AWS_CA_BUNDLE.
func TestRetrieve_TrustsTheCABundle(t *testing.T) {
	sts := stsfake.New()
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	tls := httptest.NewTLSServer(sts)
	t.Cleanup(tls.Close)
	dir := home(t, nil, "", keys("default", key))
	t.Setenv("AWS_ENDPOINT_URL_STS", tls.URL)
	if _, err := provider(roleSpec()).Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the bundle: %v", err)
	}
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	t.Setenv("AWS_CA_BUNDLE", testutil.Write(t, filepath.Join(dir, "ca.pem"), string(bundle)))
	if _, err := provider(roleSpec()).Retrieve(t.Context()); err != nil {
		t.Errorf("with the bundle: %v", err)
	}
}

func TestNewProvider_MocksOrCallsSTS(t *testing.T) {
	sts := stsfake.Start(t)
	home(t, sts, "", keys("default", sts.AddUser("developer")))
	sts.AddRole(roleARN)
	for _, mock := range []bool{true, false} {
		spec := roleSpec()
		spec.Mock = mock
		c, err := NewProvider(spec, Options{}).Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.ARN != sessionARN || c.AccountID != "123456789012" {
			t.Errorf("mock %v: credentials of %s in %s", mock, c.ARN, c.AccountID)
		}
		if made := c.AccessKeyID == "ASIAMOCKEDCREDENTIAL"; made != mock {
			t.Errorf("mock %v: made up %v", mock, made)
		}
	}
	if got := len(sts.Requests()); got != 1 {
		t.Errorf("%d requests to STS, want 1", got)
	}
}
