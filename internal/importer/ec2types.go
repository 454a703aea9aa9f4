package importer

// The types have what an import uses of the answers of EC2 and IAM (EC2 API reference, "Instance", "Subnet", "Vpc", "KeyPairInfo";
// IAM API reference, "InstanceProfile"), as the AWS CLI writes them.

type ec2Reservation struct {
	OwnerID       string        `json:"OwnerId"`
	ReservationID string        `json:"ReservationId"`
	Instances     []ec2Instance `json:"Instances"`
}

type ec2Instance struct {
	InstanceID        string `json:"InstanceId"`
	ImageID           string `json:"ImageId"`
	InstanceType      string `json:"InstanceType"`
	Architecture      string `json:"Architecture"`
	AMILaunchIndex    int    `json:"AmiLaunchIndex"`
	InstanceLifecycle string `json:"InstanceLifecycle"`
	KernelID          string `json:"KernelId"`
	RamdiskID         string `json:"RamdiskId"`
	KeyName           string `json:"KeyName"`
	LaunchTime        string `json:"LaunchTime"`
	OutpostARN        string `json:"OutpostArn"`
	PrivateDNSName    string `json:"PrivateDnsName"`
	PrivateIPAddress  string `json:"PrivateIpAddress"`
	PublicDNSName     string `json:"PublicDnsName"`
	PublicIPAddress   string `json:"PublicIpAddress"`
	IPv6Address       string `json:"Ipv6Address"`
	RootDeviceName    string `json:"RootDeviceName"`
	SubnetID          string `json:"SubnetId"`
	VPCID             string `json:"VpcId"`

	BlockDeviceMappings   []ec2BlockDevice  `json:"BlockDeviceMappings"`
	IAMInstanceProfile    *ec2ProfileRef    `json:"IamInstanceProfile"`
	MetadataOptions       ec2Options        `json:"MetadataOptions"`
	Monitoring            ec2State          `json:"Monitoring"`
	NetworkInterfaces     []ec2Interface    `json:"NetworkInterfaces"`
	Placement             ec2Placement      `json:"Placement"`
	PrivateDNSNameOptions ec2NameOptions    `json:"PrivateDnsNameOptions"`
	ProductCodes          []ec2ProductCode  `json:"ProductCodes"`
	SecurityGroups        []ec2Group        `json:"SecurityGroups"`
	State                 ec2NamedState     `json:"State"`
	Tags                  []ec2Tag          `json:"Tags"`
	reservation           ec2ReservationRef // where it was found
}

// ec2ReservationRef is what a reservation says of its instances.
type ec2ReservationRef struct{ owner, id string }

type ec2Placement struct {
	AvailabilityZone   string `json:"AvailabilityZone"`
	AvailabilityZoneID string `json:"AvailabilityZoneId"`
	GroupName          string `json:"GroupName"`
	HostID             string `json:"HostId"`
	PartitionNumber    int    `json:"PartitionNumber"`
}

type (
	ec2State struct {
		State string `json:"State"`
	}
	ec2NamedState struct {
		Name string `json:"Name"`
	}
	ec2NameOptions struct {
		HostnameType string `json:"HostnameType"`
	}
	ec2ProductCode struct {
		ProductCodeID string `json:"ProductCodeId"`
	}
	ec2Group struct {
		GroupID   string `json:"GroupId"`
		GroupName string `json:"GroupName"`
	}
	ec2Tag struct {
		Key   string `json:"Key"`
		Value string `json:"Value"`
	}
	ec2BlockDevice struct {
		DeviceName string `json:"DeviceName"`
	}
	ec2ProfileRef struct {
		ARN string `json:"Arn"`
		ID  string `json:"Id"`
	}
)

type ec2Options struct {
	HTTPTokens              string `json:"HttpTokens"`
	HTTPEndpoint            string `json:"HttpEndpoint"`
	HTTPPutResponseHopLimit int    `json:"HttpPutResponseHopLimit"`
	InstanceMetadataTags    string `json:"InstanceMetadataTags"`
}

type ec2Interface struct {
	NetworkInterfaceID string          `json:"NetworkInterfaceId"`
	MACAddress         string          `json:"MacAddress"`
	OwnerID            string          `json:"OwnerId"`
	Status             string          `json:"Status"`
	SubnetID           string          `json:"SubnetId"`
	VPCID              string          `json:"VpcId"`
	PrivateDNSName     string          `json:"PrivateDnsName"`
	PrivateIPAddress   string          `json:"PrivateIpAddress"`
	Association        *ec2Association `json:"Association"`
	Groups             []ec2Group      `json:"Groups"`
	Attachment         *ec2Attachment  `json:"Attachment"`
	PrivateIPAddresses []ec2Private    `json:"PrivateIpAddresses"`
	IPv6Addresses      []ec2IPv6       `json:"Ipv6Addresses"`
	IPv4Prefixes       []ec2Prefix     `json:"Ipv4Prefixes"`
	IPv6Prefixes       []ec2Prefix     `json:"Ipv6Prefixes"`
}

type (
	ec2Attachment struct {
		DeviceIndex      int    `json:"DeviceIndex"`
		NetworkCardIndex int    `json:"NetworkCardIndex"`
		Status           string `json:"Status"`
	}
	ec2Association struct {
		PublicIP        string `json:"PublicIp"`
		PublicDNSName   string `json:"PublicDnsName"`
		CarrierIP       string `json:"CarrierIp"`
		CustomerOwnedIP string `json:"CustomerOwnedIp"`
	}
	ec2Private struct {
		Primary          bool            `json:"Primary"`
		PrivateIPAddress string          `json:"PrivateIpAddress"`
		Association      *ec2Association `json:"Association"`
	}
	ec2IPv6 struct {
		IPv6Address   string `json:"Ipv6Address"`
		IsPrimaryIPv6 bool   `json:"IsPrimaryIpv6"`
	}
	ec2Prefix struct {
		IPv4Prefix string `json:"Ipv4Prefix"`
		IPv6Prefix string `json:"Ipv6Prefix"`
	}
)

type (
	ec2Subnet struct {
		SubnetID         string         `json:"SubnetId"`
		CIDRBlock        string         `json:"CidrBlock"`
		AvailabilityZone string         `json:"AvailabilityZone"`
		IPv6             []ec2BlockIPv6 `json:"Ipv6CidrBlockAssociationSet"`
	}
	ec2VPC struct {
		VPCID     string         `json:"VpcId"`
		CIDRBlock string         `json:"CidrBlock"`
		IPv4      []ec2BlockIPv4 `json:"CidrBlockAssociationSet"`
		IPv6      []ec2BlockIPv6 `json:"Ipv6CidrBlockAssociationSet"`
	}
	ec2BlockIPv4 struct {
		CIDRBlock string   `json:"CidrBlock"`
		State     ec2State `json:"CidrBlockState"`
	}
	ec2BlockIPv6 struct {
		CIDRBlock string   `json:"Ipv6CidrBlock"`
		State     ec2State `json:"Ipv6CidrBlockState"`
	}
)

type ec2KeyPair struct {
	KeyName   string `json:"KeyName"`
	PublicKey string `json:"PublicKey"`
}

type ec2Type struct {
	InstanceType  string `json:"InstanceType"`
	ProcessorInfo struct {
		SupportedArchitectures []string `json:"SupportedArchitectures"`
	} `json:"ProcessorInfo"`
}

type iamProfile struct {
	Name  string `json:"InstanceProfileName"`
	ID    string `json:"InstanceProfileId"`
	ARN   string `json:"Arn"`
	Roles []struct {
		Name string `json:"RoleName"`
		ARN  string `json:"Arn"`
	} `json:"Roles"`
}

// ec2Attribute is an answer of describe-instance-attribute.
type ec2Attribute struct {
	InstanceID string `json:"InstanceId"`
	UserData   struct {
		Value string `json:"Value"`
	} `json:"UserData"`
}
