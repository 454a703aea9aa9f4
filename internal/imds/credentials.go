package imds

import (
	"encoding/json"
	"fmt"
	"time"

	"mock-ec2-metadata/internal/web"
)

// timeLayout is the one that botocore parses with: UTC, whole seconds (imds-reference section 6).
const timeLayout = "2006-01-02T15:04:05Z"

// Credentials is a ready-made credentials document: encoded once, then sent byte for byte until the next renewal.
type Credentials struct {
	document document
	extended document
	modified []string // Last-Modified
}

type document struct {
	body   []byte
	length []string // Content-Length
}

// NewCredentials encodes credentials in the form of imds-reference section 6.1. accountID goes into the extended document
// alone.
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
	made := func(format string, args ...any) document {
		body := fmt.Appendf(nil, format, args...)
		return document{body, web.Length(body)}
	}
	return &Credentials{
		document: made("%s\n}", fields),
		extended: made("%s,\n  \"AccountId\" : %s\n}", fields, quote(accountID)),
		modified: LastModified(lastUpdated),
	}
}

// CredentialError is why there are no valid credentials to hand out.
type CredentialError struct {
	Code        string // anything but Success
	Message     string // what is wrong and what to do
	LastUpdated time.Time
	// Temporary failures are answered 503, which SDKs retry; others 200, as the service does.
	Temporary bool
}

func (e *CredentialError) Error() string { return e.Code + ": " + e.Message }

// document is the error form of imds-reference section 6.1.
func (e *CredentialError) document() []byte {
	return fmt.Appendf(nil, `{
  "Code" : %s,
  "Message" : %s,
  "LastUpdated" : %q
}`,
		quote(e.Code), quote(e.Message), e.LastUpdated.UTC().Format(timeLayout))
}

// quote is the JSON string s.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(b)
}
