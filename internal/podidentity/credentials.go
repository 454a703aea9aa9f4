package podidentity

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/web"
)

// timeLayout is the layout that all SDKs parse: UTC as Z, whole seconds (container-credentials-reference section 7.4).
const timeLayout = "2006-01-02T15:04:05Z"

// Credentials is an encoded credentials document. It is encoded once per refresh of the credentials. No way of printing it shows
// them.
type Credentials struct {
	body   []byte
	length []string // header Content-Length
}

// NewCredentials encodes credentials as in container-credentials-reference section 5.3. accountID is the account of the role.
func NewCredentials(accessKeyID, secretAccessKey, sessionToken, accountID string, expiration time.Time) *Credentials {
	body, err := json.Marshal(struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		AccountID       string `json:"AccountId"`
		Expiration      string
	}{accessKeyID, secretAccessKey, sessionToken, accountID, expiration.UTC().Format(timeLayout)})
	if err != nil {
		panic(err) // strings always marshal
	}
	return &Credentials{body, web.Length(body)}
}

// Format redacts under every verb.
func (Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "credentials document [redacted]")
}

func (c *Credentials) write(w http.ResponseWriter) {
	web.WriteMade(w, http.StatusOK, applicationJSON, c.length, c.body)
}

// CredentialError says why there are no valid credentials. It holds no secret.
type CredentialError struct {
	Code    string // of STS, such as AccessDenied
	Message string // the problem and the fix
	// Temporary errors get status 503, others 400 with code and message.
	Temporary bool
}

func (e *CredentialError) Error() string { return e.Code + ": " + e.Message }
