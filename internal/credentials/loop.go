package credentials

import (
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// OriginHeader marks what the daemon itself sends, so that it can tell when its metadata service is asked by itself.
const OriginHeader = "X-Mock-Ec2-Metadata-Origin"

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
