// Package sts gets credentials from a profile of ~/.aws: by AssumeRole, by GetSessionToken, or the profile's own. Its errors
// name the problem and the fix.
package sts

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awscreds "github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"mock-ec2-metadata/internal/credentials"
)

// chainedDuration is STS's maximum for a caller with a role's credentials (role chaining, SSO).
const chainedDuration = time.Hour

// Options are what getting credentials needs of the process, whatever the Spec. The zero value is ready to use.
type Options struct {
	// Sessions keeps what MFA codes have opened; nil: a new one.
	Sessions *Sessions
	// Origin marks the daemon's own requests, see OriginHeader.
	Origin string
	// Observe is told of each call of a service, but for those that the caller has given up; nil for none. It must not block.
	Observe func(Call)
	// HTTP sends them; nil: the SDK's own client.
	HTTP aws.HTTPClient
	// Log; nil: none.
	Log *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// WithDefaults returns o with every nil field set. Providers made with the result share one Sessions and one HTTP client.
func (o Options) WithDefaults() Options {
	if o.Sessions == nil {
		o.Sessions = &Sessions{}
	}
	if o.HTTP == nil {
		// Calls are an hour apart, so that idle connections are useless.
		o.HTTP = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.IdleConnTimeout = 10 * time.Second })
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Provider fetches a role's credentials by AssumeRole, or those of the profile itself. Each call reads the profile files
// again, and assumes both roles if there is a Target.
type Provider struct {
	spec credentials.Spec
	opt  Options
	// reduced says that STS has refused Spec.Duration; calls use at most chainedDuration from then on.
	reduced atomic.Bool
}

// New makes a Provider. It calls and reads nothing yet.
func New(spec credentials.Spec, opt Options) *Provider {
	return &Provider{spec: spec, opt: opt.WithDefaults()}
}

// NewProvider makes the provider of the credentials that spec describes: a credentials.Mock, or one that calls STS.
func NewProvider(spec credentials.Spec, opt Options) credentials.Provider {
	p := New(spec, opt)
	if spec.Mock {
		return &credentials.Mock{ARN: spec.SessionARN(), Lifetime: p.duration(), Now: p.opt.Now}
	}
	return p
}

// Retrieve calls STS once, or twice if STS refuses the duration or an MFA code opens a session first, and once more for a Target.
// It fails with *credentials.NeedsMFA if it needs a code that is not in ctx, or if STS refuses the code.
func (p *Provider) Retrieve(ctx context.Context) (*credentials.Credentials, error) {
	profile, err := p.Profile(ctx)
	if err != nil {
		return nil, err
	}
	return profile.Issue(ctx)
}

// issue calls STS with the profile's own credentials.
func (p *Provider) issue(ctx context.Context, cfg aws.Config, source aws.Credentials) (*credentials.Credentials, error) {
	if err := p.checkTarget(); err != nil {
		return nil, err
	}
	cfg.Credentials = static(source)
	used := source
	if p.spec.RoleARN == "" {
		return p.ownCredentials(ctx, awssts.NewFromConfig(cfg), source)
	}
	in := p.input()
	if p.spec.MFASerial != "" {
		session, err := p.authenticated(ctx, awssts.NewFromConfig(cfg), source, in)
		if err != nil {
			return nil, err
		}
		cfg.Credentials, used = static(session), session
	}
	client := awssts.NewFromConfig(cfg)
	out, err := client.AssumeRole(ctx, in)
	if durationRefused(err) && p.spec.Duration > chainedDuration && !p.reduced.Swap(true) {
		p.opt.Log.Warn("STS refuses the session duration; using 1h", "duration", p.spec.Duration, "role", p.spec.RoleARN)
		in.DurationSeconds = p.input().DurationSeconds
		out, err = client.AssumeRole(ctx, in)
	}
	if err != nil {
		if api, ok := errors.AsType[smithy.APIError](err); ok && keysRefused(api) {
			p.opt.Sessions.forget(used)
		}
		return nil, err
	}
	issued, err := p.fromAssumeRole(out)
	if err != nil || p.spec.Target.RoleARN == "" {
		return issued, err
	}
	return p.assumeTarget(ctx, cfg, issued)
}

// static is a provider of given credentials.
func static(c aws.Credentials) aws.CredentialsProvider {
	return awscreds.StaticCredentialsProvider{Value: c}
}

// CallerIdentity calls GetCallerIdentity with c.
func (p *Provider) CallerIdentity(ctx context.Context, c *credentials.Credentials) (arn string, err error) {
	profile, err := p.Profile(ctx)
	if err != nil {
		return "", err
	}
	cfg := profile.cfg
	cfg.Credentials = awscreds.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	id, err := p.identity(ctx, cfg)
	return id.ARN, err
}

func (p *Provider) input() *awssts.AssumeRoleInput {
	in := &awssts.AssumeRoleInput{
		RoleArn:           aws.String(p.spec.RoleARN),
		RoleSessionName:   aws.String(p.spec.SessionName),
		DurationSeconds:   aws.Int32(int32(p.duration() / time.Second)), //nolint:gosec // at most 12 h
		ExternalId:        nonEmpty(p.spec.ExternalID),
		SourceIdentity:    nonEmpty(p.spec.SourceIdentity),
		TransitiveTagKeys: p.spec.TransitiveTagKeys,
		Policy:            nonEmpty(p.spec.Policy),
	}
	for key, value := range p.spec.SessionTags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	slices.SortFunc(in.Tags, func(x, y types.Tag) int { return strings.Compare(*x.Key, *y.Key) })
	for _, arn := range p.spec.PolicyARNs {
		in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: aws.String(arn)})
	}
	return in
}

// fromAssumeRole converts a response of AssumeRole and checks it.
func (p *Provider) fromAssumeRole(out *awssts.AssumeRoleOutput) (*credentials.Credentials, error) {
	c, err := p.fromSTS(out.Credentials)
	if err == nil && out.AssumedRoleUser != nil {
		c.ARN = aws.ToString(out.AssumedRoleUser.Arn)
		session, _ := arn.Parse(c.ARN)
		c.AccountID = session.AccountID
	}
	return c, err
}

// fromSTS converts credentials that STS has just issued. It fails if they are incomplete or expired.
func (p *Provider) fromSTS(c *types.Credentials) (*credentials.Credentials, error) {
	if c == nil || c.Expiration == nil ||
		aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" || aws.ToString(c.SessionToken) == "" {
		return nil, temporary("STS answered without credentials; if AWS_ENDPOINT_URL_STS is set, check that it is an STS")
	}
	now := p.opt.Now()
	if !c.Expiration.After(now) {
		return nil, temporary("the credentials that STS has just issued are expired already by this machine's clock (%s); set the clock",
			now.UTC().Format(time.RFC3339))
	}
	return &credentials.Credentials{
		AccessKeyID:     *c.AccessKeyId,
		SecretAccessKey: *c.SecretAccessKey,
		SessionToken:    *c.SessionToken,
		Expiration:      *c.Expiration,
		LastUpdated:     now.UTC().Truncate(time.Second),
	}, nil
}

// durationRefused reports whether STS refused the duration only, by one of its two texts (imds-reference section 9).
func durationRefused(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" &&
		(strings.Contains(api.ErrorMessage(), "exceeds the MaxSessionDuration") ||
			strings.Contains(api.ErrorMessage(), "1 hour session limit"))
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
