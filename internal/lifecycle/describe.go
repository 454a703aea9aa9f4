package lifecycle

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

// Kinds of events (control-api section 2).
const (
	kindSpot        = "spot"
	kindRebalance   = "rebalance"
	kindMaintenance = "maintenance"
	kindASG         = "asg"
	kindProfile     = "profile"
	kindCredentials = "credentials"
	kindTags        = "tags"
	kindOptions     = "options"
	kindNetwork     = "network"
	kindPublicIP    = "public_ip"
	kindRestart     = "restart"
	kindSet         = "set"
	kindUnset       = "unset"
)

// Title is the kind and the verb: "spot terminate".
func (e *Event) Title() string {
	spec, kind := &e.Spec, e.Spec.Kind()
	verb := map[string]string{
		kindSpot:        spec.Spot,
		kindMaintenance: spec.Maintenance,
		kindASG:         spec.ASG,
		kindProfile:     spec.Profile,
		kindCredentials: spec.Credentials,
		kindNetwork:     spec.Network,
		kindPublicIP:    spec.PublicIP,
	}[kind]
	if verb == "" {
		return kind
	}
	return kind + " " + verb
}

// Timeline describes when the phases of an event of the configuration begin, a line each, relative to the start.
func Timeline(spec config.Event) []string {
	var start time.Time // of the daemon, or the time that at names
	switch at, err := time.Parse(time.RFC3339, spec.At); {
	case spec.At != "" && err == nil:
		start = at.UTC()
	case spec.In > 0:
		start = start.Add(spec.In)
	}
	var lines []string
	if spec.In > 0 || spec.At != "" || spec.AfterRequests != nil {
		lines = append(lines, Pending+" at the start")
	}
	for _, p := range phasesOf(&spec, start) {
		line := p.Name + " " + moment(&spec, p.At)
		if p.Name == Acted && spec.Then != "" && spec.Then != "stay" {
			line += ", then " + spec.Then
		}
		lines = append(lines, line)
	}
	return lines
}

// moment describes a time after the zero time, which is the start or the last of the requests that an event waits for. With at it is
// absolute.
func moment(spec *config.Event, t time.Time) string {
	since := t.Sub(time.Time{})
	switch after := spec.AfterRequests; {
	case spec.At != "":
		return "at " + t.Format(time.RFC3339)
	case after != nil:
		requests := "after " + strconv.Itoa(after.Count) + " requests"
		if after.Count == 1 {
			requests = "after 1 request"
		}
		if after.Path != "" {
			requests += " of " + after.Path
		}
		if since > 0 {
			return short(since) + " " + requests
		}
		return requests
	case since > 0:
		return short(since) + " after the start"
	default:
		return "at the start"
	}
}

// short formats a duration: 90s, 3m30s, 2h. Less than two minutes are seconds.
func short(d time.Duration) string {
	if d < 2*time.Minute && d%time.Minute != 0 && d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
