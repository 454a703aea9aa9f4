// Package config owns the daemon's configuration: the YAML schema, its defaults, overrides from the environment and the
// command line, strict decoding, and validation that names file, line and key.
package config

import "time"

// DefaultFile is the configuration file if none is named, relative to the working directory.
const DefaultFile = "conf/config.yaml"

// DefaultListen is the default of server.listen.
const DefaultListen = "0.0.0.0:5000"

// Config is the whole configuration. conf/sample-config.yaml explains it by example; docs/configuration.md is its reference.
//
// The tags of a field hold the rules for its value alone. "yaml" is the key. "is" names the rule in rules.go for each text,
// "key" that for each key of a map, and "odd" one whose violation is only a warning. "oneof" lists the allowed texts, "from"
// the allowed numbers or durations, and "zero" says what is wrong with 0. "most" is the number of allowed values and the rest of the message. "scalar" allows a single text in
// place of a list. "empty" says what an empty list means where it differs from a missing one. "null" says what is wrong with null in a
// map. "bare" is a text that JSON has as a boolean or a number. "of" names the kinds of events that have the key.
type Config struct {
	Instance `yaml:",inline"`
	// Roles are further credentials by name. Each inherits the keys of Credentials that it leaves out.
	Roles      map[string]Credentials `yaml:"roles"`
	Clients    []Client               `yaml:"clients"`
	Containers Containers             `yaml:"containers"`
	// ECS and PodIdentity are what containers of ECS and pods of EKS ask, instead of the metadata service.
	ECS         ECS         `yaml:"ecs"`
	PodIdentity PodIdentity `yaml:"pod_identity"`
	// Kubernetes is for the cluster's own binary.
	Kubernetes Kubernetes `yaml:"kubernetes"`
	// Events and Faults are simulated from the start. Others come and go by the control API.
	Events   []Event  `yaml:"events" most:"100 events; at most"`
	Faults   []Fault  `yaml:"faults" most:"100 faults; at most"`
	Server   Server   `yaml:"server"`
	Identity Identity `yaml:"identity"`
	Log      Log      `yaml:"log"`
	Metrics  Metrics  `yaml:"metrics"`
}

// Instance is everything that describes the simulated instance. The rest of Config belongs to the process.
type Instance struct {
	Credentials Credentials `yaml:"credentials"`
	AWS         AWS         `yaml:"aws"`
	EC2         EC2         `yaml:"ec2"`
	// Metadata adds, replaces or (null) removes values by path below the version: "meta-data/ami-id": ami-1.
	Metadata map[string]*string `yaml:"metadata"`
}

// Credentials selects the role whose credentials are handed out, and the credentials that call STS for it. The limits are
// those of the STS AssumeRole API reference.
type Credentials struct {
	// SourceProfile is the profile of ~/.aws whose credentials make the call. Empty: the AWS SDK's default chain.
	SourceProfile string `yaml:"source_profile" is:"printable"`
	// IAMRole is the ARN of the role to assume. Empty, with no SourceProfile either: no instance profile.
	IAMRole string `yaml:"iam_role" is:"role" odd:"usual role"`
	// SessionName is the RoleSessionName. Empty: the instance id, as on EC2.
	SessionName string `yaml:"session_name" is:"session name"`
	// Duration is what STS is asked for, 15 minutes to 12 hours.
	Duration time.Duration `yaml:"duration"`
	// RefreshBefore is how long ahead of expiry credentials are refreshed.
	RefreshBefore     time.Duration     `yaml:"refresh_before"`
	ExternalID        Secret            `yaml:"external_id" is:"external id"`
	SourceIdentity    string            `yaml:"source_identity" is:"source identity"`
	SessionTags       map[string]string `yaml:"session_tags" key:"session tag key" is:"session tag value" most:"50 tags; STS takes at most"`
	TransitiveTagKeys []string          `yaml:"transitive_tag_keys" is:"session tag key"`
	// Policy is an inline session policy (JSON); PolicyARNs are managed ones.
	Policy     string   `yaml:"policy" is:"policy"`
	PolicyARNs []string `yaml:"policy_arns" is:"policy ARN" most:"10 ARNs; STS takes at most"`
	// Cache is where a role's credentials are kept: "disk" is for the next run too.
	Cache     string `yaml:"cache" oneof:"memory, disk"`
	MFASerial string `yaml:"mfa_serial" is:"MFA serial"`
	// Mock hands out invented credentials without any call.
	Mock bool `yaml:"mock"`
}

// AWS is the account and the location of the instance.
type AWS struct {
	AccountID          string `yaml:"account_id" is:"account" odd:"usual account"`
	Region             string `yaml:"region" is:"region"`
	AvailabilityZone   string `yaml:"availability_zone" is:"zone"`
	AvailabilityZoneID string `yaml:"availability_zone_id" is:"zone id"`
	Partition          string `yaml:"partition" is:"partition"`
	Domain             string `yaml:"domain" is:"host name"`
}

// EC2 is the instance. Package instance derives missing ids from InstanceID.
type EC2 struct {
	LocalIPv4    string `yaml:"local_ipv4" is:"IPv4" odd:"usual address"`
	InstanceID   string `yaml:"instance_id" is:"instance id" odd:"usual instance id"`
	ImageID      string `yaml:"image_id" is:"word" odd:"usual image id"`
	InstanceType string `yaml:"instance_type" is:"word" odd:"usual instance type"`
	Architecture string `yaml:"architecture" is:"word" odd:"usual architecture"`
	Hostname     string `yaml:"hostname" is:"word" odd:"host name"`
	// HostnameType is EC2's PrivateDnsNameOptions.HostnameType. Empty: ip-name, or resource-name without an IPv4 address.
	HostnameType string `yaml:"hostname_type" oneof:"ip-name, resource-name"`

	// LocalIPv4, PublicIPv4 and IPv6 are the first of their lists. LocalIPv4s is nil if only LocalIPv4 is set.
	LocalIPv4s           []string           `yaml:"local_ipv4s" is:"IPv4" odd:"usual address" most:"256 addresses; at most" empty:"none"`
	PublicIPv4           string             `yaml:"public_ipv4" is:"IPv4" odd:"public address"`
	PublicIPv4s          []string           `yaml:"public_ipv4s" is:"IPv4" odd:"public address" most:"256 addresses; at most"`
	PublicHostname       string             `yaml:"public_hostname" is:"host name"`
	IPv6                 string             `yaml:"ipv6" is:"IPv6"`
	IPv6s                []string           `yaml:"ipv6s" is:"IPv6" most:"256 addresses; at most"`
	IPv4Prefixes         []string           `yaml:"ipv4_prefixes" is:"IPv4 network" most:"256 networks; at most"`
	IPv6Prefixes         []string           `yaml:"ipv6_prefixes" is:"IPv6 network" most:"256 networks; at most"`
	MAC                  string             `yaml:"mac" is:"MAC"`
	InterfaceID          string             `yaml:"interface_id" is:"word"`
	VPCID                string             `yaml:"vpc_id" is:"word"`
	SubnetID             string             `yaml:"subnet_id" is:"word"`
	VPCIPv4CIDRBlocks    []string           `yaml:"vpc_ipv4_cidr_blocks" is:"IPv4 network" odd:"usual size" most:"256 networks; at most"`
	VPCIPv6CIDRBlocks    []string           `yaml:"vpc_ipv6_cidr_blocks" is:"IPv6 network" most:"256 networks; at most"`
	SubnetIPv4CIDRBlock  string             `yaml:"subnet_ipv4_cidr_block" is:"IPv4 network" odd:"usual size"`
	SubnetIPv6CIDRBlocks []string           `yaml:"subnet_ipv6_cidr_blocks" is:"IPv6 network" most:"256 networks; at most"`
	SecurityGroups       []string           `yaml:"security_groups" is:"printable"`
	SecurityGroupIDs     []string           `yaml:"security_group_ids" is:"word"`
	NetworkInterfaces    []NetworkInterface `yaml:"network_interfaces" most:"64 interfaces; at most"`

	ReservationID  string            `yaml:"reservation_id" is:"word"`
	AMILaunchIndex int               `yaml:"ami_launch_index" from:"0"`
	LifeCycle      string            `yaml:"life_cycle" oneof:"on-demand, spot, scheduled, capacity-block, interruptible-capacity-reservation"`
	Monitoring     string            `yaml:"monitoring" oneof:"disabled, enabled"`
	PendingTime    string            `yaml:"pending_time" is:"UTC time"`
	Placement      Placement         `yaml:"placement"`
	ProductCodes   []string          `yaml:"product_codes" is:"word"`
	KeyPairs       []KeyPair         `yaml:"key_pairs"`
	BlockDevices   map[string]string `yaml:"block_devices" key:"block device" is:"device"`
	Tags           map[string]string `yaml:"tags" is:"tag value" most:"10000 tags; at most"`

	// At most one of these three is set, to at most 16384 bytes.
	UserData       Secret `yaml:"user_data" is:"user data"`
	UserDataFile   string `yaml:"user_data_file" is:"printable"`
	UserDataBase64 Secret `yaml:"user_data_base64" is:"user data in base64"`

	MetadataOptions MetadataOptions `yaml:"metadata_options"`
}

// NetworkInterface is a network interface beside device 0, which EC2 describes.
type NetworkInterface struct {
	DeviceNumber int    `yaml:"device_number" from:"0 to 255"`
	NetworkCard  int    `yaml:"network_card" from:"0 to 255"`
	MAC          string `yaml:"mac" is:"MAC"`
	InterfaceID  string `yaml:"interface_id" is:"word"`
	// LocalIPv4s is nil for an address derived from device 0's, and empty for none.
	LocalIPv4s           []string `yaml:"local_ipv4s" is:"IPv4" odd:"usual address" most:"256 addresses; at most" empty:"none"`
	PublicIPv4s          []string `yaml:"public_ipv4s" is:"IPv4" odd:"public address" most:"256 addresses; at most"`
	PublicHostname       string   `yaml:"public_hostname" is:"host name"`
	IPv6s                []string `yaml:"ipv6s" is:"IPv6" most:"256 addresses; at most"`
	IPv4Prefixes         []string `yaml:"ipv4_prefixes" is:"IPv4 network" most:"256 networks; at most"`
	IPv6Prefixes         []string `yaml:"ipv6_prefixes" is:"IPv6 network" most:"256 networks; at most"`
	VPCID                string   `yaml:"vpc_id" is:"word"`
	SubnetID             string   `yaml:"subnet_id" is:"word"`
	VPCIPv4CIDRBlocks    []string `yaml:"vpc_ipv4_cidr_blocks" is:"IPv4 network" odd:"usual size" most:"256 networks; at most"`
	VPCIPv6CIDRBlocks    []string `yaml:"vpc_ipv6_cidr_blocks" is:"IPv6 network" most:"256 networks; at most"`
	SubnetIPv4CIDRBlock  string   `yaml:"subnet_ipv4_cidr_block" is:"IPv4 network" odd:"usual size"`
	SubnetIPv6CIDRBlocks []string `yaml:"subnet_ipv6_cidr_blocks" is:"IPv6 network" most:"256 networks; at most"`
	SecurityGroups       []string `yaml:"security_groups" is:"printable"`
	SecurityGroupIDs     []string `yaml:"security_group_ids" is:"word"`
}

// Placement is the location of the instance within its availability zone.
type Placement struct {
	GroupName       string `yaml:"group_name" is:"printable"`
	HostID          string `yaml:"host_id" is:"word"`
	PartitionNumber int    `yaml:"partition_number" from:"0"`
}

// KeyPair is a public key that the instance was launched with.
type KeyPair struct {
	Name      string `yaml:"name" is:"key pair name"`
	PublicKey string `yaml:"public_key" is:"public key"`
}

// MetadataOptions are EC2's instance metadata options, under EC2's names.
type MetadataOptions struct {
	HTTPTokens   string `yaml:"http_tokens" oneof:"optional, required"`
	HTTPEndpoint string `yaml:"http_endpoint" oneof:"enabled, disabled"`
	// HTTPPutResponseHopLimit is the IP TTL of the token response; 64 is no limit.
	HTTPPutResponseHopLimit int    `yaml:"http_put_response_hop_limit" from:"1 to 64"`
	InstanceMetadataTags    string `yaml:"instance_metadata_tags" oneof:"enabled, disabled"`
}

// Server is where the daemon listens and which requests it allows.
type Server struct {
	// Listen holds host:port addresses. Changing them takes a restart.
	Listen []string `yaml:"listen" is:"host and port"`
	// AllowClients is ["auto"] or a list of CIDR blocks.
	AllowClients []string `yaml:"allow_clients" is:"client" scalar:"true"`
	// AllowHosts are allowed Host names beside those that public DNS cannot hold.
	AllowHosts []string `yaml:"allow_hosts" is:"host name"`
	// AllowOrigins are the origins of allowed web pages, scheme://host[:port].
	AllowOrigins []string `yaml:"allow_origins" is:"origin"`
	// AllowProxies allows session tokens in requests with X-Forwarded-For.
	AllowProxies bool   `yaml:"allow_proxies"`
	Limits       Limits `yaml:"limits"`
	// User is the name or number of the user that a daemon started as root becomes after binding.
	User string `yaml:"user" is:"user"`
	// Control is "auto", "off" or the absolute path of the control socket. Changing it takes a restart.
	Control string `yaml:"control" is:"control socket"`
	// ControlListen is a loopback address with a port, at which the control API is too. Empty: none. Changing it takes a restart.
	ControlListen string `yaml:"control_listen" is:"control address"`
	// Console is "auto", "off" or the address with a port at which the console listens when it is asked for. Changing it takes a restart.
	Console string `yaml:"console" is:"console address"`
}

// Limits bound what clients can make the daemon hold at one time.
type Limits struct {
	// Connections bounds those of all clients together, ConnectionsPerClient those of each. This machine's are not counted.
	Connections          int `yaml:"connections" from:"1 to 100000"`
	ConnectionsPerClient int `yaml:"connections_per_client" from:"1 to 100000"`
	// URLBytes, HeaderBytes and BodyBytes bound one request.
	URLBytes    int `yaml:"url_bytes" from:"256 to 16384"`
	HeaderBytes int `yaml:"header_bytes" from:"1024 to 32768"`
	BodyBytes   int `yaml:"body_bytes" from:"0 to 1048576"`
}

// Identity is the key pair that signs the instance identity document.
type Identity struct {
	KeyFile  string `yaml:"key_file" is:"printable"`
	CertFile string `yaml:"cert_file" is:"printable"`
	StateDir string `yaml:"state_dir" is:"printable"`
}

// Log is what the daemon logs and in which format.
type Log struct {
	Level  string `yaml:"level" oneof:"debug, info, warn, error"`
	Format string `yaml:"format" oneof:"text, json"`
	// Access enables the access log, one line per request.
	Access bool `yaml:"access"`
}
