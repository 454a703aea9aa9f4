package app

import (
	"errors"
	"net/http"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
	"mock-ec2-metadata/internal/lifecycle"
)

// Faults describes all faults.
func (a *App) Faults() []api.Fault { return faultsOf(a.State()) }

func faultsOf(s *State) []api.Fault {
	all := make([]api.Fault, 0, len(s.Faults.Rules()))
	for _, r := range s.Faults.Rules() {
		all = append(all, faultOf(r))
	}
	return all
}

func faultOf(r *fault.Rule) api.Fault {
	effect := r.Spec
	effect.Match, effect.Dose = config.FaultMatch{}, config.FaultDose{}
	out := api.Fault{
		ID: r.ID, Match: config.JSON(&r.Spec.Match), Dose: config.JSON(&r.Spec.Dose), Effect: config.JSON(&effect),
		Hits: r.Hits(), CreatedAt: lifecycle.Seconds(r.Created),
	}
	if !r.Expires.IsZero() {
		at := lifecycle.Seconds(r.Expires)
		out.ExpiresAt = &at
	}
	return out
}

// Fault describes one fault.
func (a *App) Fault(id string) (api.Fault, error) {
	if r := a.State().Faults.Find(id); r != nil {
		return faultOf(r), nil
	}
	return api.Fault{}, &api.Refusal{Status: http.StatusNotFound, Text: "no fault has the id " + id + "; see fault list"}
}

// PutFault makes a fault of a JSON body; id "" makes one up. created is false if the same fault is there already.
func (a *App) PutFault(id string, body []byte, by api.Peer) (out api.Fault, created bool, err error) {
	spec, _, err := config.ParseFault(body)
	if err != nil {
		return api.Fault{}, false, refusal(err)
	}
	if id == "" {
		id = spec.ID
	}
	var r *fault.Rule
	err = a.change(func(in *Inputs) error {
		if id == "" {
			id = unusedID("fault", func(id string) bool { return in.Faults.Find(id) != nil })
		}
		if there := in.Faults.Find(id); there != nil {
			if sameSpec(&there.Spec, &spec) {
				r = there
				return errSame
			}
			return &lifecycle.Error{Conflict: true, Field: "id", Reason: "id: " + id + " is another fault, which is active; remove it first, or choose another id"}
		}
		var err error
		r, err = in.addFault(id, spec, a.opt.Now(), a.waiting)
		return err
	}, by.Attrs()...)
	switch {
	case errors.Is(err, errSame):
		return faultOf(r), false, nil
	case err != nil:
		return api.Fault{}, false, refusal(err)
	}
	return faultOf(r), true, nil
}

// DeleteFaults removes a fault, "" for all.
func (a *App) DeleteFaults(id string, by api.Peer) error {
	err := a.change(func(in *Inputs) error {
		before := in.Faults
		for _, r := range before.Rules() {
			if id == "" || r.ID == id {
				in.Faults = in.Faults.Without(r.ID)
			}
		}
		if in.Faults == before {
			return errSame
		}
		return nil
	}, by.Attrs()...)
	if err != nil && !errors.Is(err, errSame) {
		return refusal(err)
	}
	return nil
}
