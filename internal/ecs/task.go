package ecs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// Task is what the documents of all tasks have in common, from the configuration. Empty values are left out where the agent leaves
// them out.
type Task struct {
	Cluster, Family, Revision string
	LaunchType                string // EC2 or FARGATE
	// ARN is that of all tasks. "": each task has its own, which is derived and stays the same.
	ARN         string
	ServiceName string
	// Tags and InstanceTags are shown only to clients that ask for tags.
	Tags, InstanceTags map[string]string
	// InstanceID is the file's own; others are derived from it.
	InstanceID                           string
	Partition, Region, AccountID         string
	AvailabilityZone, AvailabilityZoneID string
	VPCID                                string
	// Network is that of Fixed entries: addresses of the instance.
	Network caller.Network
}

// Fixed is an entry of task metadata that is no container of an engine. All but Name is derived if it is "".
type Fixed struct {
	ID       string // endpoint id
	Name     string
	Image    string
	DockerID string
	Labels   map[string]string
}

// States of containers and tasks that this package shows.
const (
	created, running, stopped = "CREATED", "RUNNING", "STOPPED"
)

// statusOf returns the status of ECS for an engine's word.
func statusOf(word string) string {
	switch word {
	case "created":
		return created
	case "running", "paused", "restarting":
		return running
	default:
		return stopped
	}
}

// desired is what ECS wants of what has a status: nothing is stopped before its time.
func desired(known string) string {
	if known == stopped {
		return stopped
	}
	return running
}

// fargate says whether tasks look like those of Fargate: they have networks of awsvpc.
func (t *Task) fargate() bool { return t.LaunchType == "FARGATE" }

// arn returns the ARN of a task that consists of a container, a Compose project or the fixed entries, as kind says.
func (t *Task) arn(kind, name string) string {
	if t.ARN != "" {
		return t.ARN
	}
	return "arn:" + t.Partition + ":ecs:" + t.Region + ":" + t.AccountID + ":task/" + t.Cluster + "/" +
		hex.EncodeToString(t.derive("task", kind, name)[:16])
}

// derive returns a hash of the instance and of parts, the first of which says what for.
func (t *Task) derive(parts ...string) []byte {
	h := sha256.New()
	for _, part := range append(parts, t.InstanceID) {
		h.Write(prefixed(part))
	}
	return h.Sum(nil)
}

// document makes the document of a task. Its containers are those of container.
func (t *Task) document(arn string, containers []containerV4, tags bool) *taskV4 {
	d := &taskV4{
		taskHead:           taskHead{Cluster: t.Cluster, TaskARN: arn, Family: t.Family, Revision: t.Revision, KnownStatus: stopped},
		taskMiddle:         taskMiddle{AvailabilityZone: t.AvailabilityZone},
		LaunchType:         t.LaunchType,
		Containers:         containers,
		ServiceName:        t.ServiceName,
		AvailabilityZoneID: t.AvailabilityZoneID,
	}
	if !t.fargate() {
		d.VPCID = t.VPCID
	}
	if tags {
		d.TaskTags, d.ContainerInstanceTags = t.Tags, t.InstanceTags
	}
	var ended time.Time
	for i := range containers {
		c := &containers[i]
		if c.KnownStatus == running || c.KnownStatus == created && d.KnownStatus == stopped {
			d.KnownStatus = c.KnownStatus
		}
		if c.FinishedAt.After(ended) {
			ended = c.FinishedAt
		}
	}
	if d.KnownStatus == stopped {
		d.ExecutionStoppedAt = ended
	}
	d.DesiredStatus = desired(d.KnownStatus)
	return d
}

// container makes the document of an engine's container.
func (t *Task) container(arn string, c *caller.Container) containerV4 {
	known := statusOf(c.Status)
	d := containerV4{
		containerHead: containerHead{
			DockerID: c.ID, Name: cmp.Or(c.Service, c.Name), DockerName: c.Name, Image: c.Image, ImageID: c.ImageID,
			DesiredStatus: desired(known), KnownStatus: known,
			Limits:    limits{CPU: float64(max(cmp.Or(c.CPUShares, int64(c.CPUs*1024)), 2)), Memory: c.Memory >> 20},
			CreatedAt: c.Created.UTC(), StartedAt: c.Started.UTC(), FinishedAt: c.Finished.UTC(), Type: "NORMAL",
		},
		LogDriver: c.LogDriver, LogOptions: c.LogOptions, RestartCount: c.RestartCount,
	}
	if known == stopped {
		d.ExitCode = c.ExitCode
	}
	for _, p := range c.Ports {
		host := p.HostPort
		if t.fargate() {
			host = p.ContainerPort
		}
		d.Ports = append(d.Ports, portDocument{p.ContainerPort, p.Protocol, host, p.HostIP})
	}
	if h := c.Health; h != nil {
		status := strings.ToUpper(h.Status)
		if status != "HEALTHY" && status != "UNHEALTHY" {
			status = "" // as the agent, while it is not known
		}
		d.Health = &healthDocument{status, h.Since.UTC(), h.ExitCode, h.Output}
	}
	for _, v := range c.Volumes {
		d.Volumes = append(d.Volumes, volumeDocument{v.Name, v.Source, v.Destination})
	}
	for i := range c.Networks {
		d.Networks = append(d.Networks, networkDocument(&c.Networks[i], t.fargate(), i))
	}
	t.complete(&d, arn, c.Labels)
	return d
}

// fixed makes the document of an entry that is no container.
func (t *Task) fixed(arn string, f Fixed) containerV4 {
	image := cmp.Or(f.Image, f.Name+":latest")
	d := containerV4{containerHead: containerHead{
		DockerID:   f.DockerID,
		Name:       f.Name,
		DockerName: "ecs-" + t.Family + "-" + t.Revision + "-" + f.Name + "-" + hex.EncodeToString(t.derive("name", f.Name)[:8]),
		Image:      image, ImageID: "sha256:" + hex.EncodeToString(t.derive("image", image)),
		DesiredStatus: running, KnownStatus: running, Limits: limits{CPU: 2}, Type: "NORMAL",
	}}
	network := t.Network
	network.Mode = cmp.Or(network.Mode, "bridge")
	d.Networks = []networkV4{networkDocument(&network, t.fargate(), 0)}
	t.complete(&d, arn, f.Labels)
	return d
}

// complete adds the container's ARN, and ECS' own labels to those of the container.
func (t *Task) complete(d *containerV4, arn string, labels map[string]string) {
	d.ContainerARN = strings.Replace(arn, ":task/", ":container/", 1) + "/" + uuid(t.derive("container", d.DockerID))
	d.Labels = maps.Clone(labels)
	if d.Labels == nil {
		d.Labels = map[string]string{}
	}
	const prefix = "com.amazonaws.ecs."
	d.Labels[prefix+"cluster"] = t.Cluster
	d.Labels[prefix+"container-name"] = d.Name
	d.Labels[prefix+"task-arn"] = arn
	d.Labels[prefix+"task-definition-family"] = t.Family
	d.Labels[prefix+"task-definition-version"] = t.Revision
}
