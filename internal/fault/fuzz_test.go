package fault

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

// FuzzMatch_TakesNoMoreThanTold makes rules of any texts and numbers. What New takes must match within its bounds, and have texts for
// tables of one line.
func FuzzMatch_TakesNoMoreThanTold(f *testing.F) {
	f.Add("meta-data/iam/**", "GET", "172.17.0.0/16", "Boto3", "", 20, 2, 5, 3, int64(time.Minute), 7, "meta-data/iam/info", "172.17.0.2", "Boto3/1.43")
	f.Add("*", "PUT", "::1", "", "2026-11-30T12:00:01Z", 100, 0, -1, 0, int64(0), -7, "api/token", "::1", "")
	f.Fuzz(func(t *testing.T, pattern, method, network, agent, until string, percent, skip, count, every int, length int64, seed int, path, from, sent string) {
		spec := config.Fault{
			Match: config.FaultMatch{Paths: []string{pattern}, Methods: []string{method}, Clients: []string{network}, UserAgent: agent},
			Dose: config.FaultDose{
				Percent: &percent, Skip: max(0, skip), Count: &count, Every: max(0, every), For: time.Duration(max(0, length)), Until: until, Seed: &seed,
			},
		}
		r, err := New("f", spec, noon)
		if err != nil {
			return
		}
		client, _ := netip.ParseAddr(from)
		q := &Request{Path: path, Method: method, Version: "v1", Client: client, UserAgent: sent}
		s := (*Set)(nil).With(r, nil)
		taken := 0
		for range 50 {
			if s.Match(q, noon) != nil && r.hit() {
				taken++
			}
		}
		if taken > max(0, count) || taken > max(0, 50-max(0, skip)) || taken > 50/max(1, every) || percent <= 0 && taken > 0 || int64(taken) != r.Hits() {
			t.Errorf("%d of 50 hit, %d counted: %s", taken, r.Hits(), config.JSON(&spec))
		}
		if taken > 0 && (!strings.Contains(sent, agent) || !client.IsValid()) {
			t.Errorf("it took %+v: %s", q, config.JSON(&spec))
		}
		if !r.Expires.IsZero() && s.Match(q, r.Expires) != nil {
			t.Errorf("it matches at its end: %s", config.JSON(&spec))
		}
		for _, text := range []string{r.DoseText(), r.EffectText()} {
			if text == "" || strings.ContainsAny(text, "\n\r") {
				t.Errorf("text for tables: %q", text)
			}
		}
	})
}

// FuzzNew_CompilesWhatTheConfigurationTakes: only the time can make a fault wrong that has come through the rules.
func FuzzNew_CompilesWhatTheConfigurationTakes(f *testing.F) {
	for _, body := range []string{
		`{"reset": true, "match": {"paths": ["meta-data/iam/**", "*"], "methods": ["GET"], "version": "v1", "clients": ["172.17.0.0/16", "::1"], "user_agent": "x"}}`,
		`{"hang": true, "match": {"clients": ["::ffff:192.0.2.0/120", "::ffff:192.0.2.1", "fe80::1%eth0", "10.1.2.3/8"]}}`,
		`{"delay": "300ms", "jitter": "1ms", "dose": {"percent": 20, "skip": 2, "count": 5, "every": 3, "for": "10m", "seed": -7}}`,
		`{"throttle": {"rate": 5, "burst": 5, "answer": 503}, "dose": {"until": "2026-12-01T02:00:00+01:00"}}`,
		`{"status": 503, "dose": {"until": "2020-12-01T02:00:00Z"}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		spec, _, err := config.ParseFault(body)
		if err != nil {
			return
		}
		r, err := New("f", spec, noon)
		if e, ok := errors.AsType[*config.FieldError](err); ok && e.Field == "dose.until" && strings.Contains(e.Reason, "in the past") {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		for _, text := range []string{r.MatchText(), r.DoseText(), r.EffectText()} {
			if text == "" || text == "none" || strings.ContainsAny(text, "\n\r\x1b") {
				t.Errorf("%s: text for tables: %q", body, text)
			}
		}
	})
}
