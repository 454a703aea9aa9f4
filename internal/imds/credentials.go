package imds

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"mock-ec2-metadata/internal/web"
)

// timeLayout is the layout that botocore parses: UTC, whole seconds (imds-reference section 6).
const timeLayout = "2006-01-02T15:04:05Z"

// Credentials is an encoded credentials document. It is encoded once per refresh of the credentials. It does not print its secrets.
type Credentials struct {
	keys                    keys
	expiration, lastUpdated time.Time

	document document
	extended document
	modified []string // header Last-Modified
}

// keys are the plain values, which faults encode again.
type keys struct{ accessKeyID, secretAccessKey, sessionToken, accountID string }

// redacted is what logs show instead of credentials.
const redacted = "[redacted credentials]"

func (Credentials) String() string { return redacted }

// GoString hides the secrets from %#v.
func (Credentials) GoString() string { return redacted }

// LogValue hides the secrets from logs.
func (Credentials) LogValue() slog.Value { return slog.StringValue(redacted) }

type document struct {
	body   []byte
	length []string // header Content-Length
}

// NewCredentials encodes credentials as in imds-reference section 6.1. Only the extended document has the accountID.
func NewCredentials(accessKeyID, secretAccessKey, sessionToken, accountID string, expiration, lastUpdated time.Time) *Credentials {
	fields := fmt.Appendf(nil, `{
  "Code" : "Success",
  "LastUpdated" : %q,
  "Type" : "AWS-HMAC",
  "AccessKeyId" : %s,
  "SecretAccessKey" : %s,
  "Token" : %s,
  "Expiration" : %q`,
		lastUpdated.UTC().Format(timeLayout),
		quote(accessKeyID), quote(secretAccessKey), quote(sessionToken),
		expiration.UTC().Format(timeLayout))
	encode := func(format string, args ...any) document {
		body := fmt.Appendf(nil, format, args...)
		return document{body, web.Length(body)}
	}
	return &Credentials{
		keys:       keys{accessKeyID, secretAccessKey, sessionToken, accountID},
		expiration: expiration, lastUpdated: lastUpdated,
		document: encode("%s\n}", fields),
		extended: encode("%s,\n  \"AccountId\" : %s\n}", fields, quote(accountID)),
		modified: LastModified(lastUpdated),
	}
}

// CredentialError says why there are no valid credentials.
type CredentialError struct {
	Code        string // not Success
	Message     string // the problem and the fix
	LastUpdated time.Time
	// Temporary errors get status 503, which some SDKs retry; others get 200, as from the service.
	Temporary bool
}

func (e *CredentialError) Error() string { return e.Code + ": " + e.Message }

// document encodes the error as in imds-reference section 6.1.
func (e *CredentialError) document() []byte {
	return fmt.Appendf(nil, `{
  "Code" : %s,
  "Message" : %s,
  "LastUpdated" : %q
}`,
		quote(e.Code), quote(e.Message), e.LastUpdated.UTC().Format(timeLayout))
}

// quote encodes s as a JSON string.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(b)
}
