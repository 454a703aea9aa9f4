package stsfake_test

import (
	"bytes"
	"context"
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

// reply is an HTTP answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send posts form, signed by hand at a time of the test's choosing, after edit has had its way with the request.
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

// readFault takes an error answer apart, and checks its frame.
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

func TestSignature(t *testing.T) {
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
		{name: "good", want: answer{Status: 200}},
		{name: "header added on the way", edit: header("X-Forwarded-For", "10.0.0.1"), want: answer{Status: 200}},
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
		{name: "signed header gone", edit: func(r *http.Request) { r.Header.Del("Content-Type") }, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "host changed", edit: func(r *http.Request) { r.Host = "sts.amazonaws.com" }, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "query added", edit: func(r *http.Request) { r.URL.RawQuery = "a=b" }, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "body changed", edit: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(identityForm + "&"))
			r.ContentLength++
		}, want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "date moved", edit: header("X-Amz-Date", "20260517T083001Z"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "scope of another day", edit: inAuth("/20260517/", "/20260516/"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "another region", edit: inAuth("/us-east-1/", "/us-east-2/"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "another service", edit: inAuth("/sts/", "/iam/"), want: answer{403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'. "}},
		{name: "another end", edit: inAuth("/aws4_request", "/aws5_request"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "fewer headers", edit: inAuth("content-type;", ""), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "host not signed", edit: inAuth(";host;", ";"), want: answer{403, "SignatureDoesNotMatch", mismatchText}},
		{name: "token with a user's key", edit: header("X-Amz-Security-Token", "x"), want: answer{Status: 403, Code: "InvalidClientTokenId"}},
		{name: "no date", edit: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, want: answer{Status: 400, Code: "IncompleteSignature"}},
		{name: "another algorithm", edit: inAuth("AWS4-HMAC-SHA256", "Bearer"), want: answer{400, "IncompleteSignature", "Unsupported AWS 'algorithm': 'Bearer'."}},
		{name: "no signature", edit: inAuth("Signature=", "Signed="), want: answer{400, "IncompleteSignature", "Authorization header requires 'Signature' parameter."}},
		{name: "short scope", edit: inAuth("/sts/aws4_request", ""), want: answer{Status: 400, Code: "IncompleteSignature"}},
		{name: "5 minutes slow", at: at.Add(-5 * time.Minute), want: answer{Status: 200}},
		{name: "5 minutes fast", at: at.Add(5 * time.Minute), want: answer{Status: 200}},
		{name: "too slow", at: at.Add(-5*time.Minute - time.Second), want: answer{
			403, "SignatureDoesNotMatch",
			"Signature expired: 20260517T082459Z is now earlier than 20260517T082500Z (20260517T083000Z - 5 min.)",
		}},
		{name: "too fast", at: at.Add(5*time.Minute + time.Second), want: answer{
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

// roundTrip changes the SDK's requests after they were signed.
type roundTrip func(*http.Request)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultClient.Do(r)
}

func TestSDKSignature(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	s.AddRole(appRole)
	s.AddRole(nextRole)

	_, err := whoami(t, client(s, credentials.NewStaticCredentialsProvider(key.AccessKeyID, "wrong", "")))
	wantFault(t, err, answer{403, "SignatureDoesNotMatch", mismatchText})
	_, err = whoami(t, client(s, credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "wrong", "")))
	wantFault(t, err, answer{Status: 403, Code: "InvalidClientTokenId"})
	_, err = whoami(t, client(s, aws.AnonymousCredentials{}))
	wantFault(t, err, answer{403, "MissingAuthenticationToken", "Request is missing Authentication Token"})

	tamper := roundTrip(func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body = bytes.Replace(body, []byte("sessionA"), []byte("sessionB"), 1)
		r.Body = io.NopCloser(bytes.NewReader(body))
	})
	_, err = assume(t, client(s, key, func(o *sts.Options) { o.HTTPClient = tamper }),
		sts.AssumeRoleInput{RoleSessionName: aws.String("sessionA")})
	wantFault(t, err, answer{403, "SignatureDoesNotMatch", mismatchText})
}

func TestSessionToken(t *testing.T) {
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
	now.Add(time.Hour) // the SDK signs with the true time; expiry is judged first
	wantFault(t, try(*out.Credentials.SessionToken),
		answer{403, "ExpiredToken", "The security token included in the request is expired"})
}

func TestSkewedClock(t *testing.T) {
	now := newClock()
	now.Add(2 * time.Hour)
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	key := s.AddUser("dev")
	_, err := whoami(t, client(s, key))
	wantFault(t, err, answer{Status: 403, Code: "SignatureDoesNotMatch"})
	if !strings.Contains(err.Error(), "Signature expired: ") {
		t.Error(err)
	}

	// The Date header follows the server's clock, so an SDK that retries learns the skew and heals.
	before := s.Calls("GetCallerIdentity")
	healing := client(s, key, func(o *sts.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	})
	if _, err := healing.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Error(err)
	}
	if got := s.Calls("GetCallerIdentity") - before; got != 2 {
		t.Errorf("%d calls, want 2", got)
	}
}
