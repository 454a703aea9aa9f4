package fault

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
)

func TestPresets_AreThoseOfTheReference(t *testing.T) {
	var names []string
	for _, p := range Presets() {
		names = append(names, p.Name)
		if p.Summary == "" || strings.ContainsAny(p.Summary, "\n\t.") || len(p.Faults) == 0 {
			t.Errorf("%+v", p)
		}
		seen := map[string]bool{}
		for _, f := range p.Faults {
			if !strings.HasPrefix(f.ID, p.Name) || seen[f.ID] {
				t.Errorf("%s has a fault %q", p.Name, f.ID)
			}
			seen[f.ID] = true
		}
	}
	if want := []string{"hop-limit", "throttled", "outage", "expired", "token-storm", "slow"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func TestPresets_AreMadeOf(t *testing.T) {
	want := map[string]string{
		"hop-limit":   "PUT api/token | always | token lost",
		"throttled":   "all | always | throttle to 5/s, burst 5, then drop",
		"outage":      "all | always | status 503",
		"expired":     "meta-data/iam/security-credentials/* | always | credentials expired",
		"token-storm": "GET,HEAD v2 | always | tokens refuse",
		"slow":        "all | always | delay 750ms ±150ms",
	}
	for _, p := range Presets() {
		for _, f := range p.Faults {
			r := compiled(t, f.ID, f)
			if got := strings.Join([]string{r.MatchText(), r.DoseText(), r.EffectText()}, " | "); got != want[r.ID] {
				t.Errorf("%s: got %q, want %q", r.ID, got, want[r.ID])
			}
		}
	}
}

func TestPresets_EachCallMakesThemAnew(t *testing.T) {
	Presets()[0].Faults[0].Match.Paths[0] = "changed"
	if got := Presets()[0].Faults[0].Match.Paths[0]; got != "api/token" {
		t.Errorf("got %s", got)
	}
}

func TestPresets_MatchWhatTheyAreFor(t *testing.T) {
	client := netip.MustParseAddr("127.0.0.1")
	put := &Request{Path: "api/token", Method: "PUT", Version: "v2", Client: client}
	list := &Request{Path: "meta-data/iam/security-credentials", Method: "GET", Version: "v2", Client: client}
	role := &Request{Path: "meta-data/iam/security-credentials/app", Method: "GET", Version: "v2", Client: client}
	mac1 := &Request{Path: "meta-data/mac", Method: "GET", Version: "v1", Client: client}
	want := map[string][]bool{ // put, list, role, mac1
		"hop-limit":   {true, false, false, false},
		"throttled":   {true, true, true, true},
		"outage":      {true, true, true, true},
		"expired":     {false, false, true, false},
		"token-storm": {false, true, true, false},
		"slow":        {true, true, true, true},
	}
	for _, p := range Presets() {
		for i, q := range []*Request{put, list, role, mac1} {
			var s *Set
			for _, f := range p.Faults {
				s = s.With(compiled(t, f.ID, f), nil)
			}
			if got := s.Match(q, noon) != nil; got != want[p.Name][i] {
				t.Errorf("%s: %s %s %s: %t", p.Name, q.Method, q.Path, q.Version, got)
			}
		}
	}
}

func TestPresets_PassTheRulesOfTheConfiguration(t *testing.T) {
	for _, p := range Presets() {
		for _, f := range p.Faults {
			body := config.JSON(&f)
			parsed, warnings, err := config.ParseFault(body)
			if err != nil || len(warnings) > 0 {
				t.Errorf("%s: %v, %q", body, err, warnings)
			}
			if again := config.JSON(&parsed); string(again) != string(body) {
				t.Errorf("%s became %s", body, again)
			}
		}
	}
}
