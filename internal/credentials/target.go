package credentials

import (
	"fmt"
	"io"
	"log/slog"
)

// Target is a role that the role of a Spec assumes in turn, and whose credentials are the ones handed out. Only the second call has
// its fields (container-credentials-reference section 5.5). The zero value is none. No way of printing it shows ExternalID.
type Target struct {
	RoleARN    string
	ExternalID string // a secret
	// Policy is an inline session policy (JSON). It narrows the target's session, not that of the first role.
	Policy string
}

// String names the role.
func (t Target) String() string { return fmt.Sprintf("target role %q [redacted]", t.RoleARN) }

// Format redacts under every verb, %#v and %x included.
func (t Target) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue redacts in logs.
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText redacts in JSON and other encodings.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// appendKey adds the fields to the input of a key. Without a target it adds nothing, so that the keys of other Specs, and so the
// files of PoolOptions.CacheDir, are those of earlier versions.
func (t Target) appendKey(b []byte) []byte {
	if t == (Target{}) {
		return b
	}
	for _, text := range []string{t.RoleARN, t.ExternalID, t.Policy} {
		b = appendText(b, text)
	}
	return b
}

// IssuedRole is the ARN of the role whose credentials are handed out: the target, or else the role; "" without a role.
func (s Spec) IssuedRole() string {
	if s.Target.RoleARN != "" {
		return s.Target.RoleARN
	}
	return s.RoleARN
}
