package sts

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/profile"
)

// Profile is a profile that has been read. Its methods are the single steps of Retrieve, with the same errors.
type Profile struct {
	provider *Provider
	cfg      aws.Config
	shared   *profile.Profile // nil: not in the shared config files
}

// Profile reads the profile and calls no service. An MFA code for the profile's own role must be in this ctx.
func (p *Provider) Profile(ctx context.Context) (*Profile, error) {
	cfg, shared, err := p.load(ctx)
	if err != nil {
		return nil, p.describe(ctx, &loadError{err})
	}
	return &Profile{p, cfg, shared}, nil
}

// Name names the profile, e.g. profile "default".
func (p *Profile) Name() string { return p.provider.profile() }

// Format redacts under every verb: a profile may hold keys.
func (p Profile) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, p.provider.profile()+" [redacted]")
}

// Source describes the profile's own credentials, which sign the calls of STS.
type Source struct {
	Kind    string
	Expires time.Time // zero: no expiry known
}

// Source fetches the profile's own credentials.
func (p *Profile) Source(ctx context.Context) (Source, error) {
	c, err := p.source(ctx)
	if err != nil {
		return Source{}, err
	}
	s := Source{Kind: kind(c.Source)}
	if c.CanExpire {
		s.Expires = c.Expires
	}
	return s, nil
}

// source fetches the profile's own credentials. It is a step of its own so that an error says whether the source or the
// call of STS failed. The SDK caches them in p.cfg. If they took an MFA code and are not handed out themselves,
// Sessions caches them too.
func (p *Profile) source(ctx context.Context) (aws.Credentials, error) {
	retrieve := func() (aws.Credentials, error) { return p.cfg.Credentials.Retrieve(ctx) }
	get := retrieve
	if p.provider.spec.RoleARN != "" && usesMFA(p.shared) {
		get = func() (aws.Credentials, error) {
			return p.provider.opt.Sessions.get(fingerprint("profile", p.shared), p.provider.opt.Now, retrieve)
		}
	}
	c, err := get()
	if err != nil {
		return aws.Credentials{}, p.provider.describe(ctx, &sourceError{err})
	}
	if !c.HasKeys() {
		return aws.Credentials{}, temporary("the credential source of %s answered without a complete key; see its log", p.provider.profile())
	}
	return c, nil
}

// Keys fetches the profile's own credentials as they are, for a copy of them. They may be long-lived.
func (p *Profile) Keys(ctx context.Context) (aws.Credentials, error) { return p.source(ctx) }

// kind translates the SDK's name of a source into the user's.
func kind(source string) string {
	if file, ok := strings.CutPrefix(source, keysOf); ok {
		return "keys in " + file
	}
	switch source {
	case awsconfig.CredentialsSourceName:
		return "keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case ssocreds.ProviderName:
		return "SSO"
	case logincreds.ProviderName:
		return "aws login"
	case processcreds.ProviderName:
		return "credential_process"
	case stscreds.ProviderName:
		return "the role that the profile assumes (role_arn)"
	case stscreds.WebIdentityProviderName:
		return "a web identity"
	case endpointcreds.ProviderName:
		return "the container credentials service"
	case ec2rolecreds.ProviderName:
		return "EC2's metadata service"
	default:
		return source
	}
}

// Identity is the caller's identity according to STS.
type Identity struct {
	ARN  string
	Time time.Time // of STS's clock; zero if the response has none
}

// Identity calls GetCallerIdentity with the profile's own credentials.
func (p *Profile) Identity(ctx context.Context) (Identity, error) {
	source, err := p.source(ctx)
	if err != nil {
		return Identity{}, err
	}
	cfg := p.cfg
	cfg.Credentials = static(source)
	return p.provider.identity(ctx, cfg)
}

// Issue fetches the credentials to hand out.
func (p *Profile) Issue(ctx context.Context) (*credentials.Credentials, error) {
	source, err := p.source(ctx)
	if err != nil {
		return nil, err
	}
	c, err := p.provider.issue(ctx, p.cfg, source)
	if err != nil {
		return nil, p.provider.describe(ctx, err)
	}
	return c, nil
}

func (p *Provider) identity(ctx context.Context, cfg aws.Config) (Identity, error) {
	out, err := awssts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return Identity{}, p.describe(ctx, err)
	}
	if aws.ToString(out.Arn) == "" {
		return Identity{}, temporary("STS answered without an identity; if AWS_ENDPOINT_URL_STS is set, check that it is an STS")
	}
	at, _ := awsmiddleware.GetServerTime(out.ResultMetadata)
	return Identity{ARN: *out.Arn, Time: at}, nil
}
