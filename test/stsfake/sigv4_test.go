package stsfake_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

const (
	identityForm = "Action=GetCallerIdentity&Version=2011-06-15"
	mismatchText = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

// reply is a complete HTTP response.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send posts form, signed with key at the given time and then changed by edit.
func send(t *testing.T, s *stsfake.Server, key stsfake.Key, at time.Time, form string, edit ...func(*http.Request)) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	creds, _ := key.Retrieve(t.Context())
	hash := sha256.Sum256([]byte(form))
	err = v4.NewSigner().SignHTTP(t.Context(), creds, req, hex.EncodeToString(hash[:]), "sts", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range edit {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, body}
}

// readFault parses an error answer and checks its envelope.
func readFault(t *testing.T, resp reply) answer {
	t.Helper()
	if resp.status == http.StatusOK {
		return answer{Status: http.StatusOK}
	}
	var body struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Error   struct{ Type, Code, Message string }
		ID      string `xml:"RequestId"`
	}
	if err := xml.Unmarshal(resp.body, &body); err != nil {
		t.Fatal(err)
	}
	if body.ID == "" || body.ID != resp.header.Get("x-amzn-RequestId") {
		t.Errorf("request id %q, header %q", body.ID, resp.header.Get("x-amzn-RequestId"))
	}
	if body.Error.Type != "Sender" && resp.status < 500 {
		t.Errorf("type %q", body.Error.Type)
	}
	return answer{resp.status, body.Error.Code, body.Error.Message}
}

func TestVerify_Signatures(t *testing.T) {
	at := time.Date(2026, 5, 17, 8, 30, 0, 0, time.UTC)
	s := stsfake.Start(t, stsfake.WithNow(func() time.Time { return at }))
	key := s.AddUser("dev")
	wrongSecret := key
	wrongSecret.SecretAccessKey = strings.Repeat("x", 40)
	unknown := key
	unknown.AccessKeyID = "AKIAIOSFODNN7EXAMPLE"

	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	inAuth := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	for _, tt := range []struct {
		name string
		key  stsfake.Key
		at   time.Time
		edit func(*http.Request)
		want answer
	}{
		{name: "valid", want: answer{Status: 200}},
		{name: "unsigned header added", edit: header("X-Forwarded-For", "10.0.0.1"), want: answer{Status: 200}},
		{name: "no spaces", edit: func(r *http.Request) {
			r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), ", ", ","))
		}, want: answer{Status: 200}},
		{name: "wrong secret", key: wrongSecret, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "unknown key", key: unknown, want: answer{403, "InvalidClientTokenId", "The security token included in the request is invalid."}},
		{
			name: "unsigned", edit: func(r *http.Request) { r.Header.Del("Authorization") },
			want: answer{403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
		},
		{name: "signed header changed", edit: header("Content-Type", "text/plain"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "signed header removed", edit: func(r *http.Request) { r.Header.Del("Content-Type") }, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "host changed", edit: func(r *http.Request) { r.Host = "sts.amazonaws.com" }, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "query added", edit: func(r *http.Request) { r.URL.RawQuery = "a=b" }, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "body changed", edit: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(identityForm + "&"))
			r.ContentLength++
		}, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "date changed", edit: header("X-Amz-Date", "20260517T083001Z"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "scope of another day", edit: inAuth("/20260517/", "/20260516/"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "another region", edit: inAuth("/us-east-1/", "/us-east-2/"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "another service", edit: inAuth("/sts/", "/iam/"), want: answer{403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'. "}},
		{name: "another terminal string", edit: inAuth("/aws4_request", "/aws5_request"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "fewer signed headers", edit: inAuth("content-type;", ""), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "host not signed", edit: inAuth(";host;", ";"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "token with a user's key", edit: header("X-Amz-Security-Token", "x"), want: answer{Status: 403, Code: "InvalidClientTokenId"}},
		{name: "no date", edit: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, want: answer{Status: 400, Code: "IncompleteSignature"}},
		{name: "another algorithm", edit: inAuth("AWS4-HMAC-SHA256", "Bearer"), want: answer{400, "IncompleteSignature", "Unsupported AWS 'algorithm': 'Bearer'."}},
		{name: "no signature", edit: inAuth("Signature=", "Signed="), want: answer{400, "IncompleteSignature", "Authorization header requires 'Signature' parameter."}},
		{name: "short scope", edit: inAuth("/sts/aws4_request", ""), want: answer{Status: 400, Code: "IncompleteSignature"}},
		{name: "clock 5 minutes behind", at: at.Add(-5 * time.Minute), want: answer{Status: 200}},
		{name: "clock 5 minutes ahead", at: at.Add(5 * time.Minute), want: answer{Status: 200}},
		{name: "clock too far behind", at: at.Add(-5*time.Minute - time.Second), want: answer{
			403, "SignatureDoesNotMatch",
			"Signature expired: 20260517T082459Z is now earlier than 20260517T082500Z (20260517T083000Z - 5 min.)",
		}},
		{name: "clock too far ahead", at: at.Add(5*time.Minute + time.Second), want: answer{
			403, "SignatureDoesNotMatch",
			"Signature not yet current: 20260517T083501Z is still later than 20260517T083500Z (20260517T083000Z + 5 min.)",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, signedAt, edit := tt.key, tt.at, tt.edit
			if k == (stsfake.Key{}) {
				k = key
			}
			if signedAt.IsZero() {
				signedAt = at
			}
			if edit == nil {
				edit = func(*http.Request) {}
			}
			got := readFault(t, send(t, s, k, signedAt, identityForm, edit))
			if tt.want.Message == "" {
				got.Message = ""
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			last := s.Requests()[len(s.Requests())-1]
			if good := got.Status == http.StatusOK; good != (last.CallerARN == key.UserARN) {
				t.Errorf("recorded caller %q", last.CallerARN)
			}
		})
	}
}

// roundTrip changes the SDK's requests after signing.
type roundTrip func(*http.Request)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultClient.Do(r)
}

func TestVerify_SDKWithWrongCredentials(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	for _, tt := range []struct {
		name  string
		creds aws.CredentialsProvider
		want  answer
	}{
		{"wrong secret", credentials.NewStaticCredentialsProvider(key.AccessKeyID, "wrong", ""), answer{403, "SignatureDoesNotMatch", mismatchText}},
		{"unknown key", credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "wrong", ""), answer{Status: 403, Code: "InvalidClientTokenId"}},
		{"unsigned", aws.AnonymousCredentials{}, answer{403, "MissingAuthenticationToken", "Request is missing Authentication Token"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := whoami(t, client(s, tt.creds))
			wantFault(t, err, tt.want)
		})
	}
}

func TestVerify_SDKRequestChangedOnTheWay(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	s.AddRole(appRole)
	tamper := roundTrip(func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body = bytes.Replace(body, []byte("sessionA"), []byte("sessionB"), 1)
		r.Body = io.NopCloser(bytes.NewReader(body))
	})
	_, err := assume(t, client(s, key, func(o *sts.Options) { o.HTTPClient = tamper }),
		sts.AssumeRoleInput{RoleSessionName: aws.String("sessionA")})
	wantFault(t, err, answer{403, "SignatureDoesNotMatch", mismatchText})
}

func TestVerify_SessionTokens(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	key := s.AddUser("dev")
	s.AddRole(appRole)
	out := mustAssume(t, client(s, key), sts.AssumeRoleInput{})
	other := mustAssume(t, client(s, key), sts.AssumeRoleInput{})
	try := func(token string) error {
		_, err := whoami(t, client(s, credentials.NewStaticCredentialsProvider(
			*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, token)))
		return err
	}
	if err := try(*out.Credentials.SessionToken); err != nil {
		t.Error(err)
	}
	for _, token := range []string{"", "unknown", *other.Credentials.SessionToken} {
		wantFault(t, try(token), answer{Status: 403, Code: "InvalidClientTokenId"})
	}
	now.Add(time.Hour) // the SDK's date is an hour behind now, but the expiry is checked first
	wantFault(t, try(*out.Credentials.SessionToken),
		answer{403, "ExpiredToken", "The security token included in the request is expired"})
}

// skewed is a server whose clock is two hours ahead.
func skewed(t *testing.T) *stsfake.Server {
	t.Helper()
	now := newClock()
	now.Add(2 * time.Hour)
	return stsfake.Start(t, stsfake.WithNow(now.Now))
}

func TestVerify_SkewedClockIsASignatureError(t *testing.T) {
	s := skewed(t)
	_, err := whoami(t, client(s, s.AddUser("dev")))
	wantFault(t, err, answer{Status: 403, Code: "SignatureDoesNotMatch"})
	if !strings.Contains(err.Error(), "Signature expired: ") {
		t.Error(err)
	}
}

// An SDK learns the skew from the Date header.
func TestVerify_RetryCorrectsSkew(t *testing.T) {
	s := skewed(t)
	c := client(s, s.AddUser("dev"), func(o *sts.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	})
	if _, err := whoami(t, c); err != nil {
		t.Error(err)
	}
	if got := s.Calls("GetCallerIdentity"); got != 2 {
		t.Errorf("%d calls, want 2", got)
	}
}
