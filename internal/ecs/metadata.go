package ecs

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"mock-ec2-metadata/internal/caller"
)

// MetadataOptions are what Metadata is made of.
type MetadataOptions struct {
	Task  Task
	Fixed []Fixed // ecs.containers of the configuration; they are one task
	// Self is the entry of this machine itself, for processes that run in no container. It is a task of its own.
	Self Fixed
	// Secret is that of ID.
	Secret  []byte
	Engine  caller.Engine // nil without
	Limiter *Limiter      // nil: no limit
}

// Format redacts under every verb, because of Secret.
func (MetadataOptions) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "options of task metadata [redacted]")
}

// Metadata answers requests of task metadata. It is made once per state, and never changes.
type Metadata struct {
	task    Task
	fixed   []fixedEntry // Self last
	secret  []byte
	engine  caller.Engine
	limiter *Limiter
}

// Format redacts under every verb, because of the secret.
func (Metadata) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "task metadata [redacted]")
}

// Asker is who asks for task metadata.
type Asker struct {
	Container string // the container's full id; "" for a client in none
	Local     bool   // this machine itself
}

// NewMetadata makes Metadata. It derives what entries leave out: the endpoint id of Self is EndpointID of the instance id.
func NewMetadata(o MetadataOptions) *Metadata {
	m := &Metadata{task: o.Task, secret: o.Secret, engine: o.Engine, limiter: o.Limiter}
	arn, own := m.task.arn("fixed", ""), m.task.arn("self", "")
	self := o.Self
	self.Name = cmp.Or(self.Name, "self")
	self.ID = cmp.Or(self.ID, EndpointID(o.Secret, o.Task.InstanceID))
	for _, f := range append(slices.Clone(o.Fixed), self) {
		f.ID = cmp.Or(f.ID, EndpointID(o.Secret, o.Task.InstanceID+" "+f.Name))
		f.DockerID = cmp.Or(f.DockerID, hex.EncodeToString(m.task.derive("docker id", f.ID)))
		m.fixed = append(m.fixed, fixedEntry{f, arn})
	}
	m.fixed[len(m.fixed)-1].arn = own
	return m
}

// fixedEntry is a Fixed, complete, with the ARN of its task.
type fixedEntry struct {
	Fixed
	arn string
}

// siblings returns the entries of the task of one.
func (m *Metadata) siblings(of *fixedEntry) []fixedEntry {
	if last := len(m.fixed) - 1; of == &m.fixed[last] { // Self
		return m.fixed[last:]
	}
	return m.fixed[:len(m.fixed)-1]
}

// subject is what an endpoint id stands for: a fixed entry or a container, or neither.
type subject struct {
	fixed     *fixedEntry
	container *caller.Running
}

// running returns the containers that run now.
func (m *Metadata) running() []caller.Running {
	if m.engine == nil {
		return nil
	}
	return m.engine.Running()
}

// askerOf returns the container that asks, nil if none does.
func askerOf(all []caller.Running, by Asker) *caller.Running {
	i := slices.IndexFunc(all, func(c caller.Running) bool { return c.ID == by.Container })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// byEndpoint finds what has an endpoint id. An id that is derived cannot be guessed, and answers any client that sends it, as the agent
// does. One that a container chose can be guessed: it answers containers of the same task and this machine only, and only if one
// container has it.
func (m *Metadata) byEndpoint(id string, by Asker) (s subject, ok bool) {
	if id == "" {
		return subject{}, false
	}
	all := m.running()
	asker := askerOf(all, by)
	if asker != nil && asker.Endpoint == id {
		return subject{container: asker}, true
	}
	for i := range m.fixed {
		if m.fixed[i].ID == id {
			return subject{fixed: &m.fixed[i]}, true
		}
	}
	if isID(id) {
		for i := range all {
			if subtle.ConstantTimeCompare([]byte(EndpointID(m.secret, all[i].ID)), []byte(id)) == 1 {
				return subject{container: &all[i]}, true
			}
		}
	}
	for i := range all {
		c := &all[i]
		if c.Endpoint != id || !by.Local && !sameTask(asker, c) {
			continue
		}
		if s.container != nil {
			return subject{}, false
		}
		s.container = c
	}
	return s, s.container != nil
}

// sameTask reports whether two containers belong to one task. a may be nil.
func sameTask(a, b *caller.Running) bool {
	return a != nil && (a.ID == b.ID || a.Project != "" && a.Project == b.Project)
}

// group returns the containers of the task of a container, those that have ended too, and the task's ARN. There are none if they
// have just been removed.
func (m *Metadata) group(ctx context.Context, c *caller.Running) (arn string, all []*caller.Container, err error) {
	if c.Project != "" {
		all, err = m.engine.Group(ctx, c.Project)
		return m.task.arn("project", c.Project), all, err
	}
	one, err := m.engine.Container(ctx, c.ID)
	if one != nil {
		all = []*caller.Container{one}
	}
	return m.task.arn("container", c.ID), all, err
}

// arnOf returns the ARN of a container's task.
func (m *Metadata) arnOf(c *caller.Container) string {
	if c.Project != "" {
		return m.task.arn("project", c.Project)
	}
	return m.task.arn("container", c.ID)
}

// containerOf returns the document of a subject; nil if its container has just been removed.
func (m *Metadata) containerOf(ctx context.Context, s subject) (*containerV4, error) {
	if s.fixed != nil {
		d := m.task.fixed(s.fixed.arn, s.fixed.Fixed)
		return &d, nil
	}
	c, err := m.engine.Container(ctx, s.container.ID)
	if c == nil || err != nil {
		return nil, err
	}
	d := m.task.container(m.arnOf(c), c)
	return &d, nil
}

// taskOf returns the document of a subject's task; nil if its containers have just been removed.
func (m *Metadata) taskOf(ctx context.Context, s subject, tags bool) (*taskV4, error) {
	var containers []containerV4
	if s.fixed != nil {
		for _, f := range m.siblings(s.fixed) {
			containers = append(containers, m.task.fixed(f.arn, f.Fixed))
		}
		return m.task.document(s.fixed.arn, containers, tags), nil
	}
	arn, all, err := m.group(ctx, s.container)
	if len(all) == 0 || err != nil {
		return nil, err
	}
	for _, c := range all {
		containers = append(containers, m.task.container(arn, c))
	}
	return m.task.document(arn, containers, tags), nil
}
