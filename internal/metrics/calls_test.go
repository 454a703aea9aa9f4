package metrics

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestCalls_AreCountedByHowTheyEnd has STS fail in each way that takes no time. Package sts tests the rest.
func TestCalls_AreCountedByHowTheyEnd(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><body>Log in to the network</body></html>"))
	}))
	defer page.Close()
	for _, tt := range []struct {
		name   string
		fault  stsfake.Fault
		url    string
		clock  time.Duration // of STS
		labels string
	}{
		{name: "success", labels: `code="none",operation="AssumeRole",outcome="success"`},
		{name: "refused", fault: stsfake.AccessDenied, labels: `code="AccessDenied",operation="AssumeRole",outcome="refused"`},
		{name: "bad key", fault: stsfake.InvalidClientTokenID, labels: `code="InvalidClientTokenId",operation="AssumeRole",outcome="refused"`},
		{name: "expired keys", fault: stsfake.ExpiredToken, labels: `code="ExpiredToken",operation="AssumeRole",outcome="refused"`},
		{name: "region", fault: stsfake.RegionDisabled, labels: `code="RegionDisabledException",operation="AssumeRole",outcome="refused"`},
		{name: "broken", fault: stsfake.InternalFailure, labels: `code="InternalFailure",operation="AssumeRole",outcome="refused"`},
		{name: "unknown code", fault: stsfake.Fault{Status: 403, Code: "Teapot/arn:aws:iam::1:role/x"}, labels: `code="other",operation="AssumeRole",outcome="refused"`},
		{name: "throttled", fault: stsfake.Throttled, labels: `code="Throttling",operation="AssumeRole",outcome="throttled"`},
		{name: "away", url: "http://" + testutil.FreeAddr(t), labels: `code="none",operation="AssumeRole",outcome="unreachable"`},
		{name: "a proxy's page", url: page.URL, labels: `code="none",operation="AssumeRole",outcome="invalid"`},
		{name: "wrong clock", clock: time.Hour, labels: `code="SignatureDoesNotMatch",operation="AssumeRole",outcome="refused"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			s := stsfake.Start(t, stsfake.WithNow(func() time.Time { return time.Now().Add(tt.clock) }))
			t.Setenv("AWS_ENDPOINT_URL_STS", s.URL())
			key := s.AddUser("developer")
			testutil.Write(t, ".aws/credentials", "[default]\naws_access_key_id = "+key.AccessKeyID+"\naws_secret_access_key = "+key.SecretAccessKey+"\n")
			s.AddRole("arn:aws:iam::123456789012:role/myrole")
			if tt.fault.Code != "" {
				s.Fail(tt.fault)
			}
			if tt.url != "" {
				t.Setenv("AWS_ENDPOINT_URL_STS", tt.url)
			}
			c := countHere(t, real)
			var got series
			testutil.Eventually(t, "a call", func() bool {
				got = c.scrape(t).of("sts_requests_total")
				return len(got) > 0
			})
			want := "sts_requests_total{" + tt.labels + "}"
			if len(got) != 1 || got[want] < 1 || got[want] > 1 && tt.name != "throttled" {
				t.Errorf("counted as %v, want one of %s", got, want)
			}
			if n := c.scrape(t)[`sts_request_duration_seconds_count{operation="AssumeRole"}`]; n < 1 {
				t.Errorf("%v durations", n)
			}
		})
	}
}

// TestCalls_UnknownOnesAreOther says that neither operations nor codes make series.
func TestCalls_UnknownOnesAreOther(t *testing.T) {
	c := count(t, mocked)
	before := c.scrape(t)
	c.m.Called(sts.Call{Operation: "CreateToken", Outcome: sts.Timeout, Code: "arn:aws:iam::1:role/x", Took: 3 * time.Second})
	c.m.Called(sts.Call{Operation: "GetRoleCredentials", Outcome: sts.Refused, Code: "ForbiddenException"})
	changed := c.scrape(t).since(before)
	want := series{
		`sts_requests_total{code="other",operation="other",outcome="timeout"}`:                           1,
		`sts_requests_total{code="ForbiddenException",operation="GetRoleCredentials",outcome="refused"}`: 1,
	}
	if got := changed.of("sts_requests_total"); !maps.Equal(got, want) {
		t.Errorf("counted as %v, want %v", got, want)
	}
	changed.want(t, `sts_request_duration_seconds_bucket{operation="other",le="5"}`, 1)
	changed.want(t, `sts_request_duration_seconds_sum{operation="other"}`, 3)
	if _, there := changed[`sts_request_duration_seconds_bucket{operation="other",le="2.5"}`]; there {
		t.Error("3 seconds are less than 2.5")
	}
}

func TestReload_FailureIsToldUntilItIsMended(t *testing.T) {
	c := count(t, mocked)
	file := c.State().Config.File
	s := c.scrape(t)
	s.want(t, "config_last_reload_successful", 1)
	began := s["config_last_reload_success_timestamp_seconds"]
	if now := float64(c.clock.now().Unix()); began < now-60 || began > now+1 {
		t.Errorf("loaded at %v, now is %v", began, now)
	}
	c.clock.advance(time.Hour)
	testutil.Write(t, file, "nonsense: true\n")
	if c.Reload("test") == nil {
		t.Fatal("nonsense is right")
	}
	s = c.scrape(t)
	s.want(t, "config_last_reload_successful", 0)
	s.want(t, "config_last_reload_success_timestamp_seconds", began)
	s.want(t, `config_reloads_total{outcome="success"}`, 0)
	reloaded(t, s, "failure")
	testutil.Write(t, file, mocked)
	if err := c.Reload("test"); err != nil {
		t.Fatal(err)
	}
	s = c.scrape(t)
	s.want(t, "config_last_reload_successful", 1)
	reloaded(t, s, "failure")
	reloaded(t, s, "success")
	if later := s["config_last_reload_success_timestamp_seconds"]; later < began+3600 || later > began+3700 {
		t.Errorf("loaded at %v, an hour before at %v", later, began)
	}
}

// reloaded wants one or two reloads that ended so: the daemon notices the change of the file, too, sooner or later.
func reloaded(t *testing.T, s series, outcome string) {
	t.Helper()
	if n := s[fmt.Sprintf("config_reloads_total{outcome=%q}", outcome)]; n < 1 || n > 2 {
		t.Errorf("%v reloads with %s, want 1 or 2", n, outcome)
	}
}

// TestReload_AccountFollowsTheConfigurationInForce is about a profile's own credentials: no ARN tells the account, and the keeper stays.
func TestReload_AccountFollowsTheConfigurationInForce(t *testing.T) {
	const own = "credentials: {source_profile: default}\naws: {account_id: '111111111111'}\n"
	c, _ := countSTS(t, own)
	c.scrape(t).want(t, `credentials_valid{account_id="111111111111",role="default"}`, 1)
	testutil.Write(t, c.State().Config.File, strings.ReplaceAll(own, "1111", "2222"))
	if err := c.Reload("test"); err != nil {
		t.Fatal(err)
	}
	want := series{`credentials_valid{account_id="222222222222",role="default"}`: 1}
	if got := c.scrape(t).of("credentials_valid"); !maps.Equal(got, want) {
		t.Errorf("valid are %v, want %v", got, want)
	}
}
