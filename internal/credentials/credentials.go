// Package credentials keeps temporary credentials. A Spec says which ones, a Provider gets them, and a Keeper caches
// them and refreshes them before they expire. A Pool owns the keepers of all Specs in use. It calls no AWS service.
package credentials

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Credentials are temporary credentials of a role. No way of printing them shows the secret parts.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	// Expiration is the issuer's, unaltered. LastUpdated is when the credentials were issued.
	Expiration  time.Time
	LastUpdated time.Time
	// ARN names the session, e.g. arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0. ARN and AccountID
	// are "" if the issuer does not name them.
	ARN       string
	AccountID string
}

// String names the holder and the expiry only.
func (c Credentials) String() string {
	return fmt.Sprintf("credentials of %s until %s [redacted]", c.ARN, c.Expiration.UTC().Format(time.RFC3339))
}

// Format redacts under every verb, %#v and %x included.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue redacts in logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText redacts in JSON and other encodings. Only the documents for clients contain the secrets.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Provider fetches credentials from their source, once per call. It fails with an *Error or the context's error.
type Provider interface {
	Retrieve(ctx context.Context) (*Credentials, error)
}

// Codes of the error documents of the metadata service (imds-reference section 6.1).
const (
	CodeUnauthorized = "AssumeRoleUnauthorizedAccess"
	CodeProfile      = "InvalidProfile"
	CodeFailed       = "Failed"
)

// Error says why there are no credentials. It holds no secret and wraps no error, since an SDK error may contain secrets.
type Error struct {
	Code string
	// AWSCode is the code of the service that refused the call, such as AccessDenied; "" if none did.
	AWSCode string
	Message string // the problem and the fix
	// Temporary says that a retry may succeed without a fix.
	Temporary bool
	// Throttled says that the service limits the rate of calls. It implies Temporary.
	Throttled bool
}

func (e *Error) Error() string { return e.Message }

// Mock makes up credentials and calls no service. No AWS service accepts them.
type Mock struct {
	// ARN of the session that the credentials claim to be of.
	ARN string
	// Lifetime of the credentials.
	Lifetime time.Duration
	Now      func() time.Time

	retrieved atomic.Int64
}

// mockKey is the access key id of the first credentials that a Mock makes up.
const mockKey = "ASIAMOCKEDCREDENTIAL"

// Retrieve never fails. Each renewal has another key, as STS gives one.
func (m *Mock) Retrieve(context.Context) (*Credentials, error) {
	key := mockKey
	if n := m.retrieved.Add(1); n > 1 {
		key = fmt.Sprintf("ASIAMOCKEDRENEW%05d", n%100_000)
	}
	now := m.Now().UTC().Truncate(time.Second)
	session, _ := arn.Parse(m.ARN)
	return &Credentials{ //nolint:gosec // made up
		AccessKeyID:     key,
		SecretAccessKey: "mocked/secret/that/no/AWS/service/takes0",
		SessionToken:    "bW9jay1lYzItbWV0YWRhdGE6IG1hZGUtdXAgY3JlZGVudGlhbHMsIG5vIEFXUyBzZXJ2aWNlIHRha2VzIHRoZW0=",
		Expiration:      now.Add(m.Lifetime),
		LastUpdated:     now,
		ARN:             m.ARN,
		AccountID:       session.AccountID,
	}, nil
}
