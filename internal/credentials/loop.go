package credentials

import (
	"context"
	"iter"
	"os"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// OriginHeader marks what the daemon itself sends, so that it can tell when its metadata service is asked by itself.
const OriginHeader = "X-Mock-Ec2-Metadata-Origin"

// sharedProfile reads the profile that makes the call, as the SDK will; nil if it cannot be read, which the SDK will find
// and say.
func (a *STS) sharedProfile(ctx context.Context) *awsconfig.SharedConfig {
	name := a.opt.Profile
	if name == "" {
		name = os.Getenv("AWS_PROFILE")
	}
	if name == "" {
		name = "default"
	}
	files := ProfileFiles()
	profile, err := awsconfig.LoadSharedConfigProfile(ctx, name, func(o *awsconfig.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = files[:1], files[1:]
	})
	if err != nil {
		return nil
	}
	return &profile
}

// chain is a profile and those that it builds on, by source_profile.
func chain(profile *awsconfig.SharedConfig) iter.Seq[*awsconfig.SharedConfig] {
	return func(yield func(*awsconfig.SharedConfig) bool) {
		for p := profile; p != nil && yield(p); p = p.Source {
		}
	}
}

// metadataService says whether the SDK may ask EC2's metadata service: only for a profile that names it as its source. As
// a last resort, which it is for the SDK, it would mostly be this daemon, or nobody.
func metadataService(profile *awsconfig.SharedConfig) imds.ClientEnableState {
	for p := range chain(profile) {
		if p.CredentialSource == "Ec2InstanceMetadata" {
			return imds.ClientEnabled
		}
	}
	return imds.ClientDisabled
}
