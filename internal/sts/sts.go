// Package sts gets credentials from a profile of ~/.aws: by AssumeRole, by GetSessionToken, or the profile's own. Its errors
// name the problem and the fix.
package sts

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awscreds "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mock-ec2-metadata/internal/credentials"
)

// chainedDuration is STS's maximum for a caller with a role's credentials (role chaining, SSO).
const chainedDuration = time.Hour

// processTimeout bounds a credential_process.
const processTimeout = credentials.RetrieveTimeout - 5*time.Second

// Options are what getting credentials needs of the process, whatever the Spec.
type Options struct {
	// Sessions keeps what MFA codes have opened; nil: a new one.
	Sessions *Sessions
	// Origin marks the daemon's own requests, see OriginHeader.
	Origin string
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

// Provider fetches a role's credentials by AssumeRole, or those of the profile itself. Each call reads the profile files again.
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
	if spec.Mock {
		return &credentials.Mock{ARN: spec.SessionARN(), Lifetime: spec.Duration, Now: opt.WithDefaults().Now}
	}
	return New(spec, opt)
}

// Retrieve calls STS once, or twice if STS refuses the duration or an MFA code opens a session first. It fails with
// *NeedsMFA if it needs a code that is not in ctx, or if STS refuses the code.
func (a *Provider) Retrieve(ctx context.Context) (*credentials.Credentials, error) {
	p, err := a.Profile(ctx)
	if err != nil {
		return nil, err
	}
	return p.Issue(ctx)
}

// issue calls STS with the profile's own credentials.
func (a *Provider) issue(ctx context.Context, cfg aws.Config, source aws.Credentials) (*credentials.Credentials, error) {
	cfg.Credentials = static(source)
	if a.spec.RoleARN == "" {
		return a.ownCredentials(ctx, awssts.NewFromConfig(cfg), source)
	}
	in := a.input()
	if a.spec.MFASerial != "" {
		session, err := a.authenticated(ctx, awssts.NewFromConfig(cfg), source, in)
		if err != nil {
			return nil, err
		}
		cfg.Credentials = static(session)
	}
	client := awssts.NewFromConfig(cfg)
	out, err := client.AssumeRole(ctx, in)
	if durationRefused(err) && a.spec.Duration > chainedDuration && !a.reduced.Swap(true) {
		a.opt.Log.Warn("STS refuses the session duration; using 1h", "duration", a.spec.Duration, "role", a.spec.RoleARN)
		in.DurationSeconds = a.input().DurationSeconds
		out, err = client.AssumeRole(ctx, in)
	}
	if err != nil {
		if api, ok := errors.AsType[smithy.APIError](err); ok && keysRefused(api) {
			a.opt.Sessions.forget()
		}
		return nil, err
	}
	return a.fromAssumeRole(out)
}

// static is a provider of given credentials.
func static(c aws.Credentials) aws.CredentialsProvider {
	return awscreds.StaticCredentialsProvider{Value: c}
}

// CallerIdentity calls GetCallerIdentity with c.
func (a *Provider) CallerIdentity(ctx context.Context, c *credentials.Credentials) (arn string, err error) {
	cfg, _, err := a.load(ctx)
	if err != nil {
		return "", a.describe(ctx, &loadError{err})
	}
	cfg.Credentials = awscreds.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	id, err := a.identity(ctx, cfg)
	return id.ARN, err
}

// ProfileFiles returns the two shared config files that the SDK reads profiles from.
func ProfileFiles() []string {
	files := []string{awsconfig.DefaultSharedConfigFilename(), awsconfig.DefaultSharedCredentialsFilename()}
	for i, variable := range [...]string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		if file := os.Getenv(variable); file != "" {
			files[i] = file
		}
	}
	return files
}

// CacheDirs returns the directories in which aws sso login and aws login store tokens. It is empty without a home
// directory.
func CacheDirs() []string {
	token, err := ssocreds.StandardCachedTokenFilepath("any")
	if err != nil {
		return nil
	}
	sso := filepath.Dir(token)
	login := cmp.Or(os.Getenv("AWS_LOGIN_CACHE_DIRECTORY"), filepath.Join(filepath.Dir(filepath.Dir(sso)), "login", "cache"))
	return []string{sso, login}
}

// load reads the profile. MFA codes for its own role come from ctx.
func (a *Provider) load(ctx context.Context) (aws.Config, *awsconfig.SharedConfig, error) {
	profile, files := sharedProfile(ctx, a.spec.Profile), ProfileFiles()
	opts := []func(*awsconfig.LoadOptions) error{
		// The SDK's defaults do not follow a change of HOME in this process.
		awsconfig.WithSharedConfigFiles(files[:1]),
		awsconfig.WithSharedCredentialsFiles(files[1:]),
		awsconfig.WithRegion(a.spec.Region),
		awsconfig.WithHTTPClient(a.opt.HTTP), // the SDK adds AWS_CA_BUNDLE only to a client of its own type
		awsconfig.WithAPIOptions([]func(*middleware.Stack) error{smithyhttp.AddHeaderValue(OriginHeader, a.opt.Origin)}),
		awsconfig.WithEC2IMDSClientEnableState(metadataService(profile)),
		// Keep the issuer's expiry: the SDK would shift that of container credentials.
		awsconfig.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }),
		// The SDK kills the shell of a process that hangs before the call times out. It does not kill the shell's children.
		awsconfig.WithProcessCredentialOptions(func(o *processcreds.Options) { o.Timeout = processTimeout }),
		awsconfig.WithEndpointCredentialOptions(func(o *endpointcreds.Options) {
			o.HTTPClient, o.Retryer = a.opt.HTTP, aws.NopRetryer{}
		}),
		awsconfig.WithAssumeRoleCredentialOptions(profileMFA(ctx, profile)),
		awsconfig.WithLogger(logging.Nop{}), // the SDK's logger would write to stderr
		// Only the Keeper retries.
		awsconfig.WithRetryMaxAttempts(1),
	}
	if a.spec.Profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(a.spec.Profile))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	return cfg, profile, err
}

func (a *Provider) input() *awssts.AssumeRoleInput {
	duration := a.spec.Duration
	if a.reduced.Load() {
		duration = min(duration, chainedDuration)
	}
	in := &awssts.AssumeRoleInput{
		RoleArn:           aws.String(a.spec.RoleARN),
		RoleSessionName:   aws.String(a.spec.SessionName),
		DurationSeconds:   aws.Int32(int32(duration / time.Second)), //nolint:gosec // at most 12 h
		ExternalId:        nonEmpty(a.spec.ExternalID),
		SourceIdentity:    nonEmpty(a.spec.SourceIdentity),
		TransitiveTagKeys: a.spec.TransitiveTagKeys,
		Policy:            nonEmpty(a.spec.Policy),
	}
	for key, value := range a.spec.SessionTags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	slices.SortFunc(in.Tags, func(x, y types.Tag) int { return strings.Compare(*x.Key, *y.Key) })
	for _, arn := range a.spec.PolicyARNs {
		in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: aws.String(arn)})
	}
	return in
}

// fromAssumeRole converts a response of AssumeRole and checks it.
func (a *Provider) fromAssumeRole(out *awssts.AssumeRoleOutput) (*credentials.Credentials, error) {
	c, err := a.fromSTS(out.Credentials)
	if err == nil && out.AssumedRoleUser != nil {
		c.ARN = aws.ToString(out.AssumedRoleUser.Arn)
		session, _ := arn.Parse(c.ARN)
		c.AccountID = session.AccountID
	}
	return c, err
}

// fromSTS converts credentials that STS has just issued. It fails if they are incomplete or expired.
func (a *Provider) fromSTS(c *types.Credentials) (*credentials.Credentials, error) {
	if c == nil || c.Expiration == nil ||
		aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" || aws.ToString(c.SessionToken) == "" {
		return nil, &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: "STS answered without credentials; if AWS_ENDPOINT_URL_STS is set, check that it is an STS"}
	}
	now := a.opt.Now()
	if !c.Expiration.After(now) {
		return nil, &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: "the credentials that STS has just issued are expired already by this machine's clock (" +
			now.UTC().Format(time.RFC3339) + "); set the clock"}
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
