package stsfake_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	appRole  = "arn:aws:iam::123456789012:role/team/app"
	nextRole = "arn:aws:iam::210987654321:role/next"
)

// clock is a server clock that tests set. It starts at a whole second, as expiries are in whole seconds.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// client is an SDK client of s, without retries unless opts change that.
func client(s *stsfake.Server, creds aws.CredentialsProvider, opts ...func(*sts.Options)) *sts.Client {
	return sts.New(sts.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.URL()), Credentials: creds, Retryer: aws.NopRetryer{},
	}, opts...)
}

// session is a provider of credentials that STS issued.
func session(c *types.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

func assume(t *testing.T, c *sts.Client, in sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	t.Helper()
	if in.RoleArn == nil {
		in.RoleArn = aws.String(appRole)
	}
	if in.RoleSessionName == nil {
		in.RoleSessionName = aws.String("i-0123456789abcdef0")
	}
	return c.AssumeRole(t.Context(), &in)
}

func mustAssume(t *testing.T, c *sts.Client, in sts.AssumeRoleInput) *sts.AssumeRoleOutput {
	t.Helper()
	out, err := assume(t, c, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func whoami(t *testing.T, c *sts.Client) (string, error) {
	t.Helper()
	out, err := c.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return *out.Arn, nil
}

// answer is an expected error answer. An empty Message matches any.
type answer struct {
	Status        int
	Code, Message string
}

func wantFault(t *testing.T, err error, want answer) {
	t.Helper()
	var api smithy.APIError
	var status *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &status) {
		t.Fatalf("got %v, want an API error %v", err, want)
	}
	got := answer{status.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage()}
	if want.Message == "" {
		got.Message = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fault (-want +got):\n%s", diff)
	}
	if status.ServiceRequestID() == "" {
		t.Error("no request id")
	}
}

func TestServe_EndsWithCloseDespiteHungRequests(t *testing.T) {
	s := stsfake.New()
	if s.URL() != "" {
		t.Errorf("URL before Serve: %q", s.URL())
	}
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()

	s.Hang()
	answered := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, stsfake.URL(ln.Addr()), nil)
		if err != nil {
			answered <- err
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = errors.Join(errors.New("answered "+resp.Status), resp.Body.Close())
		}
		answered <- err
	}()
	testutil.Eventually(t, "the request arrives", func() bool { return s.Calls("") > 0 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("a hung request was answered")
	}
}

func TestStartOn_ServesOnTheListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := stsfake.StartOn(t, ln, stsfake.WithAccount("999999999999"))
	got, err := whoami(t, client(s, s.AddUser("dev")))
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:iam::999999999999:user/dev"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestServer_ConcurrentUse(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	s.AddRole(appRole)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c := client(s, key)
			if _, err := assume(t, c, sts.AssumeRoleInput{}); err != nil {
				t.Error(err)
			}
			s.Delay(time.Microsecond, "AssumeRole")
			s.Fail(stsfake.Throttled, "GetSessionToken")
			s.SetMFA("dev", "123456")
			s.AddRole(appRole)
			s.AddUser("dev")
			s.Lifetime(time.Minute)
			s.Recover()
			_ = s.Requests()
		})
	}
	all.Wait()
	if got := s.Calls("AssumeRole"); got != 20 {
		t.Errorf("%d calls, want 20", got)
	}
}
