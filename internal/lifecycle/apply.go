package lifecycle

import (
	"maps"
	"slices"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

// Result is an instance with events applied.
type Result struct {
	// Instance is what the tree is built from. Its credentials only name the role: the document is that of the instance without events.
	Instance config.Instance
	UserData []byte
	// TokensSince: session tokens from before are void; zero for none.
	TokensSince time.Time
	// Gone: the instance is off, and its requests get no answer.
	Gone bool
	// Misfits are events that could not be applied, and why.
	Misfits map[string]error
}

// Apply returns an instance as the events have it at now: those for all clients, and those of the selection, which is of this set. It
// changes nothing of what it is given.
func (s Set) Apply(sel Selection, in config.Instance, userData []byte, now time.Time) Result {
	if len(s.events) == 0 {
		return Result{Instance: in, UserData: userData}
	}
	p := newPatch(in, userData)
	over := s.over(now)
	var misfits map[string]error
	for i, e := range s.events {
		if over.has(i) || !e.who.all() && !sel.has(i) {
			continue
		}
		if err := p.apply(e, e.stepAt(now)); err != nil {
			if misfits == nil {
				misfits = map[string]error{}
			}
			misfits[e.ID] = err
		}
	}
	r := p.result()
	r.Misfits = misfits
	return r
}

// Seen returns the instance of a client that sees an event of the set, as it is at now: with all events that overlap it. Misfits has
// that event alone.
func (s Set) Seen(e *Event, base Base, now time.Time) Result {
	p := newPatch(base.Instance, base.UserData)
	over := s.over(now)
	var misfits map[string]error
	for i, o := range s.events {
		if over.has(i) || !e.who.overlap(&o.who) {
			continue
		}
		if err := p.apply(o, o.stepAt(now)); err != nil && o == e {
			misfits = map[string]error{e.ID: err}
		}
	}
	r := p.result()
	r.Misfits = misfits
	return r
}

// ForAll reports whether all clients see an event.
func (e *Event) ForAll() bool { return e.who.all() }

// Stages returns the instance in each phase of an event that would be activated at now, alone on the base: to find out which paths it changes.
func (e *Event) Stages(base Base, now time.Time) []Result {
	alone := *e
	if err := alone.activate(now); err != nil {
		return nil
	}
	var results []Result
	for _, s := range alone.steps() {
		p := newPatch(base.Instance, base.UserData)
		if err := p.apply(&alone, s); err == nil {
			results = append(results, p.result())
		}
	}
	return results
}

// checkFit refuses an event that cannot be applied to the base, in some phase, with the active events of the same clients.
func (s Set) checkFit(e *Event, base Base, now time.Time) error {
	p := newPatch(base.Instance, base.UserData)
	over := s.over(now)
	for i, o := range s.events {
		if !over.has(i) && e.who.overlap(&o.who) {
			_ = p.apply(o, o.stepAt(now)) // a misfit by itself is not this event's fault
		}
	}
	tried := *e
	if e.waiting() {
		if err := tried.activate(now); err != nil {
			return err
		}
	}
	for _, s := range tried.steps() {
		after := p.clone()
		if err := after.apply(&tried, s); err != nil {
			return err
		}
	}
	return nil
}

// step is where an event is: in a phase, or in the second half of it.
type step struct {
	phase string
	half  bool
}

func (e *Event) stepAt(now time.Time) step {
	half := e.halfway()
	return step{e.PhaseAt(now).Name, !half.IsZero() && !half.After(now)}
}

// steps are all of an event from its activation on, and those that a verb can bring.
func (e *Event) steps() []step {
	var steps []step
	for _, p := range e.Phases {
		steps = append(steps, step{phase: p.Name})
		if p.Name == Partial && !e.halfway().IsZero() {
			steps = append(steps, step{p.Name, true})
		}
	}
	if e.Spec.Maintenance != "" {
		steps = append(steps, step{phase: Completed})
	}
	return steps
}

// patch is an instance that events are being applied to. Each event is applied as a whole or not at all.
type patch struct {
	file config.Instance // without events
	in   config.Instance // its Metadata is a copy; other maps and slices are replaced, never changed
	user []byte
	// own are the paths in in.Metadata that events have put there.
	own map[string]bool
	// renewed is when the instance became a fresh one: no notice from before is left.
	renewed     time.Time
	tokensSince time.Time
	gone        bool
	scheduled   []window
	history     []window
}

func newPatch(in config.Instance, userData []byte) *patch {
	p := &patch{file: in, in: in, user: userData, own: map[string]bool{}}
	p.in.Metadata = maps.Clone(in.Metadata)
	if p.in.Metadata == nil {
		p.in.Metadata = map[string]*string{}
	}
	return p
}

func (p *patch) clone() *patch {
	c := *p
	c.in.Metadata, c.own = maps.Clone(p.in.Metadata), maps.Clone(p.own)
	c.scheduled, c.history = slices.Clip(p.scheduled), slices.Clip(p.history)
	return &c
}

func (p *patch) result() Result {
	in := p.in
	if len(in.Metadata)+len(p.file.Metadata) == 0 {
		in.Metadata = p.file.Metadata // nil or empty, as it was
	}
	return Result{Instance: in, UserData: p.user, TokensSince: p.tokensSince, Gone: p.gone}
}

// apply applies one event. An error leaves the patch as it is.
func (p *patch) apply(e *Event, s step) error {
	if e.Spec.Spot != "" {
		return p.spot(e, s.phase)
	}
	if s.phase == Pending {
		return nil
	}
	switch spec := &e.Spec; spec.Kind() {
	case kindRebalance:
		return p.rebalance(e.phaseTime(Noticed))
	case kindMaintenance:
		return p.maintenance(e, s.phase)
	case kindASG:
		return p.asg(spec.ASG)
	case kindProfile:
		return p.profile(e, s.phase == Lag)
	case kindTags:
		return p.tags(spec.Tags)
	case kindOptions:
		return p.options(spec.Options)
	case kindNetwork:
		return p.network(e, s)
	case kindPublicIP:
		return p.publicIP(e)
	case kindRestart:
		return p.restart(e)
	case kindSet, kindUnset:
		return p.leaves(spec.Set, spec.Unset)
	default: // credentials: the tree does not change
		return nil
	}
}

// try applies a change of values of ec2 if an instance with it can exist. The error is about a field of the event.
func (p *patch) try(field string, ec2 config.EC2) error {
	changed := config.Instance{Credentials: p.in.Credentials, AWS: p.in.AWS, EC2: ec2}
	if found := instance.Check(&changed); len(found) > 0 {
		return wrong(field, "%s", found[0].Reason)
	}
	p.in.EC2 = ec2
	return nil
}
