package sts

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"

	"mock-ec2-metadata/internal/profile"
)

// OriginHeader marks the daemon's own requests, so that it can detect that it asks its own metadata service.
const OriginHeader = "X-Mock-Ec2-Metadata-Origin"

// ProfileFiles returns the two shared config files that profiles are read from: the config and the credentials file.
func ProfileFiles() []string { return []string{profile.ConfigFile(), profile.CredentialsFile()} }

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

// Files returns the files and directories whose change may change the credentials of a profile ("": the default chain):
// the shared config files, the caches of aws sso login and aws login, and the web identity tokens that the profile names
// now.
func Files(_ context.Context, name string) []string {
	return append(append(ProfileFiles(), CacheDirs()...), tokenFiles(name)...)
}

// tokenFiles returns the files of web identity tokens: AWS_WEB_IDENTITY_TOKEN_FILE, which is used only without a
// configured profile, and web_identity_token_file of each profile of the chain.
func tokenFiles(name string) []string {
	var files []string
	if file := os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); file != "" && name == "" {
		files = append(files, profile.Expand(file))
	}
	shared, _ := find(name) // load reports the error
	for p := range chain(shared) {
		if p.WebIdentityTokenFile != "" {
			files = append(files, p.WebIdentityTokenFile)
		}
	}
	return files
}

// find reads the profile in use: the named one, or else that of the environment, or else default. After an error of the
// profile's source, the profile has its settings alone. It is nil after other errors.
func find(name string) (*profile.Profile, error) {
	files, err := profile.Load()
	if err != nil {
		return nil, err
	}
	named, _ := profile.Named()
	return files.Profile(cmp.Or(name, named, "default"))
}

// chain yields a profile and, by source_profile, the profiles that its credentials come from.
func chain(first *profile.Profile) iter.Seq[*profile.Profile] {
	return func(yield func(*profile.Profile) bool) {
		for p := first; p != nil && yield(p); p = p.Source {
		}
	}
}

// load reads the profile. MFA codes for its own role come from ctx.
func (p *Provider) load(ctx context.Context) (aws.Config, *profile.Profile, error) {
	env, err := awsconfig.NewEnvConfig()
	if err != nil {
		return aws.Config{}, nil, err
	}
	named := p.spec.Profile != ""
	shared, err := find(p.spec.Profile)
	if err != nil && !ignorable(err, shared, named, env) {
		return aws.Config{}, nil, err
	}
	if missing, ok := errors.AsType[*profile.MissingError](err); ok && missing.By == "" && missing.Why == "" {
		err = nil // there is no profile, and nothing looks like one
	}
	none := err
	options := settings(shared)
	b := builder{ctx: ctx, env: env, cfg: aws.Config{
		Region:       p.spec.Region,
		BaseEndpoint: baseEndpoint(env, options),
		APIOptions:   p.opt.middleware(),
		Logger:       logging.Nop{}, // the SDK's logger would write to stderr
		// Only the Keeper retries.
		RetryMaxAttempts: 1,
		// The first source that has a value counts. EC2's metadata service is called only for a profile that names it, even if
		// AWS_EC2_METADATA_DISABLED is set.
		ConfigSources: []any{awsconfig.LoadOptions{EC2IMDSClientEnableState: imds.ClientEnabled}, env, options},
	}}
	if b.cfg.HTTPClient, err = p.client(shared); err != nil {
		return aws.Config{}, nil, err
	}
	source, err := b.provider(shared, named, none)
	if err != nil {
		return aws.Config{}, nil, err
	}
	b.cfg.Credentials = aws.NewCredentialsCache(source)
	return b.cfg, shared, nil
}

// ignorable reports whether an error of find leaves other sources. Without a named profile there need be none, and keys of
// the environment take precedence over the profile's, as does a web identity unless the profile assumes a role.
func ignorable(err error, shared *profile.Profile, named bool, env awsconfig.EnvConfig) bool {
	if named {
		return false
	}
	if shared != nil {
		return env.Credentials.HasKeys() || env.WebIdentityTokenFilePath != "" && !shared.Assumes()
	}
	_, missing := errors.AsType[*profile.MissingError](err)
	byEnvironment, _ := profile.Named()
	return missing && byEnvironment == ""
}

// client returns the HTTP client, which trusts the authorities of AWS_CA_BUNDLE or of the profile's ca_bundle instead of the
// system's.
func (p *Provider) client(shared *profile.Profile) (aws.HTTPClient, error) {
	file, from := os.Getenv("AWS_CA_BUNDLE"), "AWS_CA_BUNDLE"
	if file == "" && shared != nil {
		file, from = shared.Setting("ca_bundle"), "ca_bundle"
	}
	if file == "" {
		return p.opt.HTTP, nil
	}
	file = profile.Expand(file)
	bundle, err := os.ReadFile(file) //nolint:gosec // the user names it
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, badProfile("%s (%s) cannot be read: %v", file, from, path.Err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(bundle) {
		return nil, badProfile("%s (%s) holds no certificate in PEM form", file, from)
	}
	client, ok := p.opt.HTTP.(*awshttp.BuildableClient)
	if !ok {
		return nil, fmt.Errorf("%T takes no %s", p.opt.HTTP, from)
	}
	return client.WithTransportOptions(func(t *http.Transport) {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{}
		}
		t.TLSClientConfig.RootCAs = authorities
	}), nil
}
