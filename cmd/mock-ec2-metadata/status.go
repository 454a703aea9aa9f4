package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"mock-ec2-metadata/internal/web"
)

// status is the document of GET /status. It holds no secret. Clients other than this machine see less of it, see forClients.
type status struct {
	Status        string            `json:"status"` // ok or degraded
	Version       string            `json:"version"`
	StartedAt     time.Time         `json:"started_at"` // tells daemons apart, so to the nanosecond
	UptimeSeconds int64             `json:"uptime_seconds"`
	Config        configStatus      `json:"config,omitzero"`
	InstanceID    string            `json:"instance_id"`
	Role          string            `json:"role,omitempty"`
	Credentials   credentialsStatus `json:"credentials"`
	// IdentityError is why the identity document cannot be signed.
	IdentityError string `json:"identity_error,omitempty"`
	// Refused counts the requests and connections that the guard has not let in, by its rules.
	Refused map[string]int64 `json:"refused,omitempty"`
}

// forClients leaves out what is not for everybody who is let in: account ids, paths, and errors, which quote both.
func (s *status) forClients() status {
	return status{
		Status: s.Status, Version: s.Version, StartedAt: s.StartedAt, UptimeSeconds: s.UptimeSeconds,
		InstanceID: s.InstanceID, Role: s.Role,
		Credentials: credentialsStatus{
			Source: s.Credentials.Source, State: s.Credentials.State, Expiration: s.Credentials.Expiration,
			Note: "asked on its own machine (docker exec mock-ec2-metadata /mock-ec2-metadata healthcheck), the daemon tells more",
		},
	}
}

type configStatus struct {
	File         string    `json:"file"`
	LoadedAt     time.Time `json:"loaded_at"`
	Error        string    `json:"error,omitempty"` // why the last reload was refused
	Warnings     []string  `json:"warnings,omitempty"`
	NeedsRestart []string  `json:"needs_restart,omitempty"`
}

type credentialsStatus struct {
	// Source is sts, mock or none.
	Source string `json:"source"`
	// State is valid, pending (the first call is in flight), waiting for MFA, expired, failed, or none without an instance
	// profile.
	State       string     `json:"state"`
	ARN         string     `json:"arn,omitempty"`
	Expiration  *time.Time `json:"expiration,omitempty"`
	LastRenewal *time.Time `json:"last_renewal,omitempty"`
	LastAttempt *time.Time `json:"last_attempt,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	// MFA is what a code is wanted for, while one is.
	MFA  *mfaStatus `json:"mfa,omitempty"`
	Note string     `json:"note,omitempty"`

	late bool // pending for longer than clients wait
}

type mfaStatus struct {
	// Serial is the device whose code is wanted.
	Serial string `json:"serial"`
	// Socket is where the mfa command gives it; Error is why there is none.
	Socket string `json:"socket,omitempty"`
	Error  string `json:"error,omitempty"`
}

// status says how things stand, at one glance.
func (d *daemon) status() status {
	g := d.current.Load()
	d.mu.Lock()
	reloadErr := d.reloadErr
	d.mu.Unlock()
	s := status{
		Status:        "ok",
		Version:       buildVersion(),
		StartedAt:     d.started.UTC(),
		UptimeSeconds: int64(d.now().Sub(d.started).Seconds()),
		Config: configStatus{
			File: g.loaded.Name(), LoadedAt: g.loadedAt.UTC().Truncate(time.Second), Warnings: g.loaded.Warnings, NeedsRestart: g.restart,
		},
		InstanceID:  g.instance.ID,
		Role:        g.instance.Role,
		Credentials: g.credentialsStatus(d.now()),
	}
	s.Refused = d.guard.Refused()
	if mfa := s.Credentials.MFA; mfa != nil {
		mfa.Socket, mfa.Error = d.codes.open() // the keeper tells its state before it tells the desk
	}
	if reloadErr != nil {
		s.Config.Error = reloadErr.Error()
	}
	if err := g.identity.Failure(); err != nil {
		s.IdentityError = err.Error()
		s.Status = "degraded"
	}
	if reloadErr != nil || s.Credentials.LastError != "" || s.Credentials.State == "expired" || s.Credentials.late {
		s.Status = "degraded"
	}
	return s
}

// problems are the reasons why it is degraded.
func (s *status) problems() []string {
	all := s.errors()
	if len(all) == 0 && s.Status != "ok" {
		all = append(all, "the credentials are "+s.Credentials.State)
		if s.Credentials.Note != "" {
			all = append(all, s.Credentials.Note)
		}
	}
	return all
}

func (s *status) errors() []string {
	all := []string{s.Config.Error, s.Credentials.LastError, s.IdentityError}
	return slices.DeleteFunc(all, func(e string) bool { return e == "" })
}

func (g *generation) credentialsStatus(now time.Time) credentialsStatus {
	if g.keeper == nil {
		return credentialsStatus{Source: "none", State: "none", Note: "no instance profile: neither credentials.iam_role nor credentials.source_profile is set"}
	}
	state := g.keeper.State()
	s := credentialsStatus{
		Source: "sts", State: "pending", late: !state.Valid && !state.Since.IsZero() && now.Sub(state.Since) > time.Second,
		ARN: state.ARN, Expiration: date(state.Expiration), LastRenewal: date(state.LastRenewal), LastAttempt: date(state.LastAttempt),
	}
	if g.loaded.Config.Credentials.Mock {
		s.Source = "mock"
		s.Note = "made-up credentials: no AWS service accepts them"
	}
	if !state.Expiration.IsZero() {
		s.State = "expired"
	}
	if state.LastError != nil {
		s.State = "failed"
		s.LastError = state.LastError.Message
	}
	if state.MFASerial != "" {
		s.State = "waiting for MFA"
		s.MFA = &mfaStatus{Serial: state.MFASerial}
	}
	if state.Valid {
		s.State = "valid"
	}
	return s
}

func date(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// serveStatus answers GET /status: 200 as long as the daemon serves. At the start it waits for the first credentials, or for
// why there are none, at most 5 seconds.
func (d *daemon) serveStatus(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: "GET, HEAD"}
	}
	if keeper := d.current.Load().keeper; keeper != nil {
		keeper.Settled(r.Context()) // so that who waits for the daemon waits for its credentials
	}
	s := d.status()
	if !d.guard.IsLocal(r) {
		s = s.forClients()
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
