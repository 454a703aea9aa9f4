package credentials

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
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Profile is a profile that has been read, and the way from there to credentials, step by step. Its errors are those of
// Retrieve, which is all the steps at once.
type Profile struct {
	sts    *STS
	cfg    aws.Config
	shared *awsconfig.SharedConfig // nil: it is not of the files
}

// Profile reads the profile and calls nobody. MFA codes for its own role come with this ctx.
func (a *STS) Profile(ctx context.Context) (*Profile, error) {
	cfg, shared, err := a.load(ctx)
	if err != nil {
		return nil, a.describe(ctx, &loadError{err})
	}
	return &Profile{a, cfg, shared}, nil
}

// Name says which one it is, e.g. profile "default".
func (p *Profile) Name() string { return p.sts.profile() }

// Format redacts under every verb: a profile may hold keys.
func (p Profile) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.sts.profile()+" [redacted]") }

// Source is where the credentials that make the calls come from, and how long they last.
type Source struct {
	Kind    string
	Expires time.Time // zero: they do not say
}

// Source gets the credentials that make the calls.
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

// source is apart from the calls themselves, so that an error says which of the two failed. The SDK keeps what it gets as
// long as that is valid: no step gets it twice. What a role is assumed with, and took an MFA code, outlives the call.
func (p *Profile) source(ctx context.Context) (aws.Credentials, error) {
	retrieve := func() (aws.Credentials, error) { return p.cfg.Credentials.Retrieve(ctx) }
	get := retrieve
	if p.sts.spec.RoleARN != "" && usesMFA(p.shared) {
		get = func() (aws.Credentials, error) {
			return p.sts.opt.Sessions.get(fingerprint("profile", p.shared), p.sts.opt.Now, retrieve)
		}
	}
	c, err := get()
	if err != nil {
		return aws.Credentials{}, p.sts.describe(ctx, &sourceError{err})
	}
	if !c.HasKeys() {
		return aws.Credentials{}, &Error{Code: codeFailed, Temporary: true, Message: fmt.Sprintf(
			"what %s gets its credentials from answered without a key, or with half of one; see its log", p.sts.profile())}
	}
	return c, nil
}

// kind names what the SDK calls a source as users know it.
func kind(source string) string {
	if file, ok := strings.CutPrefix(source, "SharedConfigCredentials: "); ok {
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

// Identity is whom STS takes a caller for, and what time it is there; zero if it does not say.
type Identity struct {
	ARN  string
	Time time.Time
}

// Identity asks STS who the profile is.
func (p *Profile) Identity(ctx context.Context) (Identity, error) {
	source, err := p.source(ctx)
	if err != nil {
		return Identity{}, err
	}
	cfg := p.cfg
	cfg.Credentials = static(source)
	return p.sts.identity(ctx, cfg)
}

// Issue gets the credentials to hand out.
func (p *Profile) Issue(ctx context.Context) (*Credentials, error) {
	source, err := p.source(ctx)
	if err != nil {
		return nil, err
	}
	c, err := p.sts.issue(ctx, p.cfg, source)
	if err != nil {
		return nil, p.sts.describe(ctx, err)
	}
	return c, nil
}

func (a *STS) identity(ctx context.Context, cfg aws.Config) (Identity, error) {
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return Identity{}, a.describe(ctx, err)
	}
	if aws.ToString(out.Arn) == "" {
		return Identity{}, &Error{Code: codeFailed, Temporary: true, Message: "STS answered without an identity; if AWS_ENDPOINT_URL_STS is set, check that it is an STS"}
	}
	at, _ := awsmiddleware.GetServerTime(out.ResultMetadata)
	return Identity{ARN: *out.Arn, Time: at}, nil
}

// isIdentityCall says whether it was STS's answer to who the caller is that failed.
func isIdentityCall(err error) bool {
	called := innermost(err)
	return called != nil && called.OperationName == "GetCallerIdentity"
}
