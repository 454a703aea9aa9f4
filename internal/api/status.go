// Package api holds the JSON documents that the daemon and its commands exchange: /status and the control socket. It
// imports nothing of ours, so that every client and server can import it.
package api

import (
	"slices"
	"time"
)

// Status is the document of GET /status. It holds no secret. Other machines see less of it; see ForClients.
type Status struct {
	Status        string    `json:"status"` // StatusOK or StatusDegraded
	Version       string    `json:"version"`
	StartedAt     time.Time `json:"started_at"` // to the nanosecond: tells daemons apart
	UptimeSeconds int64     `json:"uptime_seconds"`
	Config        Config    `json:"config,omitzero"`
	Control       *Control  `json:"control,omitempty"` // absent when server.control is off
	InstanceID    string    `json:"instance_id"`
	Role          string    `json:"role,omitempty"`
	// Switched is the name of the entry of roles that has been chosen in place of the file's own credentials; "" for none.
	Switched    string      `json:"switched,omitempty"`
	Credentials Credentials `json:"credentials"`
	// Identities are what clients get beside the instance and the role above; for this machine only.
	Identities []Identity `json:"identities,omitempty"`
	// Containers is the connection to the container engine; absent without containers.engine.
	Containers *Containers `json:"containers,omitempty"`
	// ECS is how processes become containers of ECS; for this machine only.
	ECS *ECS `json:"ecs,omitempty"`
	// PodIdentity describes EKS Pod Identity; absent without pod_identity.enabled, and for other machines.
	PodIdentity *PodIdentity `json:"pod_identity,omitempty"`
	// Kubernetes describes the pods of the node; absent without kubernetes.enabled, and for other machines.
	Kubernetes *Kubernetes `json:"kubernetes,omitempty"`
	// IdentityError is why the identity document cannot be signed.
	IdentityError string `json:"identity_error,omitempty"`
	// Simulation are the events and faults; absent without any.
	Simulation *Simulation `json:"simulation,omitempty"`
	// Refused counts the requests and connections that the guard refused, by rule.
	Refused map[string]int64 `json:"refused,omitempty"`
}

// StatusAgent is the User-Agent of this program's own questions for the status, such as those of health checks every few seconds.
const StatusAgent = "mock-ec2-metadata-status"

// Values of Status.Status.
const (
	StatusOK       = "ok"
	StatusDegraded = "degraded"
)

// Config describes the configuration in use.
type Config struct {
	File         string    `json:"file"`
	LoadedAt     time.Time `json:"loaded_at"`
	Error        string    `json:"error,omitempty"` // why the last reload failed
	Warnings     []string  `json:"warnings,omitempty"`
	NeedsRestart []string  `json:"needs_restart,omitempty"` // keys whose change waits for a restart
}

// Containers describes the connection to the container engine.
type Containers struct {
	Engine    string `json:"engine"`
	Connected bool   `json:"connected"`
	// Containers is the number of running containers that are known.
	Containers int    `json:"containers"`
	Error      string `json:"error,omitempty"`
}

// Control says where the control socket is, or why there is none.
type Control struct {
	Socket string `json:"socket,omitempty"`
	Error  string `json:"error,omitempty"`
	// Listen is where it listens by TCP, too; "" for nowhere. TokenFile has what clients must send there.
	Listen    string `json:"listen,omitempty"`
	TokenFile string `json:"token_file,omitempty"`
}

// Credentials describes the credentials that clients get.
type Credentials struct {
	// Source is sts, mock or none.
	Source string `json:"source"`
	// State is one of the State constants.
	State       string     `json:"state"`
	ARN         string     `json:"arn,omitempty"`
	Expiration  *time.Time `json:"expiration,omitempty"`
	LastRenewal *time.Time `json:"last_renewal,omitempty"`
	LastAttempt *time.Time `json:"last_attempt,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	// Cache is the file that has the credentials for the next run; "" if no file has.
	Cache string `json:"cache,omitempty"`
	// MFA is set while a code is wanted.
	MFA  *MFA   `json:"mfa,omitempty"`
	Note string `json:"note,omitempty"`
}

// Identity is what some clients get.
type Identity struct {
	// Identity is the entry whose instance it is, such as clients[3]; "" for the file's own.
	Identity   string `json:"identity,omitempty"`
	InstanceID string `json:"instance_id"`
	// Container is the first container that named the role; "" if none did.
	Container string `json:"container,omitempty"`
	// Pod is the pod or service account that gets it by EKS Pod Identity; "" for none.
	Pod string `json:"pod,omitempty"`
	// Role is the name in roles, or that of the IAM role; "" without one.
	Role string `json:"role,omitempty"`
	// Region is the instance's.
	Region string `json:"region,omitempty"`
	// ID is the id of /v2/credentials/<id> for one of roles: a secret that this machine alone sees.
	ID          string      `json:"credentials_id,omitempty"`
	Credentials Credentials `json:"credentials"`
}

// Values of Credentials.State.
const (
	StateValid   = "valid"
	StatePending = "pending" // the first call is in flight
	StateMFA     = "waiting for MFA"
	StateExpired = "expired"
	StateFailed  = "failed"
	StateNone    = "none"   // no instance profile
	StateIdle    = "idle"   // no client has asked for a while: the next one makes the daemon get them
	StateDenied  = "denied" // a container names a role that containers.allow does not permit
)

// MFA says which code is wanted, and where the mfa command gives it.
type MFA struct {
	// Serial is the MFA device.
	Serial string `json:"serial"`
	// Socket is the control socket; Error is why there is none.
	Socket string `json:"socket,omitempty"`
	Error  string `json:"error,omitempty"`
	// Listen is where it listens by TCP, too; "" for nowhere. TokenFile has what clients must send there.
	Listen    string `json:"listen,omitempty"`
	TokenFile string `json:"token_file,omitempty"`
}

// ForClients leaves out what other machines must not see: account ids, paths, and errors, which quote both.
func (s *Status) ForClients() *Status {
	var simulation *Simulation
	if s.Simulation != nil {
		simulation = &Simulation{Hidden: true}
	}
	return &Status{
		Simulation: simulation,
		Status:     s.Status, Version: s.Version, StartedAt: s.StartedAt, UptimeSeconds: s.UptimeSeconds,
		InstanceID: s.InstanceID, Role: s.Role,
		Credentials: Credentials{
			Source: s.Credentials.Source, State: s.Credentials.State, Expiration: s.Credentials.Expiration,
			Note: "the daemon tells more to its own machine (docker exec mock-ec2-metadata /mock-ec2-metadata healthcheck)",
		},
	}
}

// WithoutIDs takes out the ids of roles, which are secrets, and returns s.
func (s *Status) WithoutIDs() *Status {
	for i := range s.Identities {
		s.Identities[i].ID = ""
	}
	if s.ECS != nil {
		for i := range s.ECS.Containers {
			s.ECS.Containers[i].CredentialsID = ""
		}
	}
	return s
}

// Problems are the reasons why the daemon is degraded.
func (s *Status) Problems() []string {
	all := s.Errors()
	if len(all) == 0 && s.Status != StatusOK {
		all = append(all, "the credentials are "+s.Credentials.State)
		if s.Credentials.Note != "" {
			all = append(all, s.Credentials.Note)
		}
	}
	return all
}

// Errors are the texts of all errors in the document.
func (s *Status) Errors() []string {
	all := []string{s.Config.Error, s.Credentials.LastError, s.IdentityError}
	seen := map[string]bool{} // entries of clients with the same role mostly fail alike
	for _, id := range s.Identities {
		text := "role " + id.Role + ": " + id.Credentials.LastError
		if id.Credentials.LastError != "" && id.Credentials.State != StateDenied && !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	if s.Containers != nil {
		all = append(all, s.Containers.Error)
	}
	if s.Kubernetes != nil {
		all = append(all, s.Kubernetes.Problems()...)
	}
	return slices.DeleteFunc(all, func(e string) bool { return e == "" })
}

// Serves describes in words what the daemon serves: "i-1 with role app (conf/config.yaml)".
func (s *Status) Serves() string { return Describe(s.InstanceID, s.Role, s.Config.File) }

// Describe names an instance, its role ("" for none) and the configuration file, "" when it is unknown: a daemon does not
// tell other machines, nor containers their own.
func Describe(instanceID, role, file string) string {
	text := instanceID + " with role " + role
	if role == "" {
		text = instanceID + " without a role"
	}
	if file != "" {
		text += " (" + file + ")"
	}
	return text
}
