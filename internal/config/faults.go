package config

import "time"

// Fault is a misbehaviour of the metadata service, under the words of the control API. It changes answers, never the tree.
type Fault struct {
	// ID tells faults apart. Empty: one is made up.
	ID    string     `yaml:"id" is:"simulation id"`
	Match FaultMatch `yaml:"match"`
	Dose  FaultDose  `yaml:"dose"`

	// Delay comes before anything else, with every effect or alone. Jitter is added to it or taken from it, uniformly. Both together
	// are at most MaxFaultDelay.
	Delay  time.Duration `yaml:"delay" from:"0s to 5m"`
	Jitter time.Duration `yaml:"jitter" from:"0s to 5m"`

	// At most one of the following is set, but RetryAfter, which Status may have.
	Status      int               `yaml:"status" from:"400 to 599"`
	RetryAfter  time.Duration     `yaml:"retry_after" from:"1s to 1h"` // whole seconds
	Reset       bool              `yaml:"reset"`
	Hang        bool              `yaml:"hang"`
	Drip        time.Duration     `yaml:"drip" from:"1ms to 10s"` // per byte
	Stall       *int              `yaml:"stall" from:"0"`         // after so many bytes
	Cut         *int              `yaml:"cut" from:"0"`           // after so many bytes
	Truncate    *int              `yaml:"truncate" from:"0"`      // to so many bytes
	Body        string            `yaml:"body" oneof:"empty, html"`
	Redirect    bool              `yaml:"redirect"`
	NoTTL       bool              `yaml:"no_ttl"`
	Tokens      string            `yaml:"tokens" oneof:"refuse, forget"`
	TokenLost   bool              `yaml:"token_lost"`
	Throttle    *FaultThrottle    `yaml:"throttle"`
	Credentials *FaultCredentials `yaml:"credentials"`
	Skew        time.Duration     `yaml:"skew" from:"-8784h to 8784h" zero:"0s changes nothing; leave it out"` // may be negative
}

// MaxFaultDelay bounds delay and jitter of a fault together.
const MaxFaultDelay = 5 * time.Minute

// FaultMatch says which requests a fault is for: those for which all that is set holds.
type FaultMatch struct {
	Paths     []string `yaml:"paths" is:"path pattern" most:"256 patterns; at most"`
	Methods   []string `yaml:"methods" is:"method" most:"256 methods; at most"`
	Version   string   `yaml:"version" oneof:"v1, v2"`
	Clients   []string `yaml:"clients" is:"client network" most:"256 clients; at most"`
	UserAgent string   `yaml:"user_agent" is:"printable"` // a part of it
}

// FaultDose says how many of the matching requests a fault hits. Empty: all.
type FaultDose struct {
	Percent *int          `yaml:"percent" from:"0 to 100"`
	Skip    int           `yaml:"skip" from:"0"`
	Count   *int          `yaml:"count" from:"0"` // at most so many hits
	Every   int           `yaml:"every" from:"1"` // each so many-th
	For     time.Duration `yaml:"for" from:"1ms to 8784h"`
	Until   string        `yaml:"until" is:"time"` // RFC 3339
	Seed    *int          `yaml:"seed"`
}

// FaultThrottle limits each client to Rate requests a second with bursts of Burst.
type FaultThrottle struct {
	Rate   int    `yaml:"rate" from:"1 to 1000000"`
	Burst  int    `yaml:"burst" from:"1 to 1000000"`
	Answer string `yaml:"answer" oneof:"503, drop" bare:"503"` // to those beyond; empty: 503
}

// FaultCredentials changes credential documents. One of its keys is set.
type FaultCredentials struct {
	ExpiresIn time.Duration `yaml:"expires_in" from:"1s to 8784h"`
	Expired   bool          `yaml:"expired"`
	Code      string        `yaml:"code" is:"word"`
}

// effects are the keys of all that a fault can do to answers, and which of them are set: at most one of a valid fault.
func (f *Fault) effects() choices {
	return choices{
		{"status", f.Status != 0},
		{"reset", f.Reset},
		{"hang", f.Hang},
		{"drip", f.Drip != 0},
		{"stall", f.Stall != nil},
		{"cut", f.Cut != nil},
		{"truncate", f.Truncate != nil},
		{"body", f.Body != ""},
		{"redirect", f.Redirect},
		{"no_ttl", f.NoTTL},
		{"tokens", f.Tokens != ""},
		{"token_lost", f.TokenLost},
		{"throttle", f.Throttle != nil},
		{"credentials", f.Credentials != nil},
		{"skew", f.Skew != 0},
	}
}

// delayEffect is what a fault does that has no other effect.
const delayEffect = "delay"

// Effect names what the fault does to an answer: the key of its one effect, or delay if that is all.
func (f *Fault) Effect() string {
	for _, effect := range f.effects() {
		if effect.set {
			return effect.key
		}
	}
	return delayEffect
}

// FaultEffects are what Fault.Effect can return.
func FaultEffects() []string {
	all := []string{delayEffect}
	for _, effect := range new(Fault).effects() {
		all = append(all, effect.key)
	}
	return all
}
