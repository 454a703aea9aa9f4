package stsfake

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	amzTime    = "20060102T150405Z"
	maxSkew    = 5 * time.Minute
	authHeader = "Authorization"
)

// authorization is a parsed Authorization header, and the caller once it is known.
type authorization struct {
	keyID, date, region, service, terminal string
	signedHeaders, signature               string
	caller                                 *credential
}

func (a authorization) callerARN() string {
	if a.caller == nil {
		return ""
	}
	return a.caller.arn
}

// verify checks the request's Signature Version 4: it looks up the secret by access key, signs the request again (method,
// path, query, the headers that the client signed, the body's hash) and compares. The result has key and region if they
// can be parsed, and the caller only for a valid signature. It supports neither presigned URLs nor signatures over
// headers that the SDK's signer omits, such as User-Agent.
func (s *Server) verify(r *http.Request, body []byte, now time.Time) (authorization, error) {
	header := r.Header.Get(authHeader)
	if header == "" {
		return authorization{}, forbidden("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	auth, err := parseAuthorization(header)
	if err != nil {
		return auth, err
	}
	signedAt, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return auth, incomplete("Authorization header requires existence of an 'X-Amz-Date' header of the form " + amzTime)
	}
	caller, err := s.lookup(auth.keyID, r.Header.Get("X-Amz-Security-Token"), now)
	if err != nil {
		return auth, err
	}
	if err := checkDate(signedAt, now); err != nil {
		return auth, err
	}
	if auth.service != "sts" {
		return auth, mismatch("Credential should be scoped to correct service: 'sts'. ")
	}
	want, err := auth.signAgain(r, body, caller.secret, signedAt)
	if err != nil {
		return auth, err
	}
	if !want.equal(auth) {
		return auth, mismatch("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	auth.caller = caller
	return auth, nil
}

// parseAuthorization parses "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseAuthorization(header string) (authorization, error) {
	var a authorization
	scheme, rest, _ := strings.Cut(header, " ")
	if scheme != algorithm {
		return a, incomplete("Unsupported AWS 'algorithm': '" + scheme + "'.")
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return a, incomplete("Authorization header requires '" + name + "' parameter.")
		}
	}
	a.signedHeaders, a.signature = fields["SignedHeaders"], fields["Signature"]
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 {
		return a, incomplete("Credential must have exactly 5 slash-delimited elements, e.g. " +
			"keyid/date/region/service/term, got '" + fields["Credential"] + "'")
	}
	a.keyID, a.date, a.region, a.service, a.terminal = scope[0], scope[1], scope[2], scope[3], scope[4]
	return a, nil
}

// lookup finds the credential of a key id. Its session token must match and must not have expired.
func (s *Server) lookup(keyID, token string, now time.Time) (*credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.keys[keyID]
	switch {
	case !ok:
		return nil, InvalidClientTokenID
	case subtle.ConstantTimeCompare([]byte(c.token), []byte(token)) != 1:
		return nil, InvalidClientTokenID
	case c.isSession() && !now.Before(c.expires):
		return nil, ExpiredToken
	}
	return c, nil
}

// checkDate allows the client's clock to differ by five minutes.
func checkDate(signed, now time.Time) error {
	stamp := func(t time.Time) string { return t.UTC().Format(amzTime) }
	if earliest := now.Add(-maxSkew); signed.Before(earliest.Truncate(time.Second)) {
		return mismatch(fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)",
			stamp(signed), stamp(earliest), stamp(now)))
	}
	if latest := now.Add(maxSkew); signed.After(latest) {
		return mismatch(fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)",
			stamp(signed), stamp(latest), stamp(now)))
	}
	return nil
}

// signAgain signs the received request with secret, over the headers that a names.
func (a authorization) signAgain(r *http.Request, body []byte, secret string, signedAt time.Time) (authorization, error) {
	again := &http.Request{
		Method: r.Method,
		Host:   r.Host,
		URL:    &url.URL{Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		Header: http.Header{},
	}
	for name := range strings.SplitSeq(a.signedHeaders, ";") {
		switch key := http.CanonicalHeaderKey(name); key {
		case "Host", authHeader:
		case "Content-Length":
			again.ContentLength = int64(len(body))
		default:
			if values := r.Header.Values(key); len(values) > 0 {
				again.Header[key] = append([]string(nil), values...)
			}
		}
	}
	hash := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: a.keyID, SecretAccessKey: secret} // a token is one of the signed headers
	err := v4.NewSigner().SignHTTP(r.Context(), creds, again, hex.EncodeToString(hash[:]), "sts", a.region, signedAt)
	if err != nil {
		return authorization{}, err
	}
	return parseAuthorization(again.Header.Get(authHeader))
}

// equal compares all parts of two Authorization headers, the signature in constant time.
func (a authorization) equal(b authorization) bool {
	same := subtle.ConstantTimeCompare([]byte(a.signature), []byte(b.signature)) == 1
	a.signature, b.signature = "", ""
	return same && a == b
}

func forbidden(code, message string) Fault {
	return Fault{Status: http.StatusForbidden, Code: code, Message: message}
}

func mismatch(message string) Fault { return forbidden("SignatureDoesNotMatch", message) }

func incomplete(message string) Fault {
	return Fault{Status: http.StatusBadRequest, Code: "IncompleteSignature", Message: message}
}
