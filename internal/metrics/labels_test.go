package metrics

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/web"
)

func TestLabels_AreTheDocumentedLists(t *testing.T) {
	var routes, outcomes, tokens []string
	for r := range web.Routes {
		routes = append(routes, r.String())
	}
	for o := range sts.Outcomes {
		outcomes = append(outcomes, o.String())
	}
	for e := range imds.TokenEvents {
		tokens = append(tokens, e.String())
	}
	for _, tt := range []struct {
		name string
		got  []string
		want string
	}{
		{"routes", routes, "other token credentials meta_data dynamic user_data listing status ecs pod_identity"},
		{"versions", versions, "v1 v2 none"},
		{"rules", rules, "clients hosts origins proxies sizes connections"},
		{"tokens", tokens, "issued missing malformed expired foreign bad_ttl"},
		{"operations", operations, "AssumeRole AssumeRoleWithWebIdentity GetSessionToken GetRoleCredentials GetCallerIdentity"},
		{"outcomes", outcomes, "success refused throttled unreachable timeout invalid"},
		{"ways to find pods", ways, "watch proc wait unknown ambiguous"},
		{"denied", app.DeniedReasons(), "not_allowed refused unknown elsewhere moved"},
	} {
		if got := strings.Join(tt.got, " "); got != tt.want {
			t.Errorf("%s are %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if n := len(awsCodes); n != 20 || !slices.IsSorted(awsCodes) || len(slices.Compact(slices.Clone(awsCodes))) != n {
		t.Errorf("the %d codes are not 20 different ones, sorted: %v", n, awsCodes)
	}
}

// TestEventKinds_AreThoseOfTheConfiguration sets each field of an event alone.
func TestEventKinds_AreThoseOfTheConfiguration(t *testing.T) {
	found := map[string]bool{}
	for i := range reflect.TypeFor[config.Event]().NumField() {
		var e config.Event
		fill(reflect.ValueOf(&e).Elem().Field(i))
		if kind := e.Kind(); kind != "" {
			found[kind] = true
		}
	}
	sameNames(t, app.EventKinds(), found)
}

// TestEffects_AreThoseOfTheConfiguration sets each field of a fault alone.
func TestEffects_AreThoseOfTheConfiguration(t *testing.T) {
	found := map[string]bool{}
	for i := range reflect.TypeFor[config.Fault]().NumField() {
		r := fault.Rule{}
		field := reflect.TypeFor[config.Fault]().Field(i)
		fill(reflect.ValueOf(&r.Spec).Elem().Field(i))
		effect := r.Effect()
		if key := field.Tag.Get("yaml"); effect != key && (effect != "delay" || !slices.Contains([]string{"id", "match", "dose", "jitter", "retry_after"}, key)) {
			t.Errorf("a fault with %s has the effect %s", key, effect)
		}
		found[effect] = true
	}
	sameNames(t, fault.Effects(), found)
}

// fill gives a field a value that is not its zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	}
}

func sameNames(t *testing.T, listed []string, found map[string]bool) {
	t.Helper()
	for name := range found {
		if !slices.Contains(listed, name) {
			t.Errorf("%s is not listed", name)
		}
	}
	for _, name := range listed {
		if !found[name] {
			t.Errorf("nothing is %s", name)
		}
	}
}

func TestMetrics_OfTheProcessAreTheChosenOnes(t *testing.T) {
	var got []string
	for key := range count(t, mocked).scrape(t) {
		if name, _, _ := strings.Cut(key, "{"); strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "promhttp_") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	want := append([]string{"go_goroutines", "go_info", "go_memstats_heap_alloc_bytes", "go_threads"}, processMetrics...)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("metrics of the process are %v\nwant %v", got, want)
	}
}

func TestMetrics_SmallListsExistAtZeroFromTheStart(t *testing.T) {
	s := count(t, mocked).scrape(t)
	var want []string
	add := func(name, label string, values ...string) {
		for _, value := range values {
			want = append(want, name+"{"+label+`="`+value+`"}`)
		}
	}
	add("refused_total", "rule", rules...)
	add("session_tokens_rejected_total", "reason", "missing", "malformed", "expired", "foreign", "bad_ttl")
	add("config_reloads_total", "outcome", "success", "failure")
	add("events_active", "kind", app.EventKinds()...)
	add("fault_hits_total", "effect", fault.Effects()...)
	add("credentials_wait_seconds_count", "outcome", "served", "gave_up")
	add("sts_request_duration_seconds_count", "operation", append(slices.Clone(operations), other)...)
	add("requests_total", `imds="v2",route="token",status`, "200", "400", "401", "403", "404", "405", "503", "other")
	add("requests_total", `imds="none",route="pod_identity",status`, "200", "other")
	want = append(want, "session_tokens_issued_total", `credentials_renewals_total{account_id="123456789012",outcome="failure",role="myrole"}`)
	for _, key := range want {
		if value, ok := s[key]; !ok || value != 0 {
			t.Errorf("%s is %v (there: %t), want 0", key, value, ok)
		}
	}
	if n := len(s.of("requests_total")); n != 15*(6*2+3+3) { // codes; routes with v1 and v2, with none, with all
		t.Errorf("%d series of requests", n)
	}
	if calls := s.of("sts_requests_total"); len(calls) != 0 {
		t.Errorf("calls of STS that have not been made: %v", calls)
	}
	if len(s) > 600 {
		t.Errorf("%d series, want at most 600", len(s))
	}
	t.Logf("%d series", len(s))
}

// TestMetrics_TwentyRolesStayBelow600Series has the figures of docs/observability.md.
func TestMetrics_TwentyRolesStayBelow600Series(t *testing.T) {
	var roles strings.Builder
	for i := range 20 {
		fmt.Fprintf(&roles, "  role%d: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/role%d'}\n", i, i)
	}
	alone, many := count(t, mocked), count(t, mocked+"roles:\n"+roles.String())
	for _, id := range many.Status().Identities {
		many.ask(t, "GET", "v2/credentials/"+id.ID)
	}
	before, after := len(alone.scrape(t)), len(many.scrape(t))
	if after-before != 20*7 || after > 600 || before < 430 || before > 450 {
		t.Errorf("%d series with one role, %d with 20 more", before, after)
	}
}
