package credentials

import (
	"cmp"
	"context"
	"iter"
	"os"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

// Files are all files and directories whose change may give a profile, "" for the SDK's default chain, other credentials:
// the profile files, where aws sso login and aws login leave theirs, and the web identity tokens that are named now.
func Files(ctx context.Context, profile string) []string {
	return append(append(ProfileFiles(), CacheDirs()...), tokenFiles(ctx, profile)...)
}

// tokenFiles are those that hold web identity tokens: AWS_WEB_IDENTITY_TOKEN_FILE, which counts when no profile is
// configured, and web_identity_token_file of the profile or of one that it leads to.
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

// sharedProfile reads the profile in use as the SDK will; nil if it cannot be read, which the SDK will find too, and say so.
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

// chain is a profile and those that its credentials come from, by source_profile.
func chain(profile *awsconfig.SharedConfig) iter.Seq[*awsconfig.SharedConfig] {
	return func(yield func(*awsconfig.SharedConfig) bool) {
		for p := profile; p != nil && yield(p); p = p.Source {
		}
	}
}

// namedByEnvironment is the profile that the SDK uses when none is configured, and the variable that names it.
func namedByEnvironment() (profile, variable string) {
	for _, variable := range [...]string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if profile := os.Getenv(variable); profile != "" {
			return profile, variable
		}
	}
	return "", ""
}
