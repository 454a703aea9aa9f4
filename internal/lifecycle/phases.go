package lifecycle

import (
	"time"

	"mock-ec2-metadata/internal/config"
)

// Phases of events (control-api section 4.3).
const (
	Pending   = "pending"
	Rebalance = "rebalance"
	Noticed   = "noticed"
	Acted     = "acted"
	Scheduled = "scheduled"
	Completed = "completed"
	Canceled  = "canceled"
	Partial   = "partial"
	Complete  = "complete"
	Lag       = "lag"
	Active    = "active"
)

// Phase is a phase of an event and when it begins. Times are fixed once the event is activated.
type Phase struct {
	Name string
	// At has the monotonic reading of the activation, so that a jump of the wall clock moves no phase. That of at has none.
	At time.Time
}

// spotNotice is EC2's lead between the notice and the action (events-reference section 1.2).
const spotNotice = 2 * time.Minute

// notice is how long before the action a spot event announces it. Hibernation begins at once.
func notice(spec *config.Event) time.Duration {
	switch {
	case spec.Notice != nil:
		return *spec.Notice
	case spec.Spot == "hibernate":
		return 0
	default:
		return spotNotice
	}
}

// signal is how long before the notice a spot event sends the rebalance recommendation; false for none.
func signal(spec *config.Event) (time.Duration, bool) {
	d, err := time.ParseDuration(spec.Rebalance)
	return d, spec.Spot != "" && spec.Rebalance != "" && err == nil
}

// phasesOf returns the phases of an event that is activated at a time.
func phasesOf(spec *config.Event, at time.Time) []Phase {
	switch spec.Kind() {
	case kindSpot:
		var phases []Phase
		if ahead, ok := signal(spec); ok {
			phases = append(phases, Phase{Rebalance, at})
			at = at.Add(ahead)
		}
		acted := at
		if lead := notice(spec); lead > 0 { // the action is not before the time that clients are told
			acted = at.Add(lead)
			acted = acted.Add(Seconds(acted).Sub(acted.Round(0)))
		}
		return append(phases, Phase{Noticed, at}, Phase{Acted, acted})
	case kindRebalance:
		return []Phase{{Noticed, at}}
	case kindMaintenance:
		return []Phase{{Scheduled, at}}
	case kindNetwork:
		return lagging(spec.Lag, at, Partial, Complete)
	case kindProfile:
		return lagging(spec.Lag, at, Lag, Active)
	default:
		return []Phase{{Active, at}}
	}
}

// lagging returns two phases, or the last one if there is no lag.
func lagging(lag time.Duration, at time.Time, during, after string) []Phase {
	if lag <= 0 {
		return []Phase{{after, at}}
	}
	return []Phase{{during, at}, {after, at.Add(lag)}}
}

// PhaseNames are those that an event of this kind can have, in order.
func (e *Event) PhaseNames() []string {
	switch e.Spec.Kind() {
	case kindSpot:
		return []string{Pending, Rebalance, Noticed, Acted}
	case kindRebalance:
		return []string{Pending, Noticed}
	case kindMaintenance:
		return []string{Pending, Scheduled, Completed, Canceled}
	case kindNetwork:
		return []string{Pending, Partial, Complete}
	case kindProfile:
		return []string{Pending, Lag, Active}
	default:
		return []string{Pending, Active}
	}
}

// activationOf is when a new event begins; past says that the time in at is over. The configuration has validated at.
func activationOf(spec *config.Event, now time.Time) (at time.Time, past bool, err error) {
	if spec.At == "" {
		return now.Add(spec.In), false, nil
	}
	at, err = parseTime("at", spec.At)
	if err != nil {
		return time.Time{}, false, err
	}
	if at.Before(now) {
		return now, true, nil
	}
	return at, false, nil
}

// parseTime parses the time of a field.
func parseTime(field, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, wrong(field, "%q is not a time; write e.g. 2026-12-01T02:00:00Z", text)
	}
	return t, nil
}

// Seconds rounds a time up to whole seconds, in UTC, as it is published: clients must not be told of an earlier time than that of a phase.
func Seconds(t time.Time) time.Time {
	t = t.UTC().Round(0)
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}

// timestamp formats a time as the service publishes it.
func timestamp(t time.Time) string { return Seconds(t).Format(time.RFC3339) }
