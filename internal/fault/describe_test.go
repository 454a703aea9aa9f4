package fault

import (
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

func TestMatchText(t *testing.T) {
	for _, test := range []struct {
		want string
		spec config.FaultMatch
	}{
		{"all", config.FaultMatch{}},
		{
			"GET meta-data/iam/** v1 172.17.0.0/16",
			config.FaultMatch{Methods: []string{"GET"}, Paths: []string{"meta-data/iam/**"}, Version: "v1", Clients: []string{"172.17.0.0/16"}},
		},
		{
			"GET,PUT api/token,user-data 127.0.0.1,::1",
			config.FaultMatch{Methods: []string{"GET", "PUT"}, Paths: []string{"api/token", "user-data"}, Clients: []string{"127.0.0.1", "::1"}},
		},
		{`v2 user agent "Boto3 \"x\""`, config.FaultMatch{Version: "v2", UserAgent: `Boto3 "x"`}},
	} {
		if got := compiled(t, "f", config.Fault{Match: test.spec}).MatchText(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestDoseText(t *testing.T) {
	zero, twenty, five, seed := 0, 20, 5, 7
	for _, test := range []struct {
		want string
		spec config.FaultDose
	}{
		{"always", config.FaultDose{}},
		{"always", config.FaultDose{Seed: &seed, Every: 1}},
		{"20%, skip 2, at most 5, for 10m", config.FaultDose{Percent: &twenty, Skip: 2, Count: &five, For: 10 * time.Minute}},
		{"0%", config.FaultDose{Percent: &zero}},
		{"at most 0", config.FaultDose{Count: &zero}},
		{"1 of 3, until 2026-12-01T02:00:00Z", config.FaultDose{Every: 3, Until: "2026-12-01T02:00:00Z"}},
	} {
		if got := compiled(t, "f", config.Fault{Dose: test.spec}).DoseText(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestEffectText(t *testing.T) {
	zero, hundred := 0, 100
	for _, test := range []struct {
		want string
		spec config.Fault
	}{
		{"none", config.Fault{}},
		{
			"delay 300ms ±100ms, status 503, Retry-After 7s",
			config.Fault{Delay: 300 * time.Millisecond, Jitter: 100 * time.Millisecond, Status: 503, RetryAfter: 7 * time.Second},
		},
		{"delay 1m", config.Fault{Delay: time.Minute}},
		{"delay 2h, reset", config.Fault{Delay: 2 * time.Hour, Reset: true}},
		{"hang", config.Fault{Hang: true}},
		{"drip 30ms a byte", config.Fault{Drip: 30 * time.Millisecond}},
		{"stall after 0 bytes", config.Fault{Stall: &zero}},
		{"cut after 100 bytes", config.Fault{Cut: &hundred}},
		{"truncate to 100 bytes", config.Fault{Truncate: &hundred}},
		{"body html", config.Fault{Body: "html"}},
		{"redirect", config.Fault{Redirect: true}},
		{"no TTL header", config.Fault{NoTTL: true}},
		{"tokens refuse", config.Fault{Tokens: "refuse"}},
		{"token lost", config.Fault{TokenLost: true}},
		{"throttle to 5/s, burst 5, then 503", config.Fault{Throttle: &config.FaultThrottle{Rate: 5, Burst: 5}}},
		{"throttle to 5/s, burst 10, then drop", config.Fault{Throttle: &config.FaultThrottle{Rate: 5, Burst: 10, Answer: "drop"}}},
		{"credentials expired", config.Fault{Credentials: &config.FaultCredentials{Expired: true}}},
		{"credentials expire in 5m", config.Fault{Credentials: &config.FaultCredentials{ExpiresIn: 5 * time.Minute}}},
		{"credentials code NoRole", config.Fault{Credentials: &config.FaultCredentials{Code: "NoRole"}}},
		{"skew +1h30m", config.Fault{Skew: 90 * time.Minute}},
		{"skew -5m", config.Fault{Skew: -5 * time.Minute}},
	} {
		if got := compiled(t, "f", test.spec).EffectText(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
