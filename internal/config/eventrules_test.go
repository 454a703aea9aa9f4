package config

import "testing"

func TestEvent_RefusesWrongKeys(t *testing.T) {
	const (
		credentials = "the role's credentials are not for this event to change; make one of kind profile or credentials"
		tagKey      = " is not a tag key that instance metadata can hold; it has up to 128 of letters, digits and +=.,_:@-"
		days        = " is not from 0s to 8784h"
		someClient  = " is none of address, CIDR block and entry of clients; write e.g. 192.168.56.11, 172.20.0.0/16 or clients[0]"
	)
	for _, c := range []refused{
		// kinds
		{`{}`, "", "no kind of event; set one of spot, rebalance, maintenance, asg, profile, credentials, tags, options, network, public_ip, restart, set, unset"},
		{`{"id": "a", "in": "30s", "restart": false}`, "", "no kind of event; set one of spot, rebalance, maintenance, asg, profile, credentials, tags, options, network, public_ip, restart, set, unset"},
		{`{"spot": "stop", "maintenance": "instance-stop"}`, "maintenance", "spot is set too, and an event has one kind; make two events of it"},
		{`{"maintenance": "instance-stop", "rebalance": true}`, "maintenance", "rebalance is set too, and an event has one kind; make two events of it"},
		{`{"restart": true, "unset": ["meta-data/x"]}`, "unset", "restart is set too, and an event has one kind; make two events of it"},
		{`{"asg": "gone", "set": {"meta-data/x": "1"}, "unset": ["meta-data/y"]}`, "set", "asg is set too, and an event has one kind; make two events of it"},
		// keys of other kinds
		{`{"asg": "gone", "notice": "2m"}`, "notice", "is not for an event of kind asg, only for spot; remove it"},
		{`{"rebalance": true, "then": "gone"}`, "then", "is not for an event of kind rebalance, only for spot; remove it"},
		{`{"spot": "stop", "not_before": "2026-12-01T02:00:00Z"}`, "not_before", "is not for an event of kind spot, only for maintenance; remove it"},
		{`{"spot": "stop", "lag": "5s"}`, "lag", "is not for an event of kind spot, only for profile and network; remove it"},
		{`{"asg": "gone", "role": "web"}`, "role", "is not for an event of kind asg, only for profile; remove it"},
		{`{"asg": "gone", "mac": "0a:00:00:00:00:01"}`, "mac", "is not for an event of kind asg, only for network; remove it"},
		{`{"asg": "gone", "interface": {}}`, "interface", "is not for an event of kind asg, only for network; remove it"},
		{`{"set": {"meta-data/x": "1"}, "user_data": "x"}`, "user_data", "is not for an event of kind set, only for restart; remove it"},
		// words
		{`{"id": "a/b", "asg": "gone"}`, "id", `"a/b" is not an id; it has 1 to 64 of letters, digits and ._-`},
		{`{"id": "..", "asg": "gone"}`, "id", `".." is not an id; URLs cannot hold it`},
		{`{"spot": "shutdown"}`, "spot", `"shutdown" is not one of terminate, stop, hibernate`},
		{`{"spot": "stop", "then": "leave"}`, "then", `"leave" is not one of stay, clear, gone, exit`},
		{`{"maintenance": "reboot"}`, "maintenance", `"reboot" is not one of instance-stop, instance-retirement, instance-reboot, system-reboot, system-maintenance`},
		{`{"asg": "In Service"}`, "asg", `"In Service" holds a space or a control character`},
		{`{"credentials": "rotate", "clients": ["10.0.0.0/8"]}`, "credentials", "sessions rotate for all clients, or for entries such as clients[0]; leave addresses out"},
		{`{"credentials": "rotate", "first_clients": 1}`, "credentials", "sessions rotate for all clients, or for entries such as clients[0]; leave addresses out"},
		{`{"credentials": "renew"}`, "credentials", `"renew" is not one of rotate`},
		// durations and times
		{`{"spot": "stop", "notice": "-1s"}`, "notice", "-1s" + days},
		{`{"spot": "stop", "notice": "8785h"}`, "notice", "8785h" + days},
		{`{"spot": "stop", "in": "-5m"}`, "in", "-5m" + days},
		{`{"spot": "stop", "in": "9000h"}`, "in", "9000h" + days},
		{`{"profile": "detach", "lag": "-1s"}`, "lag", "-1s" + days},
		{`{"spot": "stop", "notice": "120"}`, "notice", `"120" has no unit; write e.g. 120s, 15m or 1h`},
		{`{"spot": "stop", "at": "tomorrow"}`, "at", `"tomorrow" is not a time; write e.g. 2026-12-01T02:00:00Z`},
		{`{"maintenance": "system-reboot", "not_before": "2026-12-01"}`, "not_before", `"2026-12-01" is not a time; write e.g. 2026-12-01T02:00:00Z`},
		{
			`{"maintenance": "system-reboot", "not_before": "2026-12-01T02:00:00Z", "not_after": "2026-12-01T03:00:00+01:00"}`, "not_after",
			"2026-12-01T03:00:00+01:00 is not after not_before, 2026-12-01T02:00:00Z",
		},
		// rebalance
		{`{"spot": "stop", "rebalance": true}`, "rebalance", "in a spot event it is how long before the notice the signal comes; write e.g. 10m"},
		{`{"rebalance": "10m"}`, "rebalance", "10m is for a spot event, and this is none; write true"},
		{`{"spot": "stop", "rebalance": "-1m"}`, "rebalance", "-1m" + days},
		{`{"spot": "stop", "rebalance": "soon"}`, "rebalance", `"soon" is not a duration; write e.g. 1h, 15m or 90s; without spot it is true`},
		// profile
		{`{"profile": "replace"}`, "role", "is missing, and replace needs it; name a role, such as web"},
		{`{"profile": "detach", "role": "web"}`, "role", "is not for detach, only for replace; remove it"},
		{`{"profile": "break", "code": "Success"}`, "code", "Success is no error; write e.g. AssumeRoleUnauthorizedAccess"},
		{`{"profile": "break"}`, "code", "is missing, and break needs it; write e.g. AssumeRoleUnauthorizedAccess"},
		{`{"profile": "attach", "code": "NoRole"}`, "code", "is not for attach, only for break; remove it"},
		{`{"profile": "replace", "role": "a/b"}`, "role", `"a/b" is not a name of a role; it has 1 to 64 of letters, digits and _+=,.@-`},
		// tags, options
		{`{"tags": {}}`, "tags", "changes nothing; write e.g. {set: {Name: web}} or {unset: [Name]}"},
		{`{"tags": {"set": {"a/b": "c"}}}`, "tags.set.a/b", `"a/b"` + tagKey},
		{`{"tags": {"set": {"_index": "c"}}}`, "tags.set._index", `"_index"` + tagKey},
		{`{"tags": {"unset": ["a", "b c"]}}`, "tags.unset[1]", `"b c"` + tagKey},
		{`{"tags": {"set": {"a": "b"}, "unset": ["c", "a"]}}`, "tags.unset[1]", "a is in tags.set, too; remove it from one of them"},
		{`{"tags": {"set": {"a": null}}}`, "tags.set.a", "null sets nothing; name the tag in unset"},
		{`{"options": {}}`, "options", "changes nothing; set one of http_tokens, http_endpoint, http_put_response_hop_limit, instance_metadata_tags"},
		{`{"options": {"http_tokens": "never"}}`, "options.http_tokens", `"never" is not one of optional, required`},
		{`{"options": {"http_endpoint": "off"}}`, "options.http_endpoint", `"off" is not one of enabled, disabled`},
		{`{"options": {"http_put_response_hop_limit": 65}}`, "options.http_put_response_hop_limit", "65 is not from 1 to 64"},
		{`{"options": {"instance_metadata_tags": "on"}}`, "options.instance_metadata_tags", `"on" is not one of enabled, disabled`},
		// network
		{`{"network": "add-ip"}`, "address", "is missing, and add-ip needs it; write e.g. 10.0.0.20, or 10.0.1.0/28 for a prefix"},
		{`{"network": "remove-ip", "mac": "0a:00:00:00:00:01"}`, "address", "is missing, and remove-ip needs it; write e.g. 10.0.0.20, or 10.0.1.0/28 for a prefix"},
		{`{"network": "add-ip", "address": "ten"}`, "address", `"ten" is neither an address nor a CIDR block; write e.g. 10.0.0.20, or 10.0.1.0/28 for a prefix`},
		{`{"network": "add-ip", "address": "127.0.0.1"}`, "address", "127.0.0.1 is a loopback address; an instance has one of its VPC, e.g. 10.0.0.10"},
		{`{"network": "attach", "address": "10.0.0.20"}`, "address", "is not for attach, only for add-ip and remove-ip; remove it"},
		{`{"network": "detach"}`, "mac", "is missing; name the interface to detach, as meta-data/network/interfaces/macs/ lists it"},
		{`{"network": "attach", "mac": "0a:00:00:00:00:01"}`, "mac", "attach makes an interface; write interface: {mac: 0a:00:00:00:00:01}"},
		{`{"network": "detach", "mac": "0a:00:00:00:00:01", "interface": {}}`, "interface", "is not for detach, only for attach; remove it"},
		{`{"network": "attach", "interface": {"ipv6s": ["::1", "x"]}}`, "interface.ipv6s[1]", `"x" is not an IPv6 address`},
		{`{"public_ip": "2001:db8::1"}`, "public_ip", `"2001:db8::1" is not an IPv4 address or release`},
		// paths
		{`{"set": {"/meta-data/x": "1"}}`, "set./meta-data/x", "not a path below the version; write it like meta-data/ami-id"},
		{`{"set": {"api/token": "1"}}`, "set.api/token", "neither user-data nor a path below meta-data/ or dynamic/"},
		{`{"set": {"meta-data/iam/security-credentials/r": "{}"}}`, "set.meta-data/iam/security-credentials/r", credentials},
		{`{"set": {"meta-data/x": null}}`, "set.meta-data/x", "null sets nothing; name the path in unset"},
		{`{"set": {"meta-data/x": "1", "meta-data/x/y": "2"}}`, "set.meta-data/x/y", "nothing can be below meta-data/x, which has a value; keep one of them"},
		{`{"unset": ["meta-data/iam"]}`, "unset[0]", credentials},
		{`{"unset": ["meta-data"]}`, "unset[0]", credentials},
		{`{"set": {"meta-data/x": "1"}, "unset": ["meta-data/x"]}`, "unset[0]", "meta-data/x is in set, too; remove it from one of them"},
		// trigger and clients
		{`{"asg": "gone", "in": "5s", "at": "2026-12-01T02:00:00Z"}`, "at", "in is set too; keep one of them"},
		{`{"asg": "gone", "at": "2026-12-01T02:00:00Z", "after_requests": {"count": 1}}`, "after_requests", "at is set too; keep one of them"},
		{`{"asg": "gone", "after_requests": {}}`, "after_requests.count", "is missing; write how many requests the event waits for"},
		{`{"asg": "gone", "after_requests": {"count": 0}}`, "after_requests.count", "0 is less than 1"},
		{
			`{"asg": "gone", "after_requests": {"count": 1, "path": "/latest/user-data"}}`, "after_requests.path",
			`"/latest/user-data" does not start below the version; write user-data`,
		},
		{`{"asg": "gone", "clients": ["10.0.0.1"], "first_clients": 1}`, "first_clients", "clients is set too; keep one of them"},
		{`{"asg": "gone", "first_clients": 0}`, "first_clients", "0 is not from 1 to 10000"},
		{`{"asg": "gone", "clients": ["10.0.0.1", "web"]}`, "clients[1]", `"web"` + someClient},
		{`{"asg": "gone", "clients": ["clients[x]"]}`, "clients[0]", `"clients[x]"` + someClient},
		{`{"asg": "gone", "clients": ["clients[01]"]}`, "clients[0]", `"clients[01]"` + someClient},
		{`{"asg": "gone", "clients": ["10.0.0.1/8"]}`, "clients[0]", "10.0.0.1/8 has bits behind its first 8; write 10.0.0.0/8, or 10.0.0.1 for the one address"},
	} {
		c.check(t, "events", parseEvent)
	}
}
