package config

import (
	"reflect"
	"runtime"
)

// FieldError says what is wrong with a key of an event or a fault that was given as JSON.
type FieldError struct {
	// Field is the key, such as notice or match.paths[0]; "" if no single key is at fault.
	Field string
	// Reason is one line, and starts with the field.
	Reason string
}

func (e *FieldError) Error() string { return e.Reason }

// ParseEvent reads the body of an event, one JSON object in the words of the configuration. Its rules are those of the configuration,
// but that nothing is compared with its other keys. warnings are what is unusual about it, a line each. The error is a *FieldError.
func ParseEvent(body []byte) (e Event, warnings []string, err error) {
	if warnings, err = parseBody(body, &e, e.check); err != nil {
		return Event{}, nil, err
	}
	e.normalise()
	return e, warnings, nil
}

// ParseFault reads the body of a fault; see ParseEvent.
func ParseFault(body []byte) (f Fault, warnings []string, err error) {
	if warnings, err = parseBody(body, &f, f.check); err != nil {
		return Fault{}, nil, err
	}
	return f, warnings, nil
}

// MaintenanceVerb changes a scheduled maintenance event. The times are RFC 3339, and of reschedule alone.
type MaintenanceVerb struct {
	Verb      string `yaml:"verb" oneof:"complete, cancel, reschedule"`
	NotBefore string `yaml:"not_before" is:"time"`
	NotAfter  string `yaml:"not_after" is:"time"`
}

// ParseMaintenance reads the body of a verb for a maintenance event: {"verb": "complete" | "cancel" | "reschedule"}, with not_before and,
// if it has an end, not_after for reschedule. The error is a *FieldError.
func ParseMaintenance(body []byte) (m MaintenanceVerb, err error) {
	if _, err = parseBody(body, &m, m.check); err != nil {
		return MaintenanceVerb{}, err
	}
	return m, nil
}

func (m *MaintenanceVerb) check(r findings) {
	r.missing("verb", m.Verb != "", "write complete, cancel or reschedule")
	if m.Verb == "" {
		return
	}
	r.verb("not_before", m.NotBefore != "", m.Verb, "write e.g. 2026-12-01T02:00:00Z", "reschedule")
	if m.NotAfter != "" && m.Verb != "reschedule" {
		r.wrong("not_after", "is not for %s, only for reschedule; remove it", m.Verb)
	}
	checkWindow(m.NotBefore, m.NotAfter, r)
}

// parseBody decodes a body into a block and applies the rules that compare its keys.
func parseBody(body []byte, block any, check func(r findings)) (warnings []string, err error) {
	root, wrong := parseJSON(body)
	if wrong != "" {
		return nil, &FieldError{Reason: wrong}
	}
	l := &loader{scope: &scope{}, paths: paths{}, fields: map[reflect.Type][]field{}, strict: true, goos: runtime.GOOS}
	l.decode(root, reflect.ValueOf(block).Elem(), "", "")
	if len(l.problems) == 0 {
		check(l.findings(""))
	}
	if len(l.problems) > 0 {
		return nil, l.problems[0].fieldError()
	}
	for _, w := range l.warnings {
		warnings = append(warnings, w.fieldError().Reason)
	}
	return warnings, nil
}

func (p problem) fieldError() *FieldError {
	e := &FieldError{Field: oneLine(p.path), Reason: p.text}
	if p.path != "" {
		e.Reason = e.Field + ": " + p.text
	}
	return e
}
