package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

var eventType = reflect.TypeFor[Event]()

// check applies the rules that compare keys of an event. Each key alone is valid.
func (e *Event) check(r findings) {
	switch kinds := e.kinds().chosen(); {
	case len(kinds) == 0:
		r.wrong("", "no kind of event; set one of %s", e.kinds().names())
		return
	case len(kinds) > 1:
		r.wrong(kinds[1], "%s is set too, and an event has one kind; make two events of it", kinds[0])
		return
	}
	e.checkForeign(r)
	switch e.Kind() {
	case "spot", "rebalance":
		e.checkRebalance(r)
	case "maintenance":
		checkWindow(e.NotBefore, e.NotAfter, r)
		if e.NotAfter != "" && (e.Maintenance == "instance-stop" || e.Maintenance == "instance-retirement") {
			r.odd("not_after", "EC2 shows no end of %s", e.Maintenance)
		}
	case "profile":
		r.verb("role", e.Role != "", e.Profile, "name a role, such as web", "replace")
		r.verb("code", e.Code != "", e.Profile, "write e.g. AssumeRoleUnauthorizedAccess", "break")
		if e.Code == success {
			r.wrong("code", "Success is no error; write e.g. AssumeRoleUnauthorizedAccess")
		}
	case "credentials":
		if e.FirstClients > 0 || slices.ContainsFunc(e.Clients, func(c string) bool { return !strings.HasPrefix(c, "clients[") }) {
			r.wrong("credentials", "sessions rotate for all clients, or for entries such as clients[0]; leave addresses out")
		}
	case "network":
		r.verb("address", e.Address != "", e.Network, "write e.g. 10.0.0.20, or 10.0.1.0/28 for a prefix", "add-ip", "remove-ip")
		e.checkMAC(r)
		if e.Interface != nil && e.Network != "attach" {
			r.wrong("interface", "is not for %s, only for attach; remove it", e.Network)
		}
	case "tags":
		e.Tags.check(r)
	case "options":
		e.Options.check(r)
	case "set", "unset":
		e.checkPaths(r)
	}
	e.checkTrigger(r)
}

// checkForeign reports keys of other kinds of events.
func (e *Event) checkForeign(r findings) {
	v, kind := reflect.ValueOf(e).Elem(), e.Kind()
	for _, f := range fieldsOf(eventType) {
		owners := f.tag.Get("of")
		if owners == "" || isUnset(v.FieldByIndex(f.index), f.tag) || slices.Contains(strings.Split(owners, ", "), kind) {
			continue
		}
		r.wrong(f.key, "is not for an event of kind %s, only for %s; remove it", kind, strings.ReplaceAll(owners, ", ", " and "))
	}
}

// checkRebalance tells the two meanings of rebalance apart.
func (e *Event) checkRebalance(r findings) {
	switch {
	case e.Spot != "" && e.Rebalance == "true":
		r.wrong("rebalance", "in a spot event it is how long before the notice the signal comes; write e.g. 10m")
	case e.Spot == "" && e.Rebalance != "true":
		r.wrong("rebalance", "%s is for a spot event, and this is none; write true", e.Rebalance)
	}
}

// verb requires a key of the events with certain verbs, and refuses it in those with others.
func (r findings) verb(key string, set bool, verb, fix string, of ...string) {
	switch has := slices.Contains(of, verb); {
	case has && !set:
		r.wrong(key, "is missing, and %s needs it; %s", verb, fix)
	case !has && set:
		r.wrong(key, "is not for %s, only for %s; remove it", verb, strings.Join(of, " and "))
	}
}

func (e *Event) checkMAC(r findings) {
	switch {
	case e.Network == "detach":
		r.missing("mac", e.MAC != "", "name the interface to detach, as meta-data/network/interfaces/macs/ lists it")
	case e.Network == "attach" && e.MAC != "":
		r.wrong("mac", "attach makes an interface; write interface: {mac: %s}", e.MAC)
	}
}

// checkWindow requires that a window ends after it begins.
func checkWindow(notBefore, notAfter string, r findings) {
	begin, err := time.Parse(time.RFC3339, notBefore)
	end, err2 := time.Parse(time.RFC3339, notAfter)
	if err == nil && err2 == nil && !end.After(begin) {
		r.wrong("not_after", "%s is not after not_before, %s", notAfter, notBefore)
	}
}

func (t *EventTags) check(r findings) {
	if len(t.Set) == 0 && len(t.Unset) == 0 {
		r.wrong("tags", "changes nothing; write e.g. {set: {Name: web}} or {unset: [Name]}")
	}
	for i, key := range t.Unset {
		if _, both := t.Set[key]; both {
			r.wrong(element("tags.unset", i), "%s is in tags.set, too; remove it from one of them", key)
		}
	}
}

func (o *EventOptions) check(r findings) {
	if *o == (EventOptions{}) {
		r.wrong("options", "changes nothing; set one of %s", strings.Join(keys(reflect.TypeFor[EventOptions]()), ", "))
	}
	if n := o.HTTPPutResponseHopLimit; n != 0 && n != noHopLimit && r.goos != "linux" {
		r.wrong("options.http_put_response_hop_limit", "%d needs Linux, and this is %s; leave it at %d, no limit", n, r.goos, noHopLimit)
	}
}

// checkPaths requires that the paths of an event go together.
func (e *Event) checkPaths(r findings) {
	for i, path := range e.Unset {
		if _, both := e.Set[path]; both {
			r.wrong(element("unset", i), "%s is in set, too; remove it from one of them", path)
		}
	}
	has := func(path string) bool { _, ok := e.Set[path]; return ok }
	for _, path := range sortedKeys(e.Set) {
		if above := leafAbove(has, path); above != "" {
			r.wrong(join("set", path), "nothing can be below %s, which has a value; keep one of them", above)
		}
		if wrong := userData(e.Set[path]); path == "user-data" && wrong != "" {
			r.wrong(join("set", path), "%s", wrong)
		}
	}
}

// checkTrigger checks when the event begins, and who sees it.
func (e *Event) checkTrigger(r findings) {
	r.exclusive("", choices{{"in", e.In != 0}, {"at", e.At != ""}, {"after_requests", e.AfterRequests != nil}})
	if e.AfterRequests != nil {
		r.missing("after_requests.count", e.AfterRequests.Count > 0, "write how many requests the event waits for")
	}
	r.exclusive("", choices{{"clients", len(e.Clients) > 0}, {"first_clients", e.FirstClients > 0}})
}

// normalise gives equal events equal words.
func (e *Event) normalise() {
	if d, err := time.ParseDuration(e.Rebalance); err == nil {
		e.Rebalance = shortDuration(d)
	}
}
