package docker

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// maxOutput is how much of a health check's output is kept, in bytes.
const maxOutput = 1 << 10

// wireDetails is the document of wireInspect, as far as it is used to tell about a container.
type wireDetails struct {
	ID           string `json:"Id"`
	Name, Image  string // Image is the id
	Created      string
	RestartCount int
	State        struct {
		Status                      string
		Running, Paused, Restarting bool
		ExitCode                    int
		StartedAt, FinishedAt       string
		Health                      *wireHealth
	}
	Config struct {
		Image        string // the name
		Labels       map[string]string
		Env          []string // has secrets: only the endpoint is kept
		ExposedPorts map[string]struct{}
	}
	HostConfig struct {
		NetworkMode         string
		CPUShares, NanoCPUs int64
		CPUQuota, CPUPeriod int64 // microseconds
		Memory              int64
		LogConfig           struct {
			Type   string
			Config map[string]string
		}
		RestartPolicy struct{ Name string }
	}
	Mounts          []struct{ Type, Name, Source, Destination string }
	NetworkSettings struct {
		wireAddresses
		Ports    map[string][]struct{ HostIP, HostPort string }
		Networks map[string]*wireAddresses
	}
}

type wireHealth struct {
	Status string
	Log    []struct { // the last five checks, the newest last
		Start    string
		ExitCode int
		Output   string
	}
}

// container is what the document tells.
func (d *wireDetails) container() *caller.Container {
	c := &caller.Container{
		ID: d.ID, Name: strings.TrimPrefix(d.Name, "/"), Image: d.Config.Image, ImageID: d.Image,
		Labels:   d.Config.Labels,
		Project:  chooseName(d.Config.Labels, projectLabels),
		Service:  chooseName(d.Config.Labels, serviceLabels),
		Endpoint: chooseEndpoint(d.Config.Env),
		Status:   d.State.Status, Created: parseTime(d.Created), Started: parseTime(d.State.StartedAt),
		CPUShares: d.HostConfig.CPUShares, CPUs: d.cpus(), Memory: max(d.HostConfig.Memory, 0),
		Ports: d.ports(), Networks: d.networks(),
		LogDriver: d.HostConfig.LogConfig.Type, LogOptions: withoutSecrets(d.HostConfig.LogConfig.Config),
	}
	s := d.State
	// An engine keeps the end of the run before, while the container runs again.
	if finished := parseTime(s.FinishedAt); !finished.IsZero() && !s.Running && !s.Paused && !s.Restarting {
		c.Finished, c.ExitCode = finished, new(s.ExitCode)
	}
	if s.Health != nil {
		c.Health = s.Health.health(c.Started)
	}
	if policy := d.HostConfig.RestartPolicy.Name; policy != "" && policy != "no" {
		c.RestartCount = new(d.RestartCount)
	}
	for _, m := range d.Mounts {
		switch m.Type {
		case "volume":
			c.Volumes = append(c.Volumes, caller.Volume{Name: m.Name, Source: m.Source, Destination: m.Destination})
		case "bind":
			c.Volumes = append(c.Volumes, caller.Volume{Source: m.Source, Destination: m.Destination})
		}
	}
	slices.SortFunc(c.Volumes, func(a, b caller.Volume) int { return cmp.Compare(a.Destination, b.Destination) }) // Docker's order varies
	return c
}

// cpus is the limit in processors. Docker tells it in one of two ways, Podman in both.
func (d *wireDetails) cpus() float64 {
	h := d.HostConfig
	switch {
	case h.NanoCPUs > 0:
		return float64(h.NanoCPUs) / 1e9
	case h.CPUQuota > 0 && h.CPUPeriod >= 0:
		return float64(h.CPUQuota) / float64(cmp.Or(h.CPUPeriod, 100_000)) // the kernel's default
	}
	return 0
}

// ports are those published, each binding, and those exposed only, by number.
func (d *wireDetails) ports() []caller.Port {
	var all []caller.Port
	add := func(name, hostIP, hostPort string) {
		number, protocol, _ := strings.Cut(name, "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return
		}
		host, _ := strconv.ParseUint(hostPort, 10, 16) // "" until the container runs
		all = append(all, caller.Port{
			ContainerPort: uint16(n), HostPort: uint16(host), Protocol: cmp.Or(protocol, "tcp"), HostIP: hostIP,
		})
	}
	for name, bindings := range d.NetworkSettings.Ports {
		for _, b := range bindings {
			add(name, b.HostIP, b.HostPort)
		}
		if len(bindings) == 0 {
			add(name, "", "")
		}
	}
	for name := range d.Config.ExposedPorts {
		if _, told := d.NetworkSettings.Ports[name]; !told {
			add(name, "", "")
		}
	}
	slices.SortStableFunc(all, func(a, b caller.Port) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.Protocol, b.Protocol))
	})
	return all
}

// health returns nil for a container without checks: Docker says "none" then, Podman "".
func (h *wireHealth) health(started time.Time) *caller.Health {
	if h.Status != "starting" && h.Status != "healthy" && h.Status != "unhealthy" {
		return nil
	}
	now := &caller.Health{Status: h.Status}
	if last := len(h.Log) - 1; last >= 0 {
		now.ExitCode, now.Output = h.Log[last].ExitCode, bounded(h.Log[last].Output)
	}
	if h.Status == "starting" {
		now.Since = started
		return now
	}
	// The status began with the first check of the latest run of such results, or earlier: engines keep five checks.
	for _, check := range slices.Backward(h.Log) {
		switch same := (check.ExitCode == 0) == (h.Status == "healthy"); {
		case same:
			now.Since = parseTime(check.Start)
		case !now.Since.IsZero():
			return now
		}
	}
	return now
}

// bounded cuts a text of a container after maxOutput bytes.
func bounded(s string) string {
	if len(s) > maxOutput {
		s = strings.ToValidUTF8(s[:maxOutput], "")
	}
	return strings.Clone(s)
}

// parseTime returns the zero time for what is none, such as Docker's year 1.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}

// networks are sorted by name.
func (d *wireDetails) networks() []caller.Network {
	mode, _, _ := strings.Cut(d.HostConfig.NetworkMode, ":") // such as container:ID
	s := &d.NetworkSettings
	if len(s.Networks) == 0 {
		switch {
		case mode == "host" || mode == "none":
			return []caller.Network{{Name: mode, Mode: mode}} // Podman shows none
		case s.IPAddress != "" || s.GlobalIPv6Address != "": // early Podman
			return []caller.Network{s.network(mode, mode)}
		}
		return nil
	}
	var all []caller.Network
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if w := s.Networks[name]; w != nil {
			all = append(all, w.network(name, mode))
		}
	}
	return all
}

// withoutSecrets leaves out the options of log drivers that can be secrets, such as splunk-token: other containers of the task see
// the rest.
func withoutSecrets(options map[string]string) map[string]string {
	shown := maps.Clone(options)
	maps.DeleteFunc(shown, func(name, _ string) bool {
		name = strings.ToLower(name)
		return slices.ContainsFunc([]string{"token", "secret", "password", "credential", "key"}, func(word string) bool { return strings.Contains(name, word) })
	})
	return shown
}
