package config

import "time"

// Event is something that EC2 would do to the instance, under the words of the control API. Exactly one of the keys that name a kind
// is set: see Kind. The tag "of" names the kinds that have a key; keys without it are of all.
type Event struct {
	// ID tells events apart. Empty: one is made up.
	ID string `yaml:"id" is:"simulation id"`

	// Spot announces the end of a spot instance. Notice is how long before; nil for EC2's own.
	Spot   string         `yaml:"spot" oneof:"terminate, stop, hibernate"`
	Notice *time.Duration `yaml:"notice" of:"spot" from:"0s to 8784h"`
	// Rebalance is "true" for an event of this kind. In a spot event it is how long before the notice the signal comes.
	Rebalance string `yaml:"rebalance" is:"true or duration" bare:"true"`
	// Then is what happens at the action time of a spot event. Empty: stay.
	Then string `yaml:"then" of:"spot" oneof:"stay, clear, gone, exit"`

	// Maintenance is the code of a scheduled event. The times are RFC 3339.
	Maintenance string `yaml:"maintenance" oneof:"instance-stop, instance-retirement, instance-reboot, system-reboot, system-maintenance"`
	NotBefore   string `yaml:"not_before" of:"maintenance" is:"time"`
	NotAfter    string `yaml:"not_after" of:"maintenance" is:"time"`
	Description string `yaml:"description" of:"maintenance" is:"printable"`
	EventID     string `yaml:"event_id" of:"maintenance" is:"simulation id" odd:"usual maintenance id"`

	// ASG is a target lifecycle state, or gone.
	ASG string `yaml:"asg" is:"word" odd:"usual lifecycle state"`

	// Role is of replace, Code of break.
	Profile string `yaml:"profile" oneof:"detach, attach, replace, break"`
	Role    string `yaml:"role" of:"profile" is:"role name"`
	Code    string `yaml:"code" of:"profile" is:"word"`

	Credentials string `yaml:"credentials" oneof:"rotate"`

	Tags    *EventTags    `yaml:"tags"`
	Options *EventOptions `yaml:"options"`

	// Address is an address or a delegated prefix of add-ip and remove-ip. MAC is the interface of those two, and of detach. Interface
	// is that of attach.
	Network   string            `yaml:"network" oneof:"add-ip, remove-ip, attach, detach"`
	Address   string            `yaml:"address" of:"network" is:"address or prefix"`
	MAC       string            `yaml:"mac" of:"network" is:"MAC"`
	Interface *NetworkInterface `yaml:"interface" of:"network"`
	// Lag is how long a change takes to be complete.
	Lag time.Duration `yaml:"lag" of:"profile, network" from:"0s to 8784h"`

	// PublicIP is an IPv4 address, or release.
	PublicIP string `yaml:"public_ip" is:"address or release" odd:"public address"`

	Restart      bool   `yaml:"restart"`
	UserData     Secret `yaml:"user_data" of:"restart" is:"user data"` // "" keeps the old one
	KeepIP       bool   `yaml:"keep_ip" of:"restart"`
	ForgetTokens bool   `yaml:"forget_tokens" of:"restart"`

	// Set and Unset are paths below the version, as in Config.Metadata.
	Set   map[string]string `yaml:"set" key:"event path" null:"null sets nothing; name the path in unset"`
	Unset []string          `yaml:"unset" is:"removed event path"`

	// At most one of In, At and AfterRequests is set. None: at once.
	In            time.Duration  `yaml:"in" from:"0s to 8784h"`
	At            string         `yaml:"at" is:"time"`
	AfterRequests *AfterRequests `yaml:"after_requests"`
	// Clients are CIDR blocks, addresses, and entries of clients such as clients[0]; empty: all clients. FirstClients is how many
	// distinct addresses see the event; 0: all. At most one of both is set.
	Clients      []string `yaml:"clients" is:"event client" most:"256 clients; at most"`
	FirstClients int      `yaml:"first_clients" from:"1 to 10000"`
}

// EventTags are tags that an event sets and removes.
type EventTags struct {
	Set   map[string]string `yaml:"set" key:"metadata tag" is:"tag value" null:"null sets nothing; name the tag in unset"`
	Unset []string          `yaml:"unset" is:"metadata tag"`
}

// EventOptions are the metadata options that an event changes; what is empty stays.
type EventOptions struct {
	HTTPTokens              string `yaml:"http_tokens" oneof:"optional, required"`
	HTTPEndpoint            string `yaml:"http_endpoint" oneof:"enabled, disabled"`
	HTTPPutResponseHopLimit int    `yaml:"http_put_response_hop_limit" from:"1 to 64"`
	InstanceMetadataTags    string `yaml:"instance_metadata_tags" oneof:"enabled, disabled"`
}

// AfterRequests starts an event after so many answered, authorised requests of a path.
type AfterRequests struct {
	Count int `yaml:"count" from:"1"`
	// Path is a PathPattern; empty: any.
	Path string `yaml:"path" is:"path pattern"`
}

// kinds are all kinds of events, and which an event is of: a valid one is of one. An event with both set and unset is of kind set, and
// rebalance in a spot event is a duration.
func (e *Event) kinds() choices {
	return choices{
		{"spot", e.Spot != ""},
		{"rebalance", e.Rebalance != "" && e.Spot == ""},
		{"maintenance", e.Maintenance != ""},
		{"asg", e.ASG != ""},
		{"profile", e.Profile != ""},
		{"credentials", e.Credentials != ""},
		{"tags", e.Tags != nil},
		{"options", e.Options != nil},
		{"network", e.Network != ""},
		{"public_ip", e.PublicIP != ""},
		{"restart", e.Restart},
		{"set", len(e.Set) > 0},
		{"unset", len(e.Unset) > 0 && len(e.Set) == 0},
	}
}

// Kind names the kind of an event: spot, rebalance, maintenance, asg, profile, credentials, tags, options, network, public_ip, restart,
// set or unset (an event with both is of kind set). It is "" for the zero Event.
func (e *Event) Kind() string {
	for _, kind := range e.kinds() {
		if kind.set {
			return kind.key
		}
	}
	return ""
}
