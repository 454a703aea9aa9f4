package app

import (
	"fmt"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/lifecycle"
)

// checkSimulation finds out whether the events and faults of a configuration are possible. It returns them.
func checkSimulation(l *config.Loaded) (*Inputs, error) {
	in := &Inputs{Config: l}
	now := time.Now()
	if err := in.configureEvents(&config.Config{}, now); err != nil {
		return nil, err
	}
	if err := in.configureFaults(&config.Config{}, now, new(fault.Waiting)); err != nil {
		return nil, err
	}
	return in, nil
}

// DescribeSimulation says in words when the events of a configuration change what, a line for each phase, and what its faults do.
// warnings are what is unusual about the events.
func DescribeSimulation(l *config.Loaded) (lines, warnings []string, err error) {
	in, err := checkSimulation(l)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range namedEvents(l.Config.Events) {
		added := in.Events.Find(e.ID)
		title := e.Kind()
		if added != nil { // another event may have taken its place
			title = added.Title()
			for _, w := range added.Warnings {
				warnings = append(warnings, "event "+e.ID+": "+w)
			}
		}
		for _, line := range lifecycle.Timeline(e.Event) {
			lines = append(lines, fmt.Sprintf("event %s: %s: %s%s", e.ID, title, line, whom(&e.Event)))
		}
	}
	for _, r := range in.Faults.Rules() {
		lines = append(lines, fmt.Sprintf("fault %s: %s: %s: %s", r.ID, r.MatchText(), r.DoseText(), r.EffectText()))
	}
	return lines, warnings, nil
}

// whom says for which clients an event is; "" for all.
func whom(e *config.Event) string {
	switch {
	case len(e.Clients) > 0:
		return ", for " + strings.Join(e.Clients, " and ")
	case e.FirstClients == 1:
		return ", for the first client"
	case e.FirstClients > 0:
		return fmt.Sprintf(", for the first %d clients", e.FirstClients)
	default:
		return ""
	}
}
