package config

import "time"

// check applies the rules that compare keys of a fault. Each key alone is valid.
func (f *Fault) check(r findings) {
	switch effects := f.effects().chosen(); {
	case len(effects) > 1:
		r.wrong(effects[1], "%s is set too, and a fault has at most one effect; make two faults of it", effects[0])
	case len(effects) == 0 && f.Delay == 0:
		r.wrong("", "no effect; set delay, or one of %s", f.effects().names())
	}
	f.checkDelay(r)
	switch {
	case f.RetryAfter != 0 && f.Status == 0:
		r.wrong("retry_after", "is for an answer with a status alone; set status, such as 503")
	case f.RetryAfter%time.Second != 0:
		r.wrong("retry_after", "%s is not whole seconds", shortDuration(f.RetryAfter))
	}
	if t := f.Throttle; t != nil {
		r.missing("throttle.rate", t.Rate > 0, "write how many requests a second a client may send")
		r.missing("throttle.burst", t.Burst > 0, "write how many requests a client may send at once")
	}
	if c := f.Credentials; c != nil {
		c.check(r)
	}
	r.exclusive("dose", choices{{"for", f.Dose.For != 0}, {"until", f.Dose.Until != ""}})
}

func (f *Fault) checkDelay(r findings) {
	switch {
	case f.Jitter == 0:
	case f.Delay == 0:
		r.wrong("jitter", "needs delay, which it is added to or taken from")
	case f.Jitter > f.Delay:
		r.wrong("jitter", "%s is more than delay, %s", shortDuration(f.Jitter), shortDuration(f.Delay))
	case f.Delay+f.Jitter > MaxFaultDelay:
		r.wrong("jitter", "%s and delay, %s, are more than %s together", shortDuration(f.Jitter), shortDuration(f.Delay), shortDuration(MaxFaultDelay))
	}
}

func (c *FaultCredentials) check(r findings) {
	all := choices{{"expires_in", c.ExpiresIn != 0}, {"expired", c.Expired}, {"code", c.Code != ""}}
	if len(all.chosen()) == 0 {
		r.wrong("credentials", "changes nothing; set one of %s", all.names())
	}
	r.exclusive("credentials", all)
	if c.Code == success {
		r.wrong("credentials.code", "Success is no error; write e.g. AssumeRoleUnauthorizedAccess")
	}
}

// success is the code of documents that hold credentials.
const success = "Success"
