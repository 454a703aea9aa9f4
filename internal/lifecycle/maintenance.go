package lifecycle

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

const (
	scheduledLeaf = "meta-data/events/maintenance/scheduled"
	historyLeaf   = "meta-data/events/maintenance/history"
)

// Defaults of a maintenance event (events-reference section 5.3).
const (
	maintenanceAhead    = 7 * 24 * time.Hour
	maintenanceDuration = 2 * time.Hour
)

// window is a maintenance event as it is published.
type window struct {
	code, description, id string
	notBefore             time.Time
	notAfter              time.Time // zero for none
	state                 string    // as listed
}

// eventID is EC2's id of a maintenance event.
func (e *Event) eventID() string {
	return cmp.Or(e.Spec.EventID, hexID("instance-event-", e.ID))
}

// descriptionOf is EC2's text for a code (events-reference section 1.3).
func descriptionOf(code string) string {
	switch code {
	case "instance-stop", "instance-retirement":
		return "The instance is running on degraded hardware"
	case "system-maintenance":
		return "scheduled maintenance"
	default:
		return "scheduled reboot"
	}
}

// ends reports whether events of a code have an end: those after which the instance is still there.
func ends(code string) bool { return code != "instance-stop" && code != "instance-retirement" }

// newWindow fixes the times of an event that is scheduled at a time.
func newWindow(id string, spec *config.Event, at time.Time) (window, error) {
	e := Event{ID: id, Spec: *spec}
	w := window{
		code:        spec.Maintenance,
		description: cmp.Or(spec.Description, descriptionOf(spec.Maintenance)),
		id:          e.eventID(),
		notBefore:   Seconds(at.Add(maintenanceAhead)),
	}
	if ends(spec.Maintenance) {
		w.notAfter = w.notBefore.Add(maintenanceDuration)
	}
	return w.rescheduled(spec.NotBefore, spec.NotAfter)
}

// rescheduled returns the window at other times. With a beginning alone it lasts as long as before.
func (w window) rescheduled(notBefore, notAfter string) (window, error) {
	if notBefore != "" {
		t, err := parseTime("not_before", notBefore)
		if err != nil {
			return w, err
		}
		if !w.notAfter.IsZero() {
			w.notAfter = Seconds(t).Add(w.notAfter.Sub(w.notBefore))
		}
		w.notBefore = Seconds(t)
	}
	if notAfter != "" {
		t, err := parseTime("not_after", notAfter)
		if err != nil {
			return w, err
		}
		w.notAfter = Seconds(t)
	}
	if !w.notAfter.IsZero() && !w.notAfter.After(w.notBefore) {
		return w, wrong("not_after", "%s is not after not_before, %s; write a later time", timestamp(w.notAfter), timestamp(w.notBefore))
	}
	return w, nil
}

// Maintain completes, cancels or reschedules a maintenance event, by our id or EC2's. The error is an *Error.
func (s Set) Maintain(id string, verb config.MaintenanceVerb, now time.Time) (Set, *Event, error) {
	e := s.Find(id)
	if e == nil {
		i := slices.IndexFunc(s.events, func(e *Event) bool { return e.Spec.Maintenance != "" && e.eventID() == id })
		if i < 0 {
			return s, nil, notFound(id)
		}
		e = s.events[i]
	}
	if e.Spec.Maintenance == "" {
		return s, nil, wrong("verb", "%s is for maintenance, and event %s is %s; end that with event cancel or DELETE", verb.Verb, e.ID, e.Title())
	}
	if phase := e.PhaseAt(now).Name; phase != Scheduled {
		return s, nil, inTheWay("verb", "event %s is %s; %s needs a scheduled one", e.ID, phase, verb.Verb)
	}
	changed := *e
	switch verb.Verb {
	case "complete":
		changed.Phases = append(slices.Clip(e.Phases), Phase{Completed, now})
	case "cancel":
		changed.Phases = append(slices.Clip(e.Phases), Phase{Canceled, now})
	case "reschedule":
		if verb.NotBefore == "" && verb.NotAfter == "" {
			return s, nil, wrong("not_before", "reschedule needs a time; write not_before, not_after or both")
		}
		w, err := e.window.rescheduled(verb.NotBefore, verb.NotAfter)
		if err != nil {
			return s, nil, err
		}
		changed.window = w
	default:
		return s, nil, wrong("verb", "%q is none of complete, cancel and reschedule", verb.Verb)
	}
	return s.update(&changed), &changed, nil
}

// maintenance lists an event among those scheduled, or in the history.
func (p *patch) maintenance(e *Event, phase string) error {
	scheduled, history := p.scheduled, p.history
	w := e.window
	switch phase {
	case Completed:
		w.state, w.description = "completed", "[Completed] "+w.description
		history = inserted(history, w)
	case Canceled:
		w.state, w.description = "canceled", "[Canceled] "+w.description
		history = inserted(history, w)
	default:
		w.state = "active"
		scheduled = inserted(scheduled, w)
	}
	values := map[string]string{scheduledLeaf: windowsJSON(scheduled)}
	if len(history) > 0 {
		values[historyLeaf] = windowsJSON(history)
	}
	if err := p.put(kindMaintenance, values); err != nil {
		return err
	}
	p.scheduled, p.history = scheduled, history
	return nil
}

// inserted returns the windows with another one, by their beginning.
func inserted(windows []window, w window) []window {
	all := append(slices.Clip(windows), w)
	slices.SortStableFunc(all, func(a, b window) int { return a.notBefore.Compare(b.notBefore) })
	return all
}

// maintenanceTime is how the service writes times of maintenance: 21 Jan 2019 09:00:43 GMT.
const maintenanceTime = "02 Jan 2006 15:04:05 GMT"

// windowsJSON encodes windows as the documentation shows them, with its trailing spaces (imds-reference section 6.6).
func windowsJSON(windows []window) string {
	if len(windows) == 0 {
		return "[]"
	}
	objects := make([]string, len(windows))
	for i, w := range windows {
		fields := []string{
			member("NotBefore", w.notBefore.Format(maintenanceTime)),
			member("Code", w.code),
			member("Description", w.description),
			member("EventId", w.id),
		}
		if !w.notAfter.IsZero() {
			fields = append(fields, member("NotAfter", w.notAfter.Format(maintenanceTime)))
		}
		fields = append(fields, member("State", w.state))
		objects[i] = "  {\n    " + strings.Join(fields, ",\n    ") + "\n  }"
	}
	return "[ \n" + strings.Join(objects, ", \n") + " \n]"
}

// member encodes a member of an object as the service does.
func member(key, value string) string { return fmt.Sprintf("%q : %s", key, quote(value)) }

// quote encodes a JSON string. Unlike json.Marshal it leaves <, > and & as they are.
func quote(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
