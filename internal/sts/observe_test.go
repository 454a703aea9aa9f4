package sts

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
)

// told is what Observe was told.
type told struct {
	mu    sync.Mutex // guards calls
	calls []Call
}

func (o *told) add(c Call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, c)
}

// reply answers each request with a status and a body, after a time.
func reply(after time.Duration, status int, contentType, body string) client {
	return func(r *http.Request) (*http.Response, error) {
		if err := pause(r.Context(), after); err != nil {
			return nil, err
		}
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

func failing(err error) client {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

const (
	assumed = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>` +
		`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>` +
		`</AssumeRoleResult></AssumeRoleResponse>`
	errorOf = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>CODE</Code><Message>arn:aws:iam::1:role/secret</Message></Error></ErrorResponse>`
	xml     = "text/xml"
)

func TestObserve_TellsHowACallHasEnded(t *testing.T) {
	refused := func(status int, code string) client {
		return reply(0, status, xml, strings.ReplaceAll(errorOf, "CODE", code))
	}
	for _, tt := range []struct {
		name string
		http client
		want Call
	}{
		{"success", reply(2*time.Second, 200, xml, assumed), Call{"AssumeRole", Success, "", 2 * time.Second}},
		{"refused", refused(403, "AccessDenied"), Call{"AssumeRole", Refused, "AccessDenied", 0}},
		{"wrong clock", refused(403, "SignatureDoesNotMatch"), Call{"AssumeRole", Refused, "SignatureDoesNotMatch", 0}},
		{"broken", refused(503, "ServiceUnavailable"), Call{"AssumeRole", Refused, "ServiceUnavailable", 0}},
		{"throttled", refused(400, "Throttling"), Call{"AssumeRole", Throttled, "Throttling", 0}},
		{"too many requests", refused(429, "Busy"), Call{"AssumeRole", Throttled, "Busy", 0}},
		{"hanging", reply(time.Hour, 200, xml, assumed), Call{"AssumeRole", Timeout, "", requestTimeout}},
		{"body that hangs", hangingBody, Call{"AssumeRole", Timeout, "", requestTimeout}},
		{"no route", failing(&net.OpError{Op: "dial", Err: errors.New("no route to host")}), Call{"AssumeRole", Unreachable, "", 0}},
		{"no name", failing(&net.DNSError{Err: "no such host"}), Call{"AssumeRole", Unreachable, "", 0}},
		{"a proxy's page", reply(0, 200, "text/html", "<html><body>Log in<br></body></html>"), Call{"AssumeRole", Invalid, "", 0}},
		{"a proxy's error", reply(0, 502, "text/html", "<html><body>Bad gateway</body></html>"), Call{"AssumeRole", Invalid, "", 0}},
		{"a proxy's refusal", reply(0, 403, "text/plain", "no"), Call{"AssumeRole", Invalid, "", 0}},
		{"truncated", reply(0, 200, xml, assumed[:len(assumed)/2]), Call{"AssumeRole", Invalid, "", 0}},
		{"empty", reply(0, 200, xml, ""), Call{"AssumeRole", Invalid, "", 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got told
				assume(t.Context(), tt.http, got.add)
				if len(got.calls) != 1 || got.calls[0] != tt.want {
					t.Errorf("told of %+v, want %+v", got.calls, tt.want)
				}
			})
		})
	}
}

// assume calls AssumeRole as a provider does.
func assume(ctx context.Context, http client, observe func(Call)) {
	c := awssts.New(awssts.Options{
		Region: "us-east-1", RetryMaxAttempts: 1, APIOptions: Options{Observe: observe}.middleware(), HTTPClient: http,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"}, nil
		}),
	})
	_, _ = c.AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::1:role/secret"), RoleSessionName: aws.String("s")})
}

// hangingBody answers with a body that does not end.
func hangingBody(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: hangs{r.Context()}, Request: r}, nil
}

type hangs struct{ ctx context.Context }

func (h hangs) Read([]byte) (int, error) { <-h.ctx.Done(); return 0, h.ctx.Err() }
func (h hangs) Close() error             { return nil }

func TestObserve_CallGivenUpByTheDaemonIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got told
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		assume(ctx, reply(time.Hour, 200, xml, assumed), got.add)
		if len(got.calls) > 0 {
			t.Errorf("told of %+v", got.calls)
		}
	})
}

func TestObserve_TellsOfIAMIdentityCenter(t *testing.T) {
	var got told
	body := `{"roleCredentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","expiration":1900000000000}}`
	for _, http := range []client{
		reply(0, 200, "application/json", body), reply(0, 200, "application/json", "{}"), reply(0, 200, "text/html", "<html></html>"),
		func(r *http.Request) (*http.Response, error) {
			resp, err := reply(0, 403, "application/json", `{"message":"No access"}`)(r)
			resp.Header.Set("X-Amzn-ErrorType", "ForbiddenException:http://internal.amazon.com/")
			return resp, err
		},
	} {
		c := sso.New(sso.Options{Region: "us-east-1", RetryMaxAttempts: 1, APIOptions: Options{Observe: got.add}.middleware(), HTTPClient: http})
		_, _ = c.GetRoleCredentials(t.Context(), &sso.GetRoleCredentialsInput{AccessToken: aws.String("t"), AccountId: aws.String("1"), RoleName: aws.String("r")})
	}
	var outcomes []string
	for _, c := range got.calls {
		outcomes = append(outcomes, c.Operation+" "+c.Outcome.String()+" "+c.Code)
	}
	const op = "GetRoleCredentials "
	if got, want := strings.Join(outcomes, "; "), op+"success ; "+op+"invalid ; "+op+"invalid ; "+op+"refused ForbiddenException"; got != want {
		t.Errorf("told of %s\nwant %s", got, want)
	}
}

func TestObserve_AnswerThatLacksWhatItIsForIsInvalid(t *testing.T) {
	for _, result := range []any{
		&awssts.AssumeRoleOutput{}, &awssts.AssumeRoleWithWebIdentityOutput{}, &awssts.GetSessionTokenOutput{}, &awssts.GetCallerIdentityOutput{},
		&sso.GetRoleCredentialsOutput{},
	} {
		if got := outcomeOfResult(result); got != Invalid {
			t.Errorf("%T is %v", result, got)
		}
	}
}

func TestObserve_WithoutAnObserver(t *testing.T) {
	if with, without := len(Options{Observe: func(Call) {}}.middleware()), len(Options{}.middleware()); with != without+1 {
		t.Errorf("%d functions with Observe, %d without", with, without)
	}
}
