package sts

import (
	"cmp"
	"context"
	"iter"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// OriginHeader marks the daemon's own requests, so that it can detect that it asks its own metadata service.
const OriginHeader = "X-Mock-Ec2-Metadata-Origin"

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

// Files returns the files and directories whose change may change the credentials of a profile ("": the SDK's default
// chain): the shared config files, the caches of aws sso login and aws login, and the web identity tokens that the
// profile names now.
func Files(ctx context.Context, profile string) []string {
	return append(append(ProfileFiles(), CacheDirs()...), tokenFiles(ctx, profile)...)
}

// tokenFiles returns the files of web identity tokens: AWS_WEB_IDENTITY_TOKEN_FILE, which the SDK uses only without a
// configured profile, and web_identity_token_file of each profile of the chain.
func tokenFiles(ctx context.Context, profile string) []string {
	var files []string
	if file := os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); file != "" && profile == "" {
		files = append(files, file)
	}
	for p := range chain(sharedProfile(ctx, profile)) {
		if p.WebIdentityTokenFile != "" {
			files = append(files, p.WebIdentityTokenFile)
		}
	}
	return files
}

// sharedProfile reads the profile in use as the SDK does. It returns nil on an error, which the SDK will report.
func sharedProfile(ctx context.Context, profile string) *awsconfig.SharedConfig {
	named, _ := namedByEnvironment()
	files := ProfileFiles()
	first, err := awsconfig.LoadSharedConfigProfile(ctx, cmp.Or(profile, named, "default"), func(o *awsconfig.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = files[:1], files[1:]
	})
	if err != nil {
		return nil
	}
	return &first
}

// chain yields a profile and, by source_profile, the profiles that its credentials come from.
func chain(profile *awsconfig.SharedConfig) iter.Seq[*awsconfig.SharedConfig] {
	return func(yield func(*awsconfig.SharedConfig) bool) {
		for p := profile; p != nil && yield(p); p = p.Source {
		}
	}
}

// namedByEnvironment returns the profile that the SDK uses when none is configured, and the variable that names it.
func namedByEnvironment() (profile, variable string) {
	for _, variable := range [...]string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if profile := os.Getenv(variable); profile != "" {
			return profile, variable
		}
	}
	return "", ""
}

// load reads the profile. MFA codes for its own role come from ctx.
func (p *Provider) load(ctx context.Context) (aws.Config, *awsconfig.SharedConfig, error) {
	profile, files := sharedProfile(ctx, p.spec.Profile), ProfileFiles()
	opts := []func(*awsconfig.LoadOptions) error{
		// The SDK's defaults do not follow a change of HOME in this process.
		awsconfig.WithSharedConfigFiles(files[:1]),
		awsconfig.WithSharedCredentialsFiles(files[1:]),
		awsconfig.WithRegion(p.spec.Region),
		awsconfig.WithHTTPClient(p.opt.HTTP), // the SDK adds AWS_CA_BUNDLE only to a client of its own type
		awsconfig.WithAPIOptions([]func(*middleware.Stack) error{smithyhttp.AddHeaderValue(OriginHeader, p.opt.Origin), boundRequests}),
		awsconfig.WithEC2IMDSClientEnableState(metadataService(profile)),
		// Keep the issuer's expiry: the SDK would shift that of container credentials.
		awsconfig.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }),
		// The SDK kills the shell of a process that hangs before the call times out. It does not kill the shell's children.
		awsconfig.WithProcessCredentialOptions(func(o *processcreds.Options) { o.Timeout = processTimeout }),
		awsconfig.WithEndpointCredentialOptions(func(o *endpointcreds.Options) {
			o.HTTPClient, o.Retryer = p.opt.HTTP, aws.NopRetryer{}
		}),
		awsconfig.WithAssumeRoleCredentialOptions(profileMFA(ctx, profile)),
		awsconfig.WithLogger(logging.Nop{}), // the SDK's logger would write to stderr
		// Only the Keeper retries.
		awsconfig.WithRetryMaxAttempts(1),
	}
	if p.spec.Profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(p.spec.Profile))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	return cfg, profile, err
}

// metadataService enables EC2's metadata service only for a profile that names it as its source. The SDK would use it
// as a last resort too, and then mostly call this daemon or an address that nothing listens on.
func metadataService(profile *awsconfig.SharedConfig) imds.ClientEnableState {
	for p := range chain(profile) {
		if p.CredentialSource == "Ec2InstanceMetadata" {
			return imds.ClientEnabled
		}
	}
	return imds.ClientDisabled
}
