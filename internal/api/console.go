package api

import "time"

// Who says who clients are to AWS: part of the status of the control API and of the console.
type Who struct {
	ARN         string `json:"arn,omitempty"` // of the session; "" before the first credentials
	Account     string `json:"account,omitempty"`
	SessionName string `json:"session_name,omitempty"`
	// KeyEnd is the end of the access key id, 4 characters.
	KeyEnd string `json:"key_end,omitempty"`
	// Source is sts, mock or none; Profile is the profile that makes the call.
	Source  string `json:"source"`
	Profile string `json:"profile,omitempty"`
	Role    string `json:"role,omitempty"` // as the metadata lists it
	// Roles are the names that PUT /v1/credentials/choice takes, "" first: the file's own.
	Roles []string `json:"roles"`
	// Switched is the name of the role that has been chosen; "" for the file's own.
	Switched string `json:"switched,omitempty"`
	State    string `json:"state"` // one of the State constants
	// Expiration, LastRenewal and RenewsAt are those of the credentials; absent before the first.
	Expiration  *time.Time `json:"expiration,omitempty"`
	LastRenewal *time.Time `json:"last_renewal,omitempty"`
	RenewsAt    *time.Time `json:"renews_at,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
}

// Listener is an open address of the daemon.
type Listener struct {
	Address string `json:"address"`
	URL     string `json:"url"`
	// Only is the one service that it serves; "" for all.
	Only string `json:"only,omitempty"`
}

// Overview is the document of GET /v1/status: the status, and what the console shows first.
type Overview struct {
	*Status
	Who       Who        `json:"who"`
	Listeners []Listener `json:"listeners"`
	// Requests is how many requests of the metadata service have been answered since the start, V2 those of IMDSv2.
	Requests int64 `json:"requests"`
	V2       int64 `json:"v2"`
}

// Refused is a request that the guard refuses, as GET /v1/refusals has it. It has no header but the Host's or the page's origin, cut.
type Refused struct {
	Seq    int64     `json:"seq"`
	Time   time.Time `json:"time"`
	Client string    `json:"client"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // escaped, without query
	// Rule is the guard's: clients, hosts, origins, proxies, limits …
	Rule string `json:"rule"`
	// Sentence is what the client was told.
	Sentence string `json:"sentence"`
	// Key and Value are the configuration that would allow the request; "" if none would.
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
}

// Question is a request that GET /v1/explain is about. "" leaves a part to the daemon: a client of this machine at the first listener.
type Question struct {
	Client   string // address
	Host     string
	Origin   string // of a web page
	Path     string
	IMDS     string // v1 or v2
	Listener string // as the configuration or Overview has it
}

// Look is what GET /v1/tree is asked for.
type Look struct {
	Path    string // below the version, or with it
	Version string // "" is latest, unless Path has one
	Client  string // address; "" is this machine
	Reveal  bool   // what would be folded
}

// News are the requests and refusals after a position, for GET /v1/stream.
type News struct {
	Requests []Request
	Refusals []Refused
	// Dropped is how many more there have been.
	Dropped int64
	// Now is the position after them.
	Now int64
}

// Lagged says in GET /v1/stream that the client was too slow, or away for too long.
type Lagged struct {
	Dropped int64 `json:"dropped"`
}

// Refusals is the document of GET /v1/refusals, oldest first, at most 200.
type Refusals struct {
	Refusals []Refused `json:"refusals"`
}

// Verdict is the document of GET /v1/explain: what a request would get, without asking.
type Verdict struct {
	Allowed bool `json:"allowed"`
	// Status is what the client would see; 0 if that depends on more than is known.
	Status int    `json:"status"`
	Rules  []Rule `json:"rules"` // in the order in which they are applied, up to the first that refuses
	// Entry, Instance and Role say what an allowed client gets.
	Entry    string `json:"entry,omitempty"`
	Instance string `json:"instance,omitempty"`
	Role     string `json:"role,omitempty"`
}

// Rule is one check of a Verdict.
type Rule struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"` // why, in a sentence
	// Key and Value would allow the request.
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
}

// TreeNode is the document of GET /v1/tree: a path as a client gets it.
type TreeNode struct {
	Path        string `json:"path"` // with the version
	Status      int    `json:"status"`
	ContentType string `json:"content_type,omitempty"`
	Bytes       int    `json:"bytes"`
	// Body is at most 64 KiB of the answer. Masked says that secrets in it are replaced; Folded that it is left out unless reveal=true.
	Body   string `json:"body,omitempty"`
	Masked bool   `json:"masked,omitempty"`
	Folded bool   `json:"folded,omitempty"`
	// Origin is derived, FILE:LINE, or event:ID.
	Origin string `json:"origin,omitempty"`
	// Children are the names in a directory, those of directories with a slash.
	Children []string `json:"children,omitempty"`
}

// Choice is the body of PUT /v1/credentials/choice.
type Choice struct {
	Role string `json:"role"` // one of Who.Roles
}

// ConfigValue is one key of GET /v1/config.
type ConfigValue struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // redacted
	Origin string `json:"origin"`
}

// EffectiveConfig is the document of GET /v1/config.
type EffectiveConfig struct {
	YAML         string        `json:"yaml"`
	Values       []ConfigValue `json:"values"`
	Warnings     []string      `json:"warnings"`
	NeedsRestart []string      `json:"needs_restart"`
}

// Lines is the document of GET /v1/env?for=shell|docker|compose|vm|pod&shell=bash|fish|powershell.
type Lines struct {
	For   string `json:"for"`
	Lines string `json:"lines"`
	Note  string `json:"note,omitempty"`
}

// ConsoleURL is the answer of POST /v1/console, by the socket alone.
type ConsoleURL struct {
	URL       string `json:"url"`        // with a code in the fragment that works once
	ExpiresIn int    `json:"expires_in"` // seconds
}

// ConsoleCode is the body of POST /v1/console/session.
type ConsoleCode struct {
	Code string `json:"code"`
}

// ConsoleSession is its answer. The token is a secret.
type ConsoleSession struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}
