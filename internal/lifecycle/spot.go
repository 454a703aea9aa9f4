package lifecycle

import (
	"fmt"
	"time"
)

const (
	spotDir       = "meta-data/spot"
	spotAction    = spotDir + "/instance-action"
	spotTime      = spotDir + "/termination-time"
	recommendDir  = "meta-data/events/recommendations"
	rebalanceLeaf = recommendDir + "/rebalance"
	userDataLeaf  = "user-data"
)

// spot shows the notice of an interruption, and what follows (events-reference section 1.2).
func (p *patch) spot(e *Event, phase string) error {
	values := map[string]string{}
	if t := e.phaseTime(Rebalance); !t.IsZero() && phase != Pending {
		values[rebalanceLeaf] = noticeTime(t)
	}
	if phase == Noticed || phase == Acted {
		at := timestamp(e.phaseTime(Acted))
		values[spotAction] = fmt.Sprintf(`{"action": %q, "time": %q}`, e.Spec.Spot, at)
		if e.Spec.Spot == "terminate" {
			values[spotTime] = at
		}
	}
	if phase == Acted && e.Spec.Then == "clear" {
		values = nil
	}
	if err := p.put(kindSpot, values); err != nil {
		return err
	}
	p.in.EC2.LifeCycle = "spot"
	if phase != Acted {
		return nil
	}
	switch e.Spec.Then {
	case "clear":
		p.renew(e, e.phaseTime(Acted), false)
	case "gone":
		p.gone = true
	}
	return nil
}

// rebalance shows the recommendation, unless it was for the instance before.
func (p *patch) rebalance(at time.Time) error {
	if at.Before(p.renewed) {
		return nil
	}
	return p.put(kindRebalance, map[string]string{rebalanceLeaf: noticeTime(at)})
}

func noticeTime(t time.Time) string { return fmt.Sprintf(`{"noticeTime": %q}`, timestamp(t)) }

// renew makes the instance one that was started at a time: without notices, and with another public address unless it keeps it.
func (p *patch) renew(e *Event, at time.Time, keepIP bool) {
	p.forget(spotDir)
	p.forget(recommendDir)
	p.renewed, p.gone = at, false
	p.in.EC2.PendingTime = timestamp(at)
	if !keepIP && publicAddress(&p.in.EC2) != "" {
		// What could exist with one public address can with another that nothing else has.
		p.in.EC2 = withPublicAddress(p.in.EC2, p.otherAddress(e))
	}
}

// restart stops the instance and starts it again, with new user data if there is some.
func (p *patch) restart(e *Event) error {
	at := e.phaseTime(Active)
	p.renew(e, at, e.Spec.KeepIP)
	if data := e.Spec.UserData.Reveal(); data != "" {
		p.forget(userDataLeaf)
		p.user = []byte(data)
	}
	if e.Spec.ForgetTokens && at.After(p.tokensSince) {
		p.tokensSince = at
	}
	return nil
}
