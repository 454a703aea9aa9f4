package sts

import (
	"cmp"
	"context"
	"iter"
	"os"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

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
