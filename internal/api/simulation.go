package api

import (
	"encoding/json"
	"time"
)

// Event is one simulated event, as GET /v1/events has it. Times are in UTC, to the second.
type Event struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Spec is the event in the words of the configuration; a PUT of it is the same event.
	Spec      json.RawMessage `json:"spec"`
	Phase     string          `json:"phase"`
	CreatedAt time.Time       `json:"created_at"`
	// ActivatesAt is null while the event waits for requests.
	ActivatesAt *time.Time `json:"activates_at"`
	PhaseSince  time.Time  `json:"phase_since"`
	NextPhase   string     `json:"next_phase,omitempty"`
	NextPhaseAt *time.Time `json:"next_phase_at,omitempty"`
	// Clients are those that see it; nil for all, and empty while none of the first ones has asked.
	Clients  []string `json:"clients,omitzero"`
	Hits     int64    `json:"hits"`
	Warnings []string `json:"warnings,omitempty"`
}

// Events is the document of GET /v1/events.
type Events struct {
	Events []Event `json:"events"`
}

// Fault is one injected fault, as GET /v1/faults has it. Match, Dose and Effect are in the words of the configuration.
type Fault struct {
	ID        string          `json:"id"`
	Match     json.RawMessage `json:"match"`
	Dose      json.RawMessage `json:"dose"`
	Effect    json.RawMessage `json:"effect"`
	Hits      int64           `json:"hits"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt *time.Time      `json:"expires_at"`
}

// Faults is the document of GET /v1/faults.
type Faults struct {
	Faults []Fault `json:"faults"`
}

// Request is a request that the metadata service has handled. It has no secret: no token, header, query or body.
type Request struct {
	Seq    int64     `json:"seq"`
	Time   time.Time `json:"time"` // of its end, to the millisecond
	Client string    `json:"client"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // escaped
	IMDS   string    `json:"imds"` // v1 or v2
	// Status is 0 if no answer was sent.
	Status     int     `json:"status"`
	Bytes      int64   `json:"bytes"` // of the answer's body
	DurationMS float64 `json:"duration_ms"`
	Identity   string  `json:"identity"` // entry of clients; "" for the file's own
	Role       string  `json:"role"`
	// Fault is the id of the fault that changed the answer.
	Fault string `json:"fault,omitempty"`
}

// Requests is the document of GET /v1/requests, oldest first.
type Requests struct {
	Requests []Request `json:"requests"`
}

// SimulationState is the document of GET /v1/state.
type SimulationState struct {
	// Generation rises with every change of what requests are answered from, and only then.
	Generation      int64           `json:"generation"`
	Events          []Event         `json:"events"`
	Faults          []Fault         `json:"faults"`
	MetadataOptions MetadataOptions `json:"metadata_options"`
}

// MetadataOptions are those in force for the file's own instance.
type MetadataOptions struct {
	HTTPTokens              string `json:"http_tokens"`
	HTTPEndpoint            string `json:"http_endpoint"`
	HTTPPutResponseHopLimit int    `json:"http_put_response_hop_limit"`
	InstanceMetadataTags    string `json:"instance_metadata_tags"`
}

// Refusal is why the daemon does not do what it was asked. It is an error.
type Refusal struct {
	// Status is the HTTP status code.
	Status int `json:"-"`
	// Text is for people. It names Field, if there is one.
	Text string `json:"error"`
	// Field is the key at fault, such as notice or match.paths; "" for none.
	Field string `json:"field,omitempty"`
}

func (r *Refusal) Error() string { return r.Text }

// Simulation is the part of /status about events and faults. Other machines are only told that there is one.
type Simulation struct {
	Events []SimulatedEvent `json:"events"`
	Faults []SimulatedFault `json:"faults"`
	Hidden bool             `json:"-"` // marshals as true
}

// SimulatedEvent is an event in /status.
type SimulatedEvent struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Phase string `json:"phase"`
}

// SimulatedFault is a fault in /status.
type SimulatedFault struct {
	ID   string `json:"id"`
	Hits int64  `json:"hits"`
}

// MarshalJSON writes true for other machines.
func (s Simulation) MarshalJSON() ([]byte, error) {
	if s.Hidden {
		return []byte("true"), nil
	}
	type plain Simulation
	return json.Marshal(plain(s))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Simulation) UnmarshalJSON(b []byte) error {
	if string(b) == "true" {
		*s = Simulation{Hidden: true}
		return nil
	}
	type plain Simulation
	return json.Unmarshal(b, (*plain)(s))
}
