package stsfake

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type response struct {
	XMLName   xml.Name
	Result    any
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

type errorResponse struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

type assumeRoleResult struct {
	XMLName          xml.Name        `xml:"AssumeRoleResult"`
	SourceIdentity   string          `xml:",omitempty"`
	AssumedRoleUser  assumedRoleUser `xml:"AssumedRoleUser"`
	Credentials      credentialsXML  `xml:"Credentials"`
	PackedPolicySize int             `xml:",omitempty"`
	tokenSize
}

type assumedRoleUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	ARN           string `xml:"Arn"`
}

type webIdentityResult struct {
	XMLName          xml.Name        `xml:"AssumeRoleWithWebIdentityResult"`
	Audience         string          `xml:"Audience"`
	Provider         string          `xml:"Provider"`
	Subject          string          `xml:"SubjectFromWebIdentityToken"`
	AssumedRoleUser  assumedRoleUser `xml:"AssumedRoleUser"`
	Credentials      credentialsXML  `xml:"Credentials"`
	PackedPolicySize int             `xml:",omitempty"`
	tokenSize
}

type sessionTokenResult struct {
	XMLName     xml.Name       `xml:"GetSessionTokenResult"`
	Credentials credentialsXML `xml:"Credentials"`
	tokenSize
}

// tokenSize is the size of a session token in bytes and in percent of maxPacked.
type tokenSize struct {
	SessionTokenSize        int
	SessionTokenUtilization int
}

func newTokenSize(c *credential) tokenSize {
	return tokenSize{SessionTokenSize: len(c.token), SessionTokenUtilization: percent(len(c.token))}
}

// percent is n in percent of maxPacked, rounded up.
func percent(n int) int { return (n*100 + maxPacked - 1) / maxPacked }

type callerIdentityResult struct {
	XMLName xml.Name `xml:"GetCallerIdentityResult"`
	ARN     string   `xml:"Arn"`
	UserID  string   `xml:"UserId"`
	Account string   `xml:"Account"`
}

type credentialsXML struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

func newCredentialsXML(c *credential) credentialsXML {
	return credentialsXML{
		AccessKeyID: c.keyID, SecretAccessKey: c.secret, SessionToken: c.token,
		Expiration: c.expires.UTC().Format(time.RFC3339),
	}
}

func newResponse(action string, result any, id string) response {
	return response{XMLName: xml.Name{Space: namespace, Local: action + "Response"}, Result: result, RequestID: id}
}

func newErrorResponse(f Fault, id string) errorResponse {
	kind := "Sender"
	if f.Status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	return errorResponse{Type: kind, Code: f.Code, Message: f.Message, RequestID: id}
}

// writeXML writes v as STS does: indented, without XML declaration.
func writeXML(w http.ResponseWriter, status int, v any) {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body = append(body, '\n')
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has left
}
