package api

import "time"

// Kubernetes describes what the daemon knows of its node's pods; absent without kubernetes.enabled, and for other machines.
type Kubernetes struct {
	Node    string `json:"node"`
	Cluster string `json:"cluster,omitempty"`
	// Pods is the number of live pods that are known.
	Pods int `json:"pods"`
	// WatchAgeSeconds is how long ago the Kubernetes API was last heard; -1 if never.
	WatchAgeSeconds int64 `json:"watch_age_seconds"`
	// Heard is when that was, zero if never, and Relists how many lists had to be fetched again. They are for metrics alone.
	Heard   time.Time `json:"-"`
	Relists int64     `json:"-"`
	// Synced says that the first list of pods has come.
	Synced    bool   `json:"synced"`
	LastError string `json:"last_error,omitempty"`
	// Find are the ways to find pods that work; Off says why one that is configured does not.
	Find []string `json:"find"`
	Off  string   `json:"off,omitempty"`
	// Lookups count requests by how their pod was found: watch, proc, wait, unknown, ambiguous.
	Lookups map[string]int64 `json:"lookups"`
	// Relay describes the laptop that gives credentials; absent under other ways.
	Relay *Relay `json:"relay,omitempty"`
	// Assigned are the pods and what they get.
	Assigned []PodRole `json:"assigned,omitempty"`
	Sessions []Session `json:"sessions,omitempty"`
}

// Relay describes the stream of credentials from a laptop.
type Relay struct {
	Connected bool       `json:"connected"`
	Since     *time.Time `json:"since,omitempty"`
	LastError string     `json:"last_error,omitempty"`
}

// PodRole is what a pod gets.
type PodRole struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Addresses are empty for a pod that has none yet, and for one in the node's network.
	Addresses []string `json:"addresses,omitempty"`
	Role      string   `json:"role,omitempty"`
	// Source says where the role is named.
	Source string `json:"source,omitempty"`
	Denied string `json:"denied,omitempty"`
	// Own says what keeps the pod from ever asking, such as a variable of its own spec; "" for most.
	Own string `json:"own,omitempty"`
}

// Session is an STS session in use.
type Session struct {
	Role string `json:"role"`
	// For is the pod or service account that has it alone, or the node; "" if all pods of the role share it.
	For string `json:"for,omitempty"`
	// Pods is how many live pods have it.
	Pods        int         `json:"pods"`
	Credentials Credentials `json:"credentials"`
}

// Problems are what keeps all pods from getting credentials: the watch, the relay. A role that STS refuses is a problem of its pods.
func (k *Kubernetes) Problems() []string {
	all := []string{k.LastError}
	if k.Relay != nil {
		all = append(all, k.Relay.LastError)
	}
	return all
}
