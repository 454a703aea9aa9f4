package sts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/internal/profile"
)

// keysOf begins aws.Credentials.Source of keys in a file. The file's name follows.
const keysOf = "SharedConfigCredentials: "

// builder makes the SDK's providers of a profile's credentials. The SDK's own reader of the profile files takes keys under
// some headings for those of the section before.
type builder struct {
	ctx context.Context //nolint:containedctx // MFA codes for the profile's own roles come from it
	env awsconfig.EnvConfig
	cfg aws.Config // without credentials
}

// provider returns the source of credentials, in the AWS CLI's order. named says that the configuration names the profile:
// the environment's keys then do not count. none says why there is no profile, if prof is nil.
func (b *builder) provider(prof *profile.Profile, named bool, none error) (aws.CredentialsProvider, error) {
	switch {
	case !named && b.env.Credentials.HasKeys():
		return static(b.env.Credentials), nil
	case !named && os.Getenv("AWS_ACCESS_KEY_ID") != "":
		return nil, badProfile("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY; set both, or neither")
	case !named && b.env.WebIdentityTokenFilePath != "" && (prof == nil || !prof.Assumes()):
		return b.webIdentity(b.env.RoleARN, b.env.RoleSessionName, profile.Expand(b.env.WebIdentityTokenFilePath))
	case prof == nil:
		return b.last(none)
	default:
		return b.profile(prof)
	}
}

// profile returns the source of a profile's credentials.
func (b *builder) profile(p *profile.Profile) (aws.CredentialsProvider, error) {
	var source aws.CredentialsProvider
	var err error
	switch {
	case p.WebIdentityTokenFile != "":
		return b.webIdentity(p.Role.ARN, p.Role.SessionName, p.WebIdentityTokenFile)
	case p.Source != nil:
		source, err = b.profile(p.Source)
	case p.Keys != nil:
		source = static(aws.Credentials{
			AccessKeyID: p.Keys.AccessKeyID, SecretAccessKey: p.Keys.SecretAccessKey, SessionToken: p.Keys.SessionToken,
			AccountID: p.Keys.AccountID, Source: keysOf + p.Keys.File,
		})
	case p.SSO != nil:
		source, err = b.sso(p.SSO)
	case p.Login != "":
		source, err = b.login(p.Login)
	case p.Process != "":
		source, err = b.process(p)
	case p.CredentialSource == "Environment":
		source = static(b.env.Credentials)
	case p.CredentialSource == "EcsContainer":
		if source, err = b.container(); source == nil && err == nil {
			err = errors.New("EcsContainer was specified as the credential_source, but neither 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI' or AWS_CONTAINER_CREDENTIALS_FULL_URI' was set")
		}
	case p.CredentialSource == "Ec2InstanceMetadata":
		source = ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = imds.NewFromConfig(b.cfg) })
	default:
		return b.last(p.NoSource())
	}
	if err != nil || p.Role == nil {
		return source, err
	}
	return b.role(p.Role, source), nil
}

// last returns the source of a profile without one: a container's credentials. Without those it fails with none, if that says
// why the profile has no source; else its provider fails with errNoSource.
func (b *builder) last(none error) (aws.CredentialsProvider, error) {
	source, err := b.container()
	if source != nil || err != nil {
		return source, err
	}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errNoSource }), none
}

// errNoSource says that nothing gives the profile credentials.
var errNoSource = errors.New("no source of credentials")

// role returns the credentials of a role that source assumes.
func (b *builder) role(r *profile.Role, source aws.CredentialsProvider) aws.CredentialsProvider {
	cfg := b.cfg
	cfg.Credentials = source
	return stscreds.NewAssumeRoleProvider(awssts.NewFromConfig(cfg), r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.ExternalID, o.SerialNumber = r.SessionName, nonEmpty(r.ExternalID), nonEmpty(r.MFASerial)
		// An hour is STS's default, and the AWS CLI's. The SDK's is 15 minutes, after which users would enter another code.
		o.Duration = cmp.Or(r.Duration, time.Hour)
		o.TokenProvider = func() (string, error) { return takeCode(b.ctx, r.MFASerial) }
	})
}

func (b *builder) webIdentity(role, session, file string) (aws.CredentialsProvider, error) {
	if role == "" {
		return nil, errors.New("role ARN is not set")
	}
	return stscreds.NewWebIdentityRoleProvider(awssts.NewFromConfig(b.cfg), role, stscreds.IdentityTokenFile(file),
		func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = session }), nil
}

func (b *builder) sso(s *profile.SSO) (aws.CredentialsProvider, error) {
	cfg := b.cfg
	cfg.Region = s.Region
	client := sso.NewFromConfig(cfg)
	if s.Session == "" {
		return ssocreds.New(client, s.AccountID, s.RoleName, s.StartURL), nil
	}
	file, err := ssocreds.StandardCachedTokenFilepath(s.Session)
	if err != nil {
		return nil, err
	}
	return ssocreds.New(client, s.AccountID, s.RoleName, s.StartURL, func(o *ssocreds.Options) {
		o.SSOTokenProvider, o.CachedTokenFilepath = ssocreds.NewSSOTokenProvider(ssooidc.NewFromConfig(cfg), file), file
	}), nil
}

func (b *builder) login(session string) (aws.CredentialsProvider, error) {
	file, err := logincreds.StandardCachedTokenFilepath(session, os.Getenv("AWS_LOGIN_CACHE_DIRECTORY"))
	if err != nil {
		return nil, err
	}
	return logincreds.New(signin.NewFromConfig(b.cfg), file, func(o *logincreds.Options) {
		o.RestrictPermissions = b.cfg.RestrictFilePermissions != aws.RestrictFilePermissionsUnrestricted
	}), nil
}

// process runs a credential_process as the AWS CLI does: without a shell, so that nothing but quotes and backslashes is special.
func (b *builder) process(p *profile.Profile) (aws.CredentialsProvider, error) {
	// The SDK ends a process that hangs before the call times out. It does not end the process's children.
	limit := func(o *processcreds.Options) { o.Timeout = processTimeout }
	if runtime.GOOS == "windows" { // backslashes are in paths
		return processcreds.NewProvider(p.Process, limit), nil
	}
	words, err := p.Command()
	if err != nil {
		return nil, err
	}
	return processcreds.NewProviderCommand(processcreds.NewCommandBuilderFunc(func(ctx context.Context) (*exec.Cmd, error) {
		cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the user names it
		cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr             // "touch your key"
		return cmd, nil
	}), limit), nil
}

// Addresses of container credentials besides loopback ones (AWS SDKs and Tools reference guide, "Container credential provider").
const ecsAddress = "169.254.170.2"

var containerAddresses = []string{ecsAddress, "169.254.170.23", "fd00:ec2::23"}

// container returns the source of a container's credentials, or nil if the environment names none.
func (b *builder) container() (aws.CredentialsProvider, error) {
	endpoint := b.env.ContainerCredentialsEndpoint
	switch path := b.env.ContainerCredentialsRelativePath; {
	case path != "":
		endpoint = "http://" + ecsAddress + path
	case endpoint == "":
		return nil, nil //nolint:nilnil // none
	default:
		if err := checkContainer(b.ctx, endpoint); err != nil {
			return nil, err
		}
	}
	return endpointcreds.New(endpoint, func(o *endpointcreds.Options) {
		o.HTTPClient, o.Retryer, o.APIOptions = b.cfg.HTTPClient, aws.NopRetryer{}, b.cfg.APIOptions
		o.AuthorizationToken = b.env.ContainerAuthorizationToken
		if file := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				token, err := os.ReadFile(file) //nolint:gosec // the user names it
				if err != nil {
					return "", fmt.Errorf("failed to read authorization token from %v: %w", file, err)
				}
				return string(token), nil
			})
		}
	}), nil
}

// checkContainer refuses to send a token in plain text to another machine.
func checkContainer(ctx context.Context, endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL") // it may hold a password
	}
	host := u.Hostname()
	if host == "" {
		return errors.New("unable to parse host from local HTTP cred provider URL")
	}
	if u.Scheme != "http" {
		return nil
	}
	addresses := []string{host}
	if net.ParseIP(host) == nil {
		if addresses, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
			return fmt.Errorf("failed to resolve host %q, %w", host, err)
		}
	}
	for _, address := range addresses {
		ip := net.ParseIP(address)
		if !ip.IsLoopback() && !slices.ContainsFunc(containerAddresses, func(a string) bool { return net.ParseIP(a).Equal(ip) }) {
			return fmt.Errorf("invalid endpoint host, %q, only loopback/ecs/eks hosts are allowed", host)
		}
	}
	return nil
}

// baseEndpoint returns the endpoint of all services: AWS_ENDPOINT_URL, or the profile's endpoint_url; nil: AWS's.
func baseEndpoint(env awsconfig.EnvConfig, shared awsconfig.SharedConfig) *string {
	for _, ignore := range []*bool{env.IgnoreConfiguredEndpoints, shared.IgnoreConfiguredEndpoints} {
		if ignore != nil && *ignore {
			return nil
		}
	}
	return nonEmpty(cmp.Or(env.BaseEndpoint, shared.BaseEndpoint))
}

// settings are those of a profile that the SDK's clients read, besides credentials; p may be nil.
func settings(p *profile.Profile) awsconfig.SharedConfig {
	var c awsconfig.SharedConfig
	if p == nil {
		return c
	}
	isTrue := func(key string) bool { return strings.EqualFold(p.Setting(key), "true") }
	c.Profile, c.BaseEndpoint, c.Services.ServiceValues = p.Name, p.Setting("endpoint_url"), p.Services()
	if p.Setting("ignore_configured_endpoint_urls") != "" {
		c.IgnoreConfiguredEndpoints = aws.Bool(isTrue("ignore_configured_endpoint_urls"))
	}
	if isTrue("use_fips_endpoint") {
		c.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
	}
	if isTrue("use_dualstack_endpoint") {
		c.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
	}
	c.EC2IMDSEndpoint = p.Setting("ec2_metadata_service_endpoint")
	_ = c.EC2IMDSEndpointMode.SetFromString(p.Setting("ec2_metadata_service_endpoint_mode")) // unknown: IPv4
	return c
}
