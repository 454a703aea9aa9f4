package app

import (
	"errors"
	"slices"
	"time"

	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/lifecycle"
	"mock-ec2-metadata/internal/tree"
)

// phaseCheck is how often the daemon looks at the wall clock while an event waits for a time: the machine may sleep meanwhile.
const phaseCheck = time.Minute

// schedule sets the timer for the next time at which events or faults change by themselves. It is called with a.mu held.
func (a *App) schedule(s *State) {
	if a.phases != nil {
		a.phases.Stop()
		a.phases = nil
	}
	next := earliest(s.Events.Next(s.Now), s.Faults.Next())
	if a.running == nil || next.IsZero() {
		return
	}
	a.phases = time.AfterFunc(min(max(next.Sub(a.opt.Now()), 0), phaseCheck), a.advance)
}

// earliest returns the earlier of two times; zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// errNothingDue says that the timer was early.
var errNothingDue = errors.New("nothing is due")

// advance puts the phases of events in force that have begun, and drops faults that have expired.
func (a *App) advance() {
	err := a.advanceTo(a.opt.Now(), false)
	if err != nil && !errors.Is(err, errNothingDue) && !errors.Is(err, errNotRunning) {
		err = a.advanceTo(a.opt.Now(), true)
	}
	if err != nil && !errors.Is(err, errNothingDue) && !errors.Is(err, errNotRunning) {
		a.log.Error("cannot change what is simulated", "error", err)
	}
}

func (a *App) advanceTo(now time.Time, trees bool) error {
	return a.change(func(in *Inputs) error {
		next := earliest(in.Events.Next(in.Now), in.Faults.Next())
		if next.IsZero() || next.After(now) {
			a.schedule(a.State())
			return errNothingDue
		}
		in.Events = in.Events.Advance(now)
		for _, r := range in.Faults.Rules() {
			if !r.Expires.IsZero() && !r.Expires.After(now) {
				in.Faults = in.Faults.Without(r.ID)
			}
		}
		in.dropMisfits(now, trees)
		return nil
	})
}

// startEvent starts an event that has waited for a request. One that fits no more ends instead.
func (a *App) startEvent(id string) {
	err := a.startEventIn(id, false)
	if err != nil && !errors.Is(err, errNothingDue) && !errors.Is(err, errNotRunning) {
		err = a.startEventIn(id, true)
	}
	if err != nil && !errors.Is(err, errNothingDue) && !errors.Is(err, errNotRunning) {
		a.log.Error("cannot start an event", "id", id, "error", err)
	}
}

func (a *App) startEventIn(id string, trees bool) error {
	return a.change(func(in *Inputs) error {
		now := a.opt.Now()
		if e := in.Events.Find(id); e == nil || !e.Due() { // it was canceled while the request was answered
			return errNothingDue
		}
		started, err := in.Events.Start(id, in.base(), now)
		if err != nil {
			in.dropMisfit(id, err)
			return nil
		}
		in.Events = started.Advance(now)
		in.dropMisfits(now, trees)
		return nil
	})
}

// base is the instance that events are checked against.
func (in *Inputs) base() lifecycle.Base {
	c := in.Config.Config
	return lifecycle.Base{Instance: c.Instance, UserData: in.Config.UserData, Entries: len(c.Clients)}
}

// dropMisfits ends the events that no longer fit the configuration. build finds out whether the tree of the events for all clients can
// be made; with trees dropMisfits does so before.
func (in *Inputs) dropMisfits(now time.Time, trees bool) {
	base := in.base()
	for id, err := range in.Events.Apply(lifecycle.Selection{}, base.Instance, base.UserData, now).Misfits {
		in.dropMisfit(id, err)
	}
	for _, e := range slices.Clone(in.Events.Events()) {
		if e.ForAll() && !trees || e.PhaseAt(now).Name == lifecycle.Pending {
			continue
		}
		if err := in.fits(e, now); err != nil {
			in.dropMisfit(e.ID, err)
		}
	}
}

// fits returns why clients that see an event cannot be served; nil if they can.
func (in *Inputs) fits(e *lifecycle.Event, now time.Time) error {
	base := in.base()
	seen := in.Events.Seen(e, base, now)
	if err := seen.Misfits[e.ID]; err != nil {
		return err
	}
	return tree.Check(instance.New(&seen.Instance, seen.UserData), seen.Instance.Metadata)
}

// dropMisfit ends an event. announce says why.
func (in *Inputs) dropMisfit(id string, err error) {
	in.Events, _ = in.Events.Remove(id)
	if in.misfits == nil {
		in.misfits = map[string]error{}
	}
	in.misfits[id] = err
}

// pathsOf returns the paths below the version that an event changes in any of its phases, where metadata changes nothing.
func pathsOf(base lifecycle.Base, e *lifecycle.Event, now time.Time) ([]string, error) {
	base.Instance.Metadata = nil
	before, err := tree.New(instance.New(&base.Instance, base.UserData), nil)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, stage := range e.Stages(base, now) {
		after, err := tree.New(instance.New(&stage.Instance, stage.UserData), stage.Instance.Metadata)
		if err != nil {
			return nil, err
		}
		paths = append(paths, before.Changed(after)...)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// announce logs what has changed of what is simulated, a line each, and does what events do beside changing trees. by says who has
// changed it. It is called with a.mu held, once next is in force; old is nil at the start.
func (a *App) announce(old, next *State, by []any) {
	if old == nil {
		old = &State{}
	}
	for _, e := range old.Events.Events() {
		if next.Events.Find(e.ID) == nil {
			a.logEvent("event ended", e, by, errorAttr(next.misfits[e.ID])...)
		}
	}
	for _, e := range next.Events.Events() {
		before, phase := old.Events.Find(e.ID), e.PhaseAt(next.Now).Name
		was := ""
		switch {
		case before == nil:
			a.logEvent("event added", e, by, "phase", phase)
			for _, w := range e.Warnings {
				a.log.Info("unusual event", "id", e.ID, "warning", w)
			}
		case before.PhaseAt(old.Now).Name != phase:
			was = before.PhaseAt(old.Now).Name
			a.logEvent("event goes on", e, by, "phase", phase)
		case before != e:
			was = phase
			a.logEvent("event changed", e, by)
		default:
			was = phase
		}
		if phase != was && phase != lifecycle.Pending {
			a.begin(next, e)
		}
	}
	if old.off != next.off {
		old.off.End()
	}
	for _, r := range old.Faults.Rules() {
		if next.Faults.Find(r.ID) != r {
			r.End()
			a.log.Warn("fault removed", append([]any{"id", r.ID, "hits", r.Hits()}, by...)...)
		}
	}
	for _, id := range next.over {
		a.log.Warn("fault is over already", "id", id, "hint", "its dose.until has passed; remove it from the configuration")
	}
	for _, r := range next.Faults.Rules() {
		if old.Faults.Find(r.ID) != r {
			a.log.Warn("fault added", append([]any{"id", r.ID, "match", r.MatchText(), "dose", r.DoseText(), "effect", r.EffectText()}, by...)...)
		}
	}
}

func (a *App) logEvent(message string, e *lifecycle.Event, by []any, more ...any) {
	attrs := append([]any{"id", e.ID, "kind", e.Spec.Kind(), "event", e.Title()}, more...)
	a.log.Warn(message, append(attrs, by...)...)
}

func errorAttr(err error) []any {
	if err == nil {
		return nil
	}
	return []any{"error", err}
}

// begin does what an event does, beside changing trees, when a phase begins.
func (a *App) begin(s *State, e *lifecycle.Event) {
	if e.Spec.Credentials == "rotate" {
		a.rotate(s, e)
	}
	if e.Exits(s.Now) {
		a.log.Warn("stopping, as an event says", "id", e.ID)
		a.exit()
	}
}

// rotate has credentials renewed: all that are in use, or those of the entries of clients that an event names.
func (a *App) rotate(s *State, e *lifecycle.Event) {
	if len(e.Spec.Clients) == 0 {
		for _, keeper := range a.pool.Keepers() {
			keeper.Renew()
		}
		return
	}
	for entry, id := range s.identities.entries {
		if slices.Contains(e.Spec.Clients, s.identities.name(entry)) {
			if made := s.serve(id); made.keeper != nil {
				made.keeper.Renew()
			}
		}
	}
}
