package ecs

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
type Credentials struct{ document answer }

// NewCredentials encodes credentials as in container-credentials-reference section 3.2. roleARN is the role's own, with its path.
// For credentials without a role it is the ARN of their owner, "" if that is not known: the key is always there.
func NewCredentials(roleARN, accessKeyID, secretAccessKey, sessionToken string, expiration time.Time) *Credentials {
	return &Credentials{newAnswer(http.StatusOK, struct {
		RoleARN         string `json:"RoleArn"`
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      string
	}{roleARN, accessKeyID, secretAccessKey, sessionToken, expiration.UTC().Format(timeLayout)})}
}

// Format redacts under every verb.
func (Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "credentials document [redacted]")
}

// CredentialError says why there are no valid credentials. It holds no secret.
type CredentialError struct {
	Code    string // of STS, such as AccessDenied
	Message string // the problem and the fix
	// Temporary errors get status 503 and the text of the agent, others 403 with code and message.
	Temporary bool
}

func (e *CredentialError) Error() string { return e.Code + ": " + e.Message }

// answer is a JSON body with its status. It is immutable.
type answer struct {
	status int
	body   []byte
	length []string // header Content-Length
}

// newAnswer encodes fields as the agent does: compact, and without a newline.
func newAnswer(status int, fields any) answer {
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return answer{status, body, web.Length(body)}
}

func (a *answer) write(w http.ResponseWriter) {
	if a.status == http.StatusServiceUnavailable {
		w.Header()["Retry-After"] = oneSecond
	}
	web.WriteMade(w, a.status, applicationJSON, a.length, a.body)
}
