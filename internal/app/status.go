package app

import (
	"encoding/json"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/web"
)

// lateAfter is how long credentials may be pending before the daemon counts as degraded: longer than clients wait.
const lateAfter = time.Second

// Status describes the daemon at one moment. It holds no secret.
func (a *App) Status() *api.Status {
	s := a.status()
	g := a.State()
	s.Identities = g.identitiesStatus(a.opt.Now())
	s.ECS, s.PodIdentity, s.Kubernetes = a.ecsStatus(g), a.podStatus(g), a.clusterStatus(g)
	if s.Status == api.StatusOK && len(s.Errors()) > 0 {
		s.Status = api.StatusDegraded
	}
	return s
}

// status is Status without Identities.
func (a *App) status() *api.Status {
	g, now := a.State(), a.opt.Now()
	own, _ := g.ownInstance()
	credentials, late := keeperStatus(g.Keeper, own.Credentials.Mock, now)
	s := &api.Status{
		Status:        api.StatusOK,
		Version:       a.opt.Version,
		StartedAt:     a.started.UTC(),
		UptimeSeconds: int64(now.Sub(a.started).Seconds()),
		Config:        a.ConfigStatus(),
		InstanceID:    g.Instance.ID,
		Role:          g.role,
		Switched:      g.Choice,
		Credentials:   credentials,
		Refused:       a.guard.Refused(),
		Simulation:    g.simulation(),
	}
	if n := a.unknown.total(); n > 0 {
		s.Refused["unknown"] = n
	}
	if g.Cluster != nil {
		s.Role, s.Credentials.Note = "", "each pod has a role of its own, or none; see kubernetes"
	}
	if g.Locator != nil {
		s.Containers = g.Locator.Status()
	}
	if a.control != nil {
		s.Control = a.control.Status()
	}
	if mfa := s.Credentials.MFA; mfa != nil && s.Control != nil {
		mfa.Socket, mfa.Error = s.Control.Socket, s.Control.Error
	}
	if identityErr := g.Identity.Failure(); identityErr != nil {
		s.IdentityError = identityErr.Error()
	}
	if len(s.Errors()) > 0 || s.Credentials.State == api.StateExpired || late {
		s.Status = api.StatusDegraded
	}
	return s
}

// ConfigStatus describes the configuration in force, and why the last reload failed.
func (a *App) ConfigStatus() api.Config {
	s := a.State()
	c := api.Config{File: s.Config.Name(), LoadedAt: s.LoadedAt.UTC().Truncate(time.Second), Warnings: s.Config.Warnings, NeedsRestart: s.Restart}
	if err := a.reloadError(); err != nil {
		c.Error = err.Error()
	}
	return c
}

// keeperStatus describes credentials; keeper is nil without an instance profile. late tells that they have been pending for
// longer than clients wait.
func keeperStatus(keeper *credentials.Keeper, mock bool, now time.Time) (s api.Credentials, late bool) {
	if keeper == nil {
		return api.Credentials{
			Source: "none", State: api.StateNone,
			Note: "no instance profile: neither credentials.iam_role nor credentials.source_profile is set",
		}, false
	}
	state := keeper.State()
	s = api.Credentials{
		Source: "sts", State: api.StatePending,
		ARN: state.ARN, Expiration: date(state.Expiration), LastRenewal: date(state.LastRenewal), LastAttempt: date(state.LastAttempt),
		Cache: state.CacheFile,
	}
	if mock {
		s.Source = "mock"
		s.Note = "made-up credentials: no AWS service accepts them"
	}
	if !state.Expiration.IsZero() {
		s.State = api.StateExpired
	}
	if state.Idle {
		s.State = api.StateIdle
	}
	if state.LastError != nil {
		s.State = api.StateFailed
		s.LastError = state.LastError.Message
	}
	if state.MFASerial != "" {
		s.State = api.StateMFA
		s.MFA = &api.MFA{Serial: state.MFASerial}
	}
	if state.Valid {
		s.State = api.StateValid
	}
	return s, !state.Valid && !state.Idle && !state.Since.IsZero() && now.Sub(state.Since) > lateAfter
}

// date is a time for /status, nil when it is not known.
func date(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// serveStatus answers GET /status: 200 as long as the daemon serves. After the start it waits for the first credentials,
// or for the first error, for at most 5 seconds: what waits for the daemon waits for its credentials.
func (a *App) serveStatus(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: "GET, HEAD"}
	}
	a.Settle(r.Context())
	var s *api.Status
	if a.guard.IsLocal(r) {
		s = a.Status()
	} else {
		c, err := a.client(r)
		if err != nil {
			return err
		}
		s = a.statusFor(a.status(), c)
	}
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	web.Write(w, http.StatusOK, "application/json", append(body, '\n'))
	return nil
}

// renderStatusError writes an error of /status as JSON.
func renderStatusError(w http.ResponseWriter, _ *http.Request, e *web.Error) {
	if e.Allow != "" {
		w.Header().Set("Allow", e.Allow)
	}
	body, err := json.Marshal(map[string]string{"error": http.StatusText(e.Status)})
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	web.Write(w, e.Status, "application/json", append(body, '\n'))
}
