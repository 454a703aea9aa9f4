package app

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

// Sample is the daemon at one moment, for metrics. It holds no secret, and no text of an error.
type Sample struct {
	Refused map[string]int64 // by rule of the guard
	// Open and Connections are the connections that are open, and all that there have been.
	Open, Connections int64
	// Known are the roles of the configuration, the file's own first. Roles are those whose credentials somebody has asked for.
	Known []Role
	Roles []RoleSample
	// ReloadFailed says that the last reload has failed; LoadedAt is when the configuration in force was loaded.
	ReloadFailed bool
	LoadedAt     time.Time
	Signing      bool // the identity document can be signed
	Generation   int64
	Events       map[string]int // by kind
	// Kubernetes is the watch, without what pods get; nil without kubernetes.enabled. Sessions are the STS sessions in use.
	Kubernetes *api.Kubernetes
	Sessions   int
}

// RoleSample describes the credentials of a role. Where several sessions have them, it is the worst of each.
type RoleSample struct {
	Role
	Valid       bool
	Expiration  time.Time // zero before the first
	LastRenewal time.Time // likewise
	Failures    int       // in a row
	NeedsMFA    bool
}

// Worsen makes r the worst of r and another in each respect. r stays the same role.
func (r *RoleSample) Worsen(by *RoleSample) {
	r.Valid = r.Valid && by.Valid
	if by.Expiration.Before(r.Expiration) { // the zero time is before all
		r.Expiration = by.Expiration
	}
	if by.LastRenewal.Before(r.LastRenewal) {
		r.LastRenewal = by.LastRenewal
	}
	r.Failures = max(r.Failures, by.Failures)
	r.NeedsMFA = r.NeedsMFA || by.NeedsMFA
}

// EventKinds are all kinds of Sample.Events.
func EventKinds() []string {
	return []string{
		"spot", "rebalance", "maintenance", "asg", "profile", "credentials", "tags", "options", "network", "public_ip", "restart", "set", "unset",
	}
}

// Sample describes the daemon. It is for an App with an Observer.
func (a *App) Sample() Sample {
	s := a.State()
	sample := Sample{
		Refused: a.guard.Refused(), Known: knownRoles(s.Config.Config), Roles: a.sampleRoles(),
		ReloadFailed: a.reloadError() != nil, LoadedAt: s.LoadedAt, Signing: s.Identity.Failure() == nil, Generation: s.Generation,
		Events: map[string]int{},
	}
	sample.Open, sample.Connections = a.server.Connections()
	for _, e := range s.Events.Events() {
		sample.Events[e.Spec.Kind()]++
	}
	if s.cluster != nil {
		sample.Kubernetes = s.Cluster.Status()
		if a.opt.Relay != nil {
			sample.Kubernetes.Relay = a.opt.Relay()
		}
		sample.Sessions = len(a.pool.Keepers())
	}
	return sample
}

// knownRoles are the roles of a configuration.
func knownRoles(c *config.Config) []Role {
	var known []Role
	if instance.RoleOf(&c.Instance) != "" && !c.Kubernetes.Enabled {
		spec := SpecOf(c)
		known = append(known, metricsRole(&spec).or(&c.Instance))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Roles)) {
		in := c.Instance
		in.Credentials = c.Roles[name]
		spec := roleGrant(c, name).spec(&in)
		known = append(known, metricsRole(&spec).or(&c.Instance))
	}
	return known
}

// sampleRoles describes the credentials of all keepers that have or try to get any.
func (a *App) sampleRoles() []RoleSample {
	roles := map[Role]*RoleSample{}
	for _, keeper := range a.pool.Keepers() {
		o, ok := keeper.Observer.(*observed)
		state := keeper.State()
		if !ok || state.Idle && !state.Valid { // no client has asked for long
			continue
		}
		found := RoleSample{
			Role: o.role(), Valid: state.Valid, Expiration: state.Expiration, LastRenewal: state.LastRenewal, Failures: state.Failures,
			NeedsMFA: state.MFASerial != "",
		}
		if r := roles[found.Role]; r != nil {
			r.Worsen(&found)
		} else {
			roles[found.Role] = &found
		}
	}
	all := make([]RoleSample, 0, len(roles))
	for _, r := range roles {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(x, y RoleSample) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Account, y.Account))
	})
	return all
}
