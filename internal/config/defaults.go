package config

import (
	"cmp"
	"fmt"
	"time"
)

// regionOfZone matches the region at the start of an availability zone (us-west-2a) or local zone (us-west-2-lax-1a).
var regionOfZone = once(`^[a-z]{2,}(?:-[a-z]+)+-[0-9]+`)

// defaults returns the configuration of an empty file, without the values that derive adds.
func defaults() *Config {
	return &Config{
		Instance: Instance{
			Credentials: Credentials{Duration: time.Hour, RefreshBefore: defaultRefreshBefore, Cache: "memory"},
			AWS:         AWS{AccountID: "123456789012", Region: defaultRegion}, // as in AWS's own examples
			EC2: EC2{
				LocalIPv4:    "10.0.0.10",
				InstanceID:   "i-0123456789abcdef0",
				ImageID:      "ami-0abcdef1234567890",
				InstanceType: "t3.micro",
				Architecture: "x86_64",
				LifeCycle:    "on-demand",
				Monitoring:   "disabled",
				MetadataOptions: MetadataOptions{
					HTTPTokens:              "optional",
					HTTPEndpoint:            "enabled",
					HTTPPutResponseHopLimit: noHopLimit,
					InstanceMetadataTags:    "enabled",
				},
			},
		},
		Containers: Containers{Role: []string{"label:mock-ec2-metadata.role", "env:IAM_ROLE"}},
		ECS: ECS{
			Listen: []string{"169.254.170.2:80"},
			Rate:   noRate,
			Task:   ECSTask{Cluster: "local", Family: "task", Revision: "1", LaunchType: "EC2"},
		},
		PodIdentity: PodIdentity{
			Listen:      []string{"169.254.170.23:80", "[fd00:ec2::23]:80"},
			ClusterName: "local",
			Audience:    "pods.eks.amazonaws.com",
			Verify:      VerifyTokenReview,
		},
		Kubernetes: defaultKubernetes(),
		Server: Server{
			Listen: []string{DefaultListen}, AllowClients: []string{"auto"}, Control: "auto", Console: "auto",
			Limits: Limits{Connections: 2048, ConnectionsPerClient: 512, URLBytes: 2048, HeaderBytes: 16384, BodyBytes: 4096},
		},
		Log: Log{Level: "info", Format: "text", Access: true},
	}
}

// derive derives values that no source has set from those that are set. Other packages derive the host name and the session
// name.
func (l *loader) derive() {
	l.deriveNode()
	l.derivePlace()
	l.deriveBaseRole()
	l.deriveCredentials("mock-role")
	l.deriveEC2()
}

// derivePlace derives account, region and zone.
func (l *loader) derivePlace() {
	c := l.config
	if m := roleARN().FindStringSubmatch(c.Credentials.IAMRole); m != nil && !l.isSet(accountPath) {
		c.AWS.AccountID = m[1]
	}
	l.deriveRegion()
	if !l.isSet(zonePath) {
		c.AWS.AvailabilityZone = c.AWS.Region + "a"
	}
}

// deriveEC2 derives values of the block ec2 from others of it.
func (l *loader) deriveEC2() {
	c := l.config
	l.deriveArchitecture()
	l.deriveAddresses()
	for i := range c.EC2.NetworkInterfaces {
		if !l.isSet(fmt.Sprintf("ec2.network_interfaces[%d].device_number", i)) {
			c.EC2.NetworkInterfaces[i].DeviceNumber = i + 1
		}
	}
}

// mockRole returns the ARN of the role whose credentials are made up if no role is configured.
func mockRole(place AWS, name string) string {
	return "arn:" + cmp.Or(place.Partition, Partition(place.Region)) + ":iam::" + place.AccountID + ":role/" + name
}
