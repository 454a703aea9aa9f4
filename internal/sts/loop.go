package sts

import (
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// OriginHeader marks the daemon's own requests, so that it can detect that it asks its own metadata service.
const OriginHeader = "X-Mock-Ec2-Metadata-Origin"

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
