package cluster

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Credentials are those of a profile for the Secret of --credentials secret. They redact themselves.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	// Expiration is zero if it is unknown.
	Expiration time.Time
}

// Format redacts the keys under every verb.
func (Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// isLongLived reports whether the keys are valid until somebody deletes them.
func (c Credentials) isLongLived() bool {
	return c.SessionToken == "" || strings.HasPrefix(c.AccessKeyID, "AKIA")
}

// CredentialsFile writes a file credentials as in ~/.aws with one profile. It refuses long-lived keys unless allowLongLived is set.
// warning says what the user should know of the keys that it takes; "" for nothing.
func CredentialsFile(profile string, c Credentials, allowLongLived bool, now time.Time) (file []byte, warning string, err error) {
	for _, text := range []string{profile, c.AccessKeyID, c.SecretAccessKey, c.SessionToken} {
		if strings.ContainsAny(text, "\r\n") {
			return nil, "", errors.New("--credentials secret: the profile has a value with a line break; correct it in ~/.aws")
		}
	}
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return nil, "", fmt.Errorf("--credentials secret: profile %s has no keys; name another profile, or use --credentials relay", profile)
	case c.isLongLived() && !allowLongLived:
		return nil, "", fmt.Errorf("--credentials secret: profile %s has a long-lived access key, which all who may read Secrets of the cluster would "+
			"keep; use --credentials relay, keys of a session, or --allow-long-lived-keys", profile)
	case c.isLongLived():
		warning = fmt.Sprintf("the Secret holds the long-lived access key of profile %s: all who may read Secrets of the cluster have it", profile)
	case !c.Expiration.IsZero() && !now.Before(c.Expiration):
		return nil, "", fmt.Errorf("--credentials secret: the keys of profile %s expired at %s; renew them", profile, c.Expiration.UTC().Format(time.RFC3339))
	case !c.Expiration.IsZero():
		warning = fmt.Sprintf("the keys of profile %s expire at %s: run up again before, or pods get none", profile, c.Expiration.UTC().Format(time.RFC3339))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", profile, c.AccessKeyID, c.SecretAccessKey)
	if c.SessionToken != "" {
		fmt.Fprintf(&b, "aws_session_token = %s\n", c.SessionToken)
	}
	return []byte(b.String()), warning, nil
}
