package sts

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
)

// client sends requests by a function.
type client func(*http.Request) (*http.Response, error)

func (c client) Do(r *http.Request) (*http.Response, error) { return c(r) }

// pause waits as a request does.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const identityAnswer = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
	`<Arn>arn:aws:iam::123456789012:user/developer</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`

func TestBoundRequests_LimitsTheRequestOnly(t *testing.T) {
	for _, tt := range []struct {
		name          string
		source, reply time.Duration // of the client's own credentials, and of STS
		took          time.Duration
		hangs         bool
	}{
		{name: "fast", reply: time.Second, took: time.Second},
		{name: "just in time", reply: requestTimeout - 1, took: requestTimeout - 1},
		{name: "hanging", reply: time.Hour, took: requestTimeout, hangs: true},
		{name: "after a slow credential source", source: 20 * time.Second, reply: 5 * time.Second, took: 25 * time.Second},
		{name: "hanging after a slow credential source", source: 20 * time.Second, reply: time.Hour, took: 20*time.Second + requestTimeout, hangs: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sts := awssts.New(awssts.Options{
					Region: "us-east-1", RetryMaxAttempts: 1, APIOptions: []func(*middleware.Stack) error{boundRequests},
					Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
						return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"}, pause(ctx, tt.source)
					}),
					HTTPClient: client(func(r *http.Request) (*http.Response, error) {
						if err := pause(r.Context(), tt.reply); err != nil {
							return nil, err
						}
						return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(identityAnswer))}, nil
					}),
				})
				start := time.Now()
				_, err := sts.GetCallerIdentity(t.Context(), nil)
				if errors.Is(err, context.DeadlineExceeded) != tt.hangs || err != nil && !tt.hangs || time.Since(start) != tt.took {
					t.Errorf("%v after %v, want %v", err, time.Since(start), tt.took)
				}
			})
		})
	}
}
