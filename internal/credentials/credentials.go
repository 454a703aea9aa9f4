// Package credentials owns where temporary credentials come from (the AWS SDK's profiles and STS) and the Keeper that
// caches them, renews them ahead of their expiry and says what is wrong when it cannot.
package credentials

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Credentials are temporary credentials of a role. However they are printed, the secret parts do not show.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	// Expiration is the issuer's, never altered; LastUpdated is when they were issued.
	Expiration  time.Time
	LastUpdated time.Time
	// ARN is who the holder is, e.g. arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0; "" when the issuer
	// does not say, as AccountID is.
	ARN       string
	AccountID string
}

// String shows nothing that could be used.
func (c Credentials) String() string {
	return fmt.Sprintf("credentials of %s until %s [redacted]", c.ARN, c.Expiration.UTC().Format(time.RFC3339))
}

// Format redacts under every verb, %#v and %x included.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue redacts in logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText redacts in JSON and other encodings: the only encoder that shows secrets is the one for clients.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Provider gets credentials once, from their source. Its errors are *Error or the context's.
type Provider interface {
	Retrieve(ctx context.Context) (*Credentials, error)
}

// NewProvider makes the provider of what s asks for. It calls nothing yet.
func NewProvider(s Spec, opt Options) Provider {
	if s.Mock {
		return &Mock{ARN: s.SessionARN(), Lifetime: s.Duration, Now: opt.withDefaults().Now}
	}
	return NewSTS(s, opt)
}

// Mock makes credentials up and calls nobody. No AWS service accepts them.
type Mock struct {
	// ARN is what the credentials claim to be.
	ARN string
	// Lifetime of each issue.
	Lifetime time.Duration
	Now      func() time.Time
}

// Retrieve never fails.
func (m *Mock) Retrieve(context.Context) (*Credentials, error) {
	now := m.Now().UTC().Truncate(time.Second)
	return &Credentials{ //nolint:gosec // made up
		AccessKeyID:     "ASIAMOCKEDCREDENTIAL",
		SecretAccessKey: "mocked/secret/that/no/AWS/service/takes0",
		SessionToken:    "bW9jay1lYzItbWV0YWRhdGE6IG1hZGUtdXAgY3JlZGVudGlhbHMsIG5vIEFXUyBzZXJ2aWNlIHRha2VzIHRoZW0=",
		Expiration:      now.Add(m.Lifetime),
		LastUpdated:     now,
		ARN:             m.ARN,
		AccountID:       accountOf(m.ARN),
	}, nil
}
