// Package config owns the daemon's configuration: the YAML schema, its defaults, overrides from the environment and the
// command line, strict decoding, and validation that names file, line and key.
package config

import (
	"time"
)

// DefaultFile is read when no file is named and it exists, relative to the working directory.
const DefaultFile = "conf/config.yaml"

// DefaultListen is where the daemon listens when the configuration does not say.
const DefaultListen = "0.0.0.0:5000"

// Config is the whole configuration. conf/sample-config.yaml is its commented tour; docs/configuration.md its reference.
type Config struct {
	Credentials Credentials `yaml:"credentials"`
	AWS         AWS         `yaml:"aws"`
	EC2         EC2         `yaml:"ec2"`
	// Metadata adds, replaces or (null) removes values by path below the version: "meta-data/ami-id": ami-1.
	Metadata map[string]*string `yaml:"metadata"`
	Server   Server             `yaml:"server"`
	Identity Identity           `yaml:"identity"`
	Log      Log                `yaml:"log"`
}

// Credentials says which role's credentials are handed out and who asks STS for them.
// Limits are those of the STS AssumeRole API reference.
type Credentials struct {
	// SourceProfile is the profile of ~/.aws whose credentials make the call. Empty: the AWS SDK's default chain.
	SourceProfile string `yaml:"source_profile"`
	// IAMRole is the ARN of the role to assume. Empty, with no SourceProfile either: no instance profile.
	IAMRole string `yaml:"iam_role"`
	// SessionName is the RoleSessionName. Empty: the instance id, as on EC2.
	SessionName string `yaml:"session_name"`
	// Duration asked for, 15 minutes to 12 hours.
	Duration time.Duration `yaml:"duration"`
	// RefreshBefore is how long before expiry credentials are renewed.
	RefreshBefore     time.Duration     `yaml:"refresh_before"`
	ExternalID        Secret            `yaml:"external_id"`
	SourceIdentity    string            `yaml:"source_identity"`
	SessionTags       map[string]string `yaml:"session_tags"`
	TransitiveTagKeys []string          `yaml:"transitive_tag_keys"`
	// Policy is an inline session policy (JSON); PolicyARNs are managed ones.
	Policy     string   `yaml:"policy"`
	PolicyARNs []string `yaml:"policy_arns"`
	MFASerial  string   `yaml:"mfa_serial"`
	// Mock hands out made-up credentials and calls nobody.
	Mock bool `yaml:"mock"`
}

// AWS is the account and the place the instance claims to be in.
type AWS struct {
	AccountID          string `yaml:"account_id"`
	Region             string `yaml:"region"`
	AvailabilityZone   string `yaml:"availability_zone"`
	AvailabilityZoneID string `yaml:"availability_zone_id"`
	Partition          string `yaml:"partition"`
	Domain             string `yaml:"domain"`
}

// EC2 is the instance. What is left out is derived from InstanceID.
type EC2 struct {
	LocalIPv4    string `yaml:"local_ipv4"`
	InstanceID   string `yaml:"instance_id"`
	ImageID      string `yaml:"image_id"`
	InstanceType string `yaml:"instance_type"`
	Architecture string `yaml:"architecture"`
	Hostname     string `yaml:"hostname"`

	PublicIPv4           string             `yaml:"public_ipv4"`
	PublicHostname       string             `yaml:"public_hostname"`
	IPv6                 string             `yaml:"ipv6"`
	MAC                  string             `yaml:"mac"`
	InterfaceID          string             `yaml:"interface_id"`
	VPCID                string             `yaml:"vpc_id"`
	SubnetID             string             `yaml:"subnet_id"`
	VPCIPv4CIDRBlocks    []string           `yaml:"vpc_ipv4_cidr_blocks"`
	VPCIPv6CIDRBlocks    []string           `yaml:"vpc_ipv6_cidr_blocks"`
	SubnetIPv4CIDRBlock  string             `yaml:"subnet_ipv4_cidr_block"`
	SubnetIPv6CIDRBlocks []string           `yaml:"subnet_ipv6_cidr_blocks"`
	SecurityGroups       []string           `yaml:"security_groups"`
	SecurityGroupIDs     []string           `yaml:"security_group_ids"`
	NetworkInterfaces    []NetworkInterface `yaml:"network_interfaces"`

	ReservationID  string            `yaml:"reservation_id"`
	AMILaunchIndex int               `yaml:"ami_launch_index"`
	LifeCycle      string            `yaml:"life_cycle"`
	Monitoring     string            `yaml:"monitoring"`
	PendingTime    string            `yaml:"pending_time"`
	Placement      Placement         `yaml:"placement"`
	ProductCodes   []string          `yaml:"product_codes"`
	KeyPairs       []KeyPair         `yaml:"key_pairs"`
	BlockDevices   map[string]string `yaml:"block_devices"`
	Tags           map[string]string `yaml:"tags"`

	// At most one of these three; at most 16384 bytes.
	UserData       Secret `yaml:"user_data"`
	UserDataFile   string `yaml:"user_data_file"`
	UserDataBase64 Secret `yaml:"user_data_base64"`

	MetadataOptions MetadataOptions `yaml:"metadata_options"`
}

// NetworkInterface is one elastic network interface beside the instance's values above, which describe device 0.
type NetworkInterface struct {
	DeviceNumber         int      `yaml:"device_number"`
	NetworkCard          int      `yaml:"network_card"`
	MAC                  string   `yaml:"mac"`
	InterfaceID          string   `yaml:"interface_id"`
	LocalIPv4s           []string `yaml:"local_ipv4s"`
	PublicIPv4s          []string `yaml:"public_ipv4s"`
	PublicHostname       string   `yaml:"public_hostname"`
	IPv6s                []string `yaml:"ipv6s"`
	IPv4Prefixes         []string `yaml:"ipv4_prefixes"`
	IPv6Prefixes         []string `yaml:"ipv6_prefixes"`
	VPCID                string   `yaml:"vpc_id"`
	SubnetID             string   `yaml:"subnet_id"`
	VPCIPv4CIDRBlocks    []string `yaml:"vpc_ipv4_cidr_blocks"`
	VPCIPv6CIDRBlocks    []string `yaml:"vpc_ipv6_cidr_blocks"`
	SubnetIPv4CIDRBlock  string   `yaml:"subnet_ipv4_cidr_block"`
	SubnetIPv6CIDRBlocks []string `yaml:"subnet_ipv6_cidr_blocks"`
	SecurityGroups       []string `yaml:"security_groups"`
	SecurityGroupIDs     []string `yaml:"security_group_ids"`
}

// Placement is where the instance stands within its availability zone.
type Placement struct {
	GroupName       string `yaml:"group_name"`
	HostID          string `yaml:"host_id"`
	PartitionNumber int    `yaml:"partition_number"`
}

// KeyPair is a public key that the instance was launched with.
type KeyPair struct {
	Name      string `yaml:"name"`
	PublicKey string `yaml:"public_key"`
}

// MetadataOptions are EC2's instance metadata options, by EC2's names.
type MetadataOptions struct {
	// HTTPTokens is "optional" or "required" (IMDSv2 only).
	HTTPTokens string `yaml:"http_tokens"`
	// HTTPEndpoint is "enabled" or "disabled".
	HTTPEndpoint string `yaml:"http_endpoint"`
	// HTTPPutResponseHopLimit is the IP TTL of the token reply, 1 to 64; 64 = no limit.
	HTTPPutResponseHopLimit int `yaml:"http_put_response_hop_limit"`
	// InstanceMetadataTags is "enabled" or "disabled".
	InstanceMetadataTags string `yaml:"instance_metadata_tags"`
}

// Server is where the daemon listens and whom it lets in.
type Server struct {
	// Listen holds host:port addresses. Changing them takes a restart.
	Listen []string `yaml:"listen"`
	// AllowClients is ["auto"] or a list of CIDR blocks.
	AllowClients []string `yaml:"allow_clients"`
	// AllowHosts are Host names that are let in beside those that public DNS cannot hold.
	AllowHosts []string `yaml:"allow_hosts"`
	// AllowOrigins are those of web pages that are let in, scheme://host[:port].
	AllowOrigins []string `yaml:"allow_origins"`
	// AllowProxies lets session tokens through that come with X-Forwarded-For.
	AllowProxies bool   `yaml:"allow_proxies"`
	Limits       Limits `yaml:"limits"`
	// User is the uid or name to become after binding, when started as root.
	User string `yaml:"user"`
	// Control is "auto", "off" or the absolute path of the control socket. Changing it takes a restart.
	Control string `yaml:"control"`
}

// Limits bound what clients can make the daemon hold at one time, this machine itself apart where connections are counted.
type Limits struct {
	// Connections of all clients, and ConnectionsPerClient of each.
	Connections          int `yaml:"connections"`
	ConnectionsPerClient int `yaml:"connections_per_client"`
	// URLBytes, HeaderBytes and BodyBytes of one request.
	URLBytes    int `yaml:"url_bytes"`
	HeaderBytes int `yaml:"header_bytes"`
	BodyBytes   int `yaml:"body_bytes"`
}

// Identity is the key pair that signs the instance identity document.
type Identity struct {
	KeyFile  string `yaml:"key_file"`
	CertFile string `yaml:"cert_file"`
	StateDir string `yaml:"state_dir"`
}

// Log says what is logged and how.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is text or json.
	Format string `yaml:"format"`
	// Access switches the access log, one line a request.
	Access bool `yaml:"access"`
}
