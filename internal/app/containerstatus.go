package app

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/ecs"
)

// selfName is the name of this machine itself as a container of task metadata.
const selfName = "self"

// ecsStatus says how processes become containers of ECS.
func (a *App) ecsStatus(s *State) *api.ECS {
	c, secret := &s.Config.Config.ECS, s.Secret.Key()
	status := &api.ECS{
		Listen: a.openFor(ecsOnly, c.Listen), LaunchType: c.Task.LaunchType, Region: s.Instance.Region,
		Authorization: s.ecs.authorization != nil,
	}
	entry := func(name, container, endpoint, role string) api.ECSContainer {
		e := api.ECSContainer{Name: name, EndpointID: endpoint}
		if s.hasRole(role) {
			e.Role, e.CredentialsID = cmp.Or(role, s.role), ecs.ID(secret, role, container)
		}
		return e
	}
	status.Containers = append(status.Containers, entry(selfName, s.Instance.ID, ecs.EndpointID(secret, s.Instance.ID), ""))
	for _, id := range slices.Sorted(maps.Keys(c.Containers)) {
		status.Containers = append(status.Containers, entry(c.Containers[id].Name, id, id, c.Containers[id].Role))
	}
	if s.Locator == nil {
		return status
	}
	running := slices.SortedFunc(slices.Values(s.Locator.Running()), func(a, b caller.Running) int {
		return cmp.Or(strings.Compare(a.Workload.Name, b.Workload.Name), strings.Compare(a.ID, b.ID))
	})
	for _, r := range running {
		e := api.ECSContainer{
			Name: strings.TrimPrefix(r.Workload.Name, "container "), ContainerID: r.ID, EndpointID: cmp.Or(r.Endpoint, ecs.EndpointID(secret, r.ID)),
		}
		if role := r.Workload.Role; role != "" && role != config.NoRole && s.Config.Config.Containers.AllowsRole(role) {
			e.Role, e.CredentialsID = role, ecs.ID(secret, role, r.ID)
		}
		status.Containers = append(status.Containers, e)
	}
	return status
}

// podStatus describes EKS Pod Identity; nil if it is disabled.
func (a *App) podStatus(s *State) *api.PodIdentity {
	if s.pods == nil {
		return nil
	}
	c := &s.Config.Config.PodIdentity
	return &api.PodIdentity{
		Listen: a.openFor(podIdentityOnly, c.Listen), Cluster: c.ClusterName, Verify: c.Verify, Associations: len(c.Associations),
	}
}

// openFor returns the open addresses of a service: those that serve it alone, and of addresses those that a listener of all interfaces
// covers.
func (a *App) openFor(serves surface, addresses []string) []string {
	var open []string
	for _, name := range a.server.Names() {
		if a.surfaces[name] == serves {
			open = append(open, name)
		}
	}
	for _, address := range addresses {
		covered := slices.ContainsFunc(a.server.Names(), func(name string) bool { return a.surfaces[name] == everything && Covers(name, address) })
		if covered && isContainerListener(address) {
			open = append(open, address)
		}
	}
	return open
}
