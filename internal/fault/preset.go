package fault

import (
	"time"

	"mock-ec2-metadata/internal/config"
)

// Preset is a set of faults by name.
type Preset struct {
	Name, Summary string
	Faults        []config.Fault // with ids
}

// Presets returns hop-limit, throttled, outage, expired, token-storm and slow: what clients meet on EC2 (events-reference section 4.1).
// The ids of their faults are the names.
func Presets() []Preset {
	presets := []Preset{
		{
			Name:    "hop-limit",
			Summary: "no answer to a PUT for a session token, as beyond the hop limit",
			Faults: []config.Fault{{
				Match:     config.FaultMatch{Paths: []string{"api/token"}, Methods: []string{"PUT"}},
				TokenLost: true,
			}},
		},
		{
			// EC2 drops packets beyond 1024 a second. That is too many to be seen in a test, so this one is stricter.
			Name:    "throttled",
			Summary: "no answer to requests of a client beyond 5 a second, as beyond the packet limit of a network interface",
			Faults:  []config.Fault{{Throttle: &config.FaultThrottle{Rate: 5, Burst: 5, Answer: "drop"}}},
		},
		{
			Name:    "outage",
			Summary: "503 to all requests",
			Faults:  []config.Fault{{Status: 503}},
		},
		{
			Name:    "expired",
			Summary: "credential documents that have expired, with made-up keys",
			Faults: []config.Fault{{
				Match:       config.FaultMatch{Paths: []string{"meta-data/iam/security-credentials/*"}},
				Credentials: &config.FaultCredentials{Expired: true},
			}},
		},
		{
			Name:    "token-storm",
			Summary: "401 to all requests with a session token, so that clients ask for new ones again and again",
			Faults: []config.Fault{{
				Match:  config.FaultMatch{Methods: []string{"GET", "HEAD"}, Version: "v2"},
				Tokens: "refuse",
			}},
		},
		{
			// The AWS SDK for Go gives up after 500 ms, and others after 1 s (events-reference section 4.2).
			Name:    "slow",
			Summary: "all answers 600 to 900 ms late, about the time limits of SDKs",
			Faults:  []config.Fault{{Delay: 750 * time.Millisecond, Jitter: 150 * time.Millisecond}},
		},
	}
	for _, p := range presets {
		for i := range p.Faults {
			p.Faults[i].ID = p.Name
		}
	}
	return presets
}
