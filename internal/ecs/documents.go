package ecs

import (
	"time"

	"mock-ec2-metadata/internal/caller"
)

// The structs of this file are documents of task metadata in wire order (container-credentials-reference sections 4.2 and 4.3).
// Versions 2 and 3 share one form. In version 4 some keys stand elsewhere, and others are new.

// containerHead is what the documents of a container begin with.
type containerHead struct {
	DockerID      string `json:"DockerId"`
	Name          string
	DockerName    string
	Image         string
	ImageID       string
	Ports         []portDocument    `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
	DesiredStatus string
	KnownStatus   string
	ExitCode      *int `json:",omitempty"`
	Limits        limits
	CreatedAt     time.Time `json:",omitzero"`
	StartedAt     time.Time `json:",omitzero"`
	FinishedAt    time.Time `json:",omitzero"`
	Type          string
}

// containerTail is what both forms have in the same order.
type containerTail struct {
	Health  *healthDocument  `json:",omitempty"`
	Volumes []volumeDocument `json:",omitempty"`
}

// containerV4 is a container in version 4.
type containerV4 struct {
	containerHead
	containerTail
	LogDriver    string            `json:",omitempty"`
	LogOptions   map[string]string `json:",omitempty"`
	ContainerARN string            `json:",omitempty"`
	Networks     []networkV4       `json:",omitempty"`
	RestartCount *int              `json:",omitempty"`
}

// containerV3 is a container in versions 2 and 3.
type containerV3 struct {
	containerHead
	Networks []networkV3 `json:",omitempty"`
	containerTail
}

// limits are CPU units and MiB, both always there.
type limits struct {
	CPU    float64
	Memory int64
}

type portDocument struct {
	ContainerPort uint16 `json:",omitempty"`
	Protocol      string `json:",omitempty"`
	HostPort      uint16 `json:",omitempty"`
	HostIP        string `json:"HostIp,omitempty"` // version 4 only
}

type healthDocument struct {
	Status   string    `json:"status,omitempty"`
	Since    time.Time `json:"statusSince,omitzero"`
	ExitCode int       `json:"exitCode,omitempty"`
	Output   string    `json:"output,omitempty"`
}

type volumeDocument struct {
	DockerName  string `json:",omitempty"`
	Source      string `json:",omitempty"`
	Destination string `json:",omitempty"`
}

type networkV3 struct {
	NetworkMode   string   `json:",omitempty"`
	IPv4Addresses []string `json:",omitempty"`
	IPv6Addresses []string `json:",omitempty"`
}

// networkV4 has more than networkV3 only if the mode is awsvpc.
type networkV4 struct {
	networkV3
	AttachmentIndex     *int   `json:",omitempty"`
	MACAddress          string `json:",omitempty"`
	IPv4SubnetCIDRBlock string `json:",omitempty"`
	IPv6SubnetCIDRBlock string `json:",omitempty"`
	Gateway4            string `json:"SubnetGatewayIpv4Address,omitempty"`
	Gateway6            string `json:"SubnetGatewayIpv6Address,omitempty"`
}

// taskHead is what the documents of a task begin with.
type taskHead struct {
	Cluster       string
	TaskARN       string
	Family        string
	Revision      string
	DesiredStatus string `json:",omitempty"`
	KnownStatus   string
}

// taskMiddle is what both forms have in the same order.
type taskMiddle struct {
	ExecutionStoppedAt    time.Time         `json:",omitzero"`
	AvailabilityZone      string            `json:",omitempty"`
	TaskTags              map[string]string `json:",omitempty"`
	ContainerInstanceTags map[string]string `json:",omitempty"`
}

// taskV4 is a task in version 4.
type taskV4 struct {
	taskHead
	taskMiddle
	LaunchType            string        `json:",omitempty"`
	Containers            []containerV4 `json:",omitempty"`
	VPCID                 string        `json:",omitempty"`
	ServiceName           string        `json:",omitempty"`
	FaultInjectionEnabled bool
	AvailabilityZoneID    string `json:",omitempty"`
}

// taskV3 is a task in versions 2 and 3.
type taskV3 struct {
	taskHead
	Containers []containerV3 `json:",omitempty"`
	taskMiddle
}

// form returns the document in the form of a version.
func (c *containerV4) form(version int) any {
	if version == 4 {
		return c
	}
	return c.old()
}

func (c *containerV4) old() containerV3 {
	old := containerV3{containerHead: c.containerHead, containerTail: c.containerTail}
	old.Ports = nil
	for _, p := range c.Ports {
		p.HostIP = ""
		old.Ports = append(old.Ports, p)
	}
	for _, n := range c.Networks {
		old.Networks = append(old.Networks, n.networkV3)
	}
	return old
}

// form returns the document in the form of a version.
func (t *taskV4) form(version int) any {
	if version == 4 {
		return t
	}
	old := taskV3{taskHead: t.taskHead, taskMiddle: t.taskMiddle}
	for i := range t.Containers {
		old.Containers = append(old.Containers, t.Containers[i].old())
	}
	return old
}

// networkDocument describes a network. With awsvpc, index counts the networks of the container.
func networkDocument(n *caller.Network, awsvpc bool, index int) networkV4 {
	d := networkV4{networkV3: networkV3{n.Mode, n.IPv4, n.IPv6}}
	if awsvpc {
		d.NetworkMode = "awsvpc"
		d.AttachmentIndex = &index
		d.MACAddress = n.MAC
		d.IPv4SubnetCIDRBlock, d.IPv6SubnetCIDRBlock = n.Subnet4, n.Subnet6
		d.Gateway4, d.Gateway6 = n.Gateway4, n.Gateway6
	}
	return d
}
