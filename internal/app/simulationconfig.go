package app

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/lifecycle"
)

// configure takes the events and faults of the configuration in place of those of the one before, nil at the start. What both
// have goes on as it is, and what has ended of it does not begin again. Events made at run time stay while they fit.
func (in *Inputs) configure(before *config.Config, now time.Time, waiting *fault.Waiting) error {
	if before == nil {
		before = &config.Config{}
	}
	if err := in.configureEvents(before, now); err != nil {
		return err
	}
	if err := in.configureFaults(before, now, waiting); err != nil {
		return err
	}
	in.Events = in.Events.Advance(now)
	for _, e := range in.Events.Events() {
		if err := e.CheckEntries(len(in.Config.Config.Clients)); err != nil {
			in.dropMisfit(e.ID, err)
		} else if err := in.owned(e, e.Paths); err != nil {
			in.dropMisfit(e.ID, err)
		}
	}
	in.dropMisfits(now, true)
	return nil
}

func (in *Inputs) configureEvents(before *config.Config, now time.Time) error {
	old, all := namedEvents(before.Events), namedEvents(in.Config.Config.Events)
	for i := range old {
		if e := in.Events.Find(old[i].ID); e != nil && e.FromConfig && !slices.ContainsFunc(all, old[i].same) {
			in.Events, _ = in.Events.Remove(e.ID)
		}
	}
	for i := range all {
		if slices.ContainsFunc(old, all[i].same) {
			continue
		}
		e, err := in.addEvent(all[i].ID, all[i].Event, now)
		if err != nil {
			return in.problem("events", i, err)
		}
		e.FromConfig = true
	}
	return nil
}

func (in *Inputs) configureFaults(before *config.Config, now time.Time, waiting *fault.Waiting) error {
	old, all := namedFaults(before.Faults), namedFaults(in.Config.Config.Faults)
	for i := range old {
		if r := in.Faults.Find(old[i].ID); r != nil && r.FromConfig && !slices.ContainsFunc(all, old[i].same) {
			in.Faults = in.Faults.Without(r.ID)
		}
	}
	for i := range all {
		if slices.ContainsFunc(old, all[i].same) {
			continue
		}
		if until, err := time.Parse(time.RFC3339, all[i].Dose.Until); err == nil && !until.After(now) {
			in.over = append(in.over, all[i].ID)
			continue
		}
		r, err := in.addFault(all[i].ID, all[i].Fault, now, waiting)
		if err != nil {
			return in.problem("faults", i, err)
		}
		r.FromConfig = true
	}
	return nil
}

// problem names the file and the line of what is wrong with an element of a list.
func (in *Inputs) problem(list string, i int, err error) error {
	field, reason := "", err.Error()
	if e, ok := errors.AsType[*lifecycle.Error](err); ok {
		field = e.Field
	}
	if e, ok := errors.AsType[*config.FieldError](err); ok {
		field = e.Field
	}
	path := fmt.Sprintf("%s[%d]", list, i)
	if field != "" {
		path, reason = path+"."+field, strings.TrimPrefix(reason, field+": ")
	}
	return in.Config.Problem(path, "%s", reason)
}

// namedEvent is an event of the configuration with an id.
type namedEvent struct{ config.Event }

func (e namedEvent) same(f namedEvent) bool { return e.ID == f.ID && sameSpec(&e.Event, &f.Event) }

type namedFault struct{ config.Fault }

func (f namedFault) same(g namedFault) bool { return f.ID == g.ID && sameSpec(&f.Fault, &g.Fault) }

// sameSpec reports whether two events or faults are the same, whatever their ids.
func sameSpec[T any](a, b *T) bool { return bytes.Equal(config.JSON(a), config.JSON(b)) }

// namedEvents gives an id to each event that has none.
func namedEvents(all []config.Event) []namedEvent {
	taken := map[string]bool{}
	for i := range all {
		taken[all[i].ID] = true
	}
	named := make([]namedEvent, len(all))
	for i := range all {
		named[i].Event = all[i]
		if all[i].ID == "" {
			named[i].ID = unusedID(all[i].Kind(), func(id string) bool { return taken[id] })
			taken[named[i].ID] = true
		}
	}
	return named
}

// namedFaults gives an id to each fault that has none.
func namedFaults(all []config.Fault) []namedFault {
	taken := map[string]bool{}
	for i := range all {
		taken[all[i].ID] = true
	}
	named := make([]namedFault, len(all))
	for i := range all {
		named[i].Fault = all[i]
		if all[i].ID == "" {
			named[i].ID = unusedID("fault", func(id string) bool { return taken[id] })
			taken[named[i].ID] = true
		}
	}
	return named
}

// unusedID makes up an id: spot-1.
func unusedID(kind string, taken func(id string) bool) string {
	for n := 1; ; n++ {
		if id := kind + "-" + strconv.Itoa(n); !taken(id) {
			return id
		}
	}
}

// addEvent adds an event that fits. Its error is a *lifecycle.Error.
func (in *Inputs) addEvent(id string, spec config.Event, now time.Time) (*lifecycle.Event, error) {
	base := in.base()
	next, e, err := in.Events.Add(id, spec, base, now)
	if err != nil {
		return nil, err
	}
	before := in.Events
	in.Events = next
	seen := before.Seen(e, base, now)
	seen.Instance.Credentials = base.Instance.Credentials // which an event may hide
	paths, err := pathsOf(lifecycle.Base{Instance: seen.Instance, UserData: seen.UserData, Entries: base.Entries}, e, now)
	if err != nil {
		return nil, &lifecycle.Error{Conflict: true, Reason: err.Error()}
	}
	if err := in.owned(e, paths); err != nil {
		return nil, err
	}
	if e.Paths = paths; len(paths) == 0 && len(e.Warnings) == 0 && changesTree(&spec) {
		e.Warnings = append(e.Warnings, "clients see no change by it")
	}
	if !e.ForAll() {
		if err := in.fits(e, now); err != nil {
			return nil, &lifecycle.Error{Conflict: true, Reason: err.Error()}
		}
	}
	return e, nil
}

// changesTree reports whether an event is there to change the tree.
func changesTree(spec *config.Event) bool { return spec.Credentials == "" && spec.Options == nil }

// addFault adds a fault. Its error is a *config.FieldError.
func (in *Inputs) addFault(id string, spec config.Fault, now time.Time, waiting *fault.Waiting) (*fault.Rule, error) {
	r, err := fault.New(id, spec, now)
	if err != nil {
		return nil, err
	}
	if len(in.Faults.Rules()) >= fault.MaxFaults {
		return nil, errTooManyFaults
	}
	in.Faults = in.Faults.With(r, waiting)
	return r, nil
}

var errTooManyFaults = fmt.Errorf("there are %d faults already; remove some first", fault.MaxFaults)
