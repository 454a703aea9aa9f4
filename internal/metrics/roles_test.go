package metrics

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// ofRole is the series of a metric of a role.
func ofRole(name, role string) string {
	return fmt.Sprintf(`%s{account_id="123456789012",role=%q}`, name, role)
}

func renewed(role, outcome string) string {
	return fmt.Sprintf(`credentials_renewals_total{account_id="123456789012",outcome=%q,role=%q}`, outcome, role)
}

func TestRoles_ExpiryEqualsTheDocuments(t *testing.T) {
	for name, configuration := range map[string]string{"STS": real, "mock": mocked} {
		t.Run(name, func(t *testing.T) {
			c, _ := countSTS(t, configuration)
			_, body := c.ask(t, "GET", rolePath)
			var document struct{ Expiration, LastUpdated time.Time }
			if err := json.Unmarshal([]byte(body), &document); err != nil || document.Expiration.IsZero() {
				t.Fatalf("%s: %v", body, err)
			}
			s := c.scrape(t)
			s.want(t, ofRole("credentials_valid", "myrole"), 1)
			s.want(t, ofRole("credentials_expiration_timestamp_seconds", "myrole"), float64(document.Expiration.Unix()))
			s.want(t, ofRole("credentials_last_renewal_timestamp_seconds", "myrole"), float64(document.LastUpdated.Unix()))
			s.want(t, ofRole("credentials_failures_in_a_row", "myrole"), 0)
			s.want(t, ofRole("mfa_required", "myrole"), 0)
			s.want(t, renewed("myrole", "success"), 1)
			s.want(t, renewed("myrole", "failure"), 0)
		})
	}
}

func TestRoles_FailuresCountUntilTheNextSuccess(t *testing.T) {
	s := fakeSTS(t)
	s.Fail(stsfake.AccessDenied)
	c := countHere(t, real)
	failed := func(n float64) func() bool {
		return func() bool { return c.scrape(t)[ofRole("credentials_failures_in_a_row", "myrole")] == n }
	}
	testutil.Eventually(t, "one failure", failed(1))
	c.scrape(t).want(t, ofRole("credentials_valid", "myrole"), 0)
	c.scrape(t).want(t, ofRole("credentials_expiration_timestamp_seconds", "myrole"), 0)
	c.RetryCredentials()
	testutil.Eventually(t, "two failures", failed(2))
	c.scrape(t).want(t, renewed("myrole", "failure"), 2)
	s.Recover()
	c.RetryCredentials()
	testutil.Eventually(t, "none", failed(0))
	got := c.scrape(t)
	got.want(t, ofRole("credentials_valid", "myrole"), 1)
	got.want(t, renewed("myrole", "failure"), 2)
	got.want(t, renewed("myrole", "success"), 1)
}

func TestRoles_MFAIsRequiredUntilTheCode(t *testing.T) {
	s := fakeSTS(t)
	device := s.SetMFA("developer", "123456")
	s.AddRole("arn:aws:iam::123456789012:role/myrole", stsfake.MFA())
	c := countHere(t, "credentials: {source_profile: default, iam_role: 'arn:aws:iam::123456789012:role/myrole', mfa_serial: '"+device+"'}\n")
	testutil.Eventually(t, "a code is wanted", func() bool { return c.scrape(t)[ofRole("mfa_required", "myrole")] == 1 })
	got := c.scrape(t)
	got.want(t, ofRole("credentials_valid", "myrole"), 0)
	got.want(t, ofRole("credentials_failures_in_a_row", "myrole"), 0)
	got.want(t, renewed("myrole", "failure"), 0)
	if _, err := c.AnswerMFA(t.Context(), "654321"); err == nil {
		t.Error("a wrong code is right")
	}
	got = c.scrape(t)
	got.want(t, ofRole("mfa_required", "myrole"), 1)
	got.want(t, ofRole("credentials_failures_in_a_row", "myrole"), 1)
	got.want(t, renewed("myrole", "failure"), 1)
	if _, err := c.AnswerMFA(t.Context(), "123456"); err != nil {
		t.Fatal(err)
	}
	got = c.scrape(t)
	got.want(t, ofRole("mfa_required", "myrole"), 0)
	got.want(t, ofRole("credentials_valid", "myrole"), 1)
	got.want(t, ofRole("credentials_failures_in_a_row", "myrole"), 0)
	got.want(t, renewed("myrole", "success"), 1)
}

// TestWaits_TellServedFromGivenUp has a client that waits for STS, and one whose SDK would give up.
func TestWaits_TellServedFromGivenUp(t *testing.T) {
	s := fakeSTS(t)
	for _, role := range []string{"slow", "hangs", "denied"} {
		s.AddRole("arn:aws:iam::123456789012:role/" + role)
	}
	s.Delay(200*time.Millisecond, "arn:aws:iam::123456789012:role/slow")
	s.Hang("arn:aws:iam::123456789012:role/hangs")
	s.Fail(stsfake.AccessDenied, "arn:aws:iam::123456789012:role/denied")
	c := countHere(t, real+`
roles:
  slow: {iam_role: 'arn:aws:iam::123456789012:role/slow'}
  hangs: {iam_role: 'arn:aws:iam::123456789012:role/hangs'}
  denied: {iam_role: 'arn:aws:iam::123456789012:role/denied'}
`)
	ids := map[string]string{}
	for _, id := range c.Status().Identities {
		ids[id.Role] = id.ID
	}
	ask := func(role string) (int, series) {
		before := c.scrape(t)
		status, _ := c.ask(t, "GET", "v2/credentials/"+ids[role])
		return status, c.scrape(t).since(before)
	}
	status, got := ask("slow")
	got.want(t, `credentials_wait_seconds_count{outcome="served"}`, 1)
	if sum := got[`credentials_wait_seconds_sum{outcome="served"}`]; status != http.StatusOK || sum < 0.2 || sum > 0.95 {
		t.Errorf("slow: %d after %v seconds", status, sum)
	}
	status, got = ask("slow")
	if waits := got.total("credentials_wait_seconds_count"); status != http.StatusOK || waits != 0 {
		t.Errorf("credentials that are there: %d, %v waits", status, waits)
	}
	status, got = ask("hangs")
	got.want(t, `credentials_wait_seconds_count{outcome="gave_up"}`, 1)
	if sum := got[`credentials_wait_seconds_sum{outcome="gave_up"}`]; status == http.StatusOK || sum < 0.9 {
		t.Errorf("hangs: %d after %v seconds", status, sum)
	}
	_, got = ask("denied")
	got.want(t, `credentials_wait_seconds_count{outcome="gave_up"}`, 1)
	_, got = ask("denied")
	if waits := got.total("credentials_wait_seconds_count"); waits != 0 {
		t.Errorf("an error that is known at once makes %v waits", waits)
	}
}

func TestRoles_OneThatIsGoneKeepsItsCountersForAnHour(t *testing.T) {
	c := count(t, mocked+"roles: {web: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/path/of-iam'}}\n")
	for _, id := range c.Status().Identities {
		if id.Role == "web" {
			c.ask(t, "GET", "v2/credentials/"+id.ID)
		}
	}
	c.scrape(t).want(t, renewed("web", "success"), 1)
	c.scrape(t).want(t, ofRole("credentials_valid", "web"), 1)
	testutil.Write(t, c.State().Config.File, mocked)
	if err := c.Reload("test"); err != nil {
		t.Fatal(err)
	}
	c.clock.advance(time.Hour - time.Minute)
	s := c.scrape(t)
	s.want(t, renewed("web", "success"), 1)
	if _, there := s[ofRole("credentials_valid", "web")]; there {
		t.Error("a role that is gone has gauges")
	}
	c.clock.advance(2 * time.Minute)
	s = c.scrape(t)
	if _, there := s[renewed("web", "success")]; there {
		t.Error("a role that has been gone for an hour still counts")
	}
	if _, there := s[renewed("myrole", "success")]; !there {
		t.Error("the role that is there has gone")
	}
}

// gathered are the series of roles for a sample.
func gathered(t *testing.T, r *roles, s *app.Sample) map[string]map[app.Role]float64 {
	t.Helper()
	metrics := make(chan prometheus.Metric, 10_000)
	r.collect(metrics, s)
	close(metrics)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&collected{metrics, r})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[app.Role]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			role, name := app.Role{}, f.GetName()[len(namespace)+1:]
			for _, label := range m.GetLabel() {
				switch label.GetName() {
				case "role":
					role.Name = label.GetValue()
				case "account_id":
					role.Account = label.GetValue()
				case "outcome":
					name += " " + label.GetValue()
				}
			}
			if found[name] == nil {
				found[name] = map[app.Role]float64{}
			}
			found[name][role] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return found
}

// collected tells metrics of before.
type collected struct {
	metrics chan prometheus.Metric
	*roles
}

// Collect tells them once.
func (c *collected) Collect(to chan<- prometheus.Metric) {
	for m := range c.metrics {
		to <- m
	}
}

func TestRoles_256OfPodsAndAllOfTheConfigurationAreToldApart(t *testing.T) {
	var now clock
	r := newRoles(now.now)
	var s app.Sample
	for i := range 300 {
		s.Known = append(s.Known, app.Role{Name: fmt.Sprint("known", i), Account: "1"})
	}
	for i := range 300 {
		s.Roles = append(s.Roles, app.RoleSample{Role: app.Role{Name: fmt.Sprint("pod", i), Account: "1"}, Valid: i != 299, Failures: i, Expiration: time.Unix(int64(1000-i), 0)})
	}
	gathered(t, r, &s)
	for i := range 300 {
		r.renewed(s.Roles[i].Role, true)
		r.renewed(s.Known[i], false)
	}
	got := gathered(t, r, &s)
	if n := len(got["credentials_renewals_total success"]); n != 300+256+1 {
		t.Errorf("%d roles are told apart, want 300, 256 and the rest", n)
	}
	if n := len(got["credentials_valid"]); n != 256+1 {
		t.Errorf("%d roles have gauges, want 256 and the rest", n)
	}
	rest := map[string]float64{}
	for name, of := range got {
		rest[name] = of[otherRole]
	}
	want := map[string]float64{
		"credentials_renewals_total success": 44, "credentials_renewals_total failure": 0, "credentials_valid": 0,
		"credentials_failures_in_a_row": 299, "credentials_expiration_timestamp_seconds": 701, "credentials_last_renewal_timestamp_seconds": 0,
		"mfa_required": 0,
	}
	if !maps.Equal(rest, want) {
		t.Errorf("the rest is %v\nwant %v", rest, want)
	}
	for _, known := range s.Known {
		if got["credentials_renewals_total failure"][known] != 1 {
			t.Errorf("%v is not told apart", known)
		}
	}

	s.Known, s.Roles = s.Known[:1], nil
	now.advance(time.Hour)
	if got := gathered(t, r, &s); len(got["credentials_renewals_total success"]) != 1 || len(got["credentials_valid"]) != 0 {
		t.Errorf("an hour later there are %v", got)
	}
	r.renewed(app.Role{Name: "new", Account: "1"}, true)
	if got := gathered(t, r, &s); got["credentials_renewals_total success"][app.Role{Name: "new", Account: "1"}] != 1 {
		t.Error("there is no room for a new role")
	}
}

func TestRoles_OneThatLeavesTheConfigurationCountsAsOfPods(t *testing.T) {
	r := newRoles(time.Now)
	var s app.Sample
	for i := range maxRoles {
		s.Known = append(s.Known, app.Role{Name: fmt.Sprint("known", i)})
	}
	gathered(t, r, &s)
	s.Known = nil
	gathered(t, r, &s)
	r.renewed(app.Role{Name: "new"}, true)
	if got := gathered(t, r, &s)["credentials_renewals_total success"]; got[otherRole] != 1 {
		t.Errorf("the 257th role is told apart: %v", got[app.Role{Name: "new"}])
	}
}

func TestRoles_TheRestIsTheWorstInAnyOrder(t *testing.T) {
	fresh := app.RoleSample{Valid: true, Expiration: time.Unix(2000, 0), LastRenewal: time.Unix(1000, 0)}
	none := app.RoleSample{Failures: 3, NeedsMFA: true}
	for _, two := range [][2]app.RoleSample{{fresh, none}, {none, fresh}} {
		worst := two[0]
		worst.Worsen(&two[1])
		if want := (app.RoleSample{Failures: 3, NeedsMFA: true}); worst != want {
			t.Errorf("%+v, want %+v", worst, want)
		}
	}
}
