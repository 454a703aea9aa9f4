package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mock-ec2-metadata/internal/app"
)

const (
	// maxRoles is how many roles that are not in the configuration have series of their own, such as those of pods. Further ones share
	// those of otherRole.
	maxRoles = 256
	// keptFor is how long a role that is gone keeps its counters.
	keptFor = time.Hour
)

// otherRole is the role of all beyond maxRoles, of any account.
var otherRole = app.Role{Name: other}

// roles counts renewals by role, and describes credentials.
type roles struct {
	now func() time.Time

	renewals, valid, expiration, renewal, failures, mfa *prometheus.Desc

	mu      sync.Mutex // guards counted
	counted map[app.Role]*renewals
}

// renewals are those of a role.
type renewals struct {
	ok, failed float64
	known      bool      // of the configuration, by the last scrape
	seen       time.Time // when the role was last in use
}

func newRoles(now func() time.Time) *roles {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, append([]string{"role", "account_id"}, labels...), nil)
	}
	return &roles{
		now: now, counted: map[app.Role]*renewals{},
		renewals:   desc("credentials_renewals_total", "Calls for credentials of a role.", "outcome"),
		valid:      desc("credentials_valid", "Whether there are credentials that have not expired. Where sessions differ, the worst counts."),
		expiration: desc("credentials_expiration_timestamp_seconds", "When the credentials expire; 0 before the first."),
		renewal:    desc("credentials_last_renewal_timestamp_seconds", "When the credentials were issued; 0 before the first."),
		failures:   desc("credentials_failures_in_a_row", "Calls that have failed since the last success."),
		mfa:        desc("mfa_required", "Whether the credentials wait for an MFA code."),
	}
}

// Describe tells the metrics.
func (r *roles) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{r.renewals, r.valid, r.expiration, r.renewal, r.failures, r.mfa} {
		to <- desc
	}
}

// renewed counts a renewal.
func (r *roles) renewed(role app.Role, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of(role, false)
	if ok {
		of.ok++
	} else {
		of.failed++
	}
}

// of returns the counters of a role in use, or those of otherRole. It makes them if there is room. r.mu is held.
func (r *roles) of(role app.Role, known bool) *renewals {
	of := r.counted[role]
	if of == nil && !known && r.strangers() >= maxRoles {
		return r.of(otherRole, true)
	}
	if of == nil {
		of = new(renewals)
		r.counted[role] = of
	}
	of.known = of.known || known
	of.seen = r.now()
	return of
}

// strangers is how many counted roles are not in the configuration. r.mu is held.
func (r *roles) strangers() int {
	n := 0
	for _, of := range r.counted {
		if !of.known {
			n++
		}
	}
	return n
}

// collect tells the roles of a sample, and the renewals of those that are gone for less than keptFor.
func (r *roles) collect(to chan<- prometheus.Metric, s *app.Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for role, of := range r.counted {
		of.known = role == otherRole
	}
	for _, role := range s.Known {
		r.of(role, true)
	}
	var rest *app.RoleSample // the worst of those without series of their own
	for i := range s.Roles {
		role := s.Roles[i]
		switch of := r.of(role.Role, false); {
		case of == r.counted[role.Role]:
			r.describe(to, &role)
		case rest == nil:
			role.Role = otherRole
			rest = &role
		default:
			rest.Worsen(&role)
		}
	}
	if rest != nil {
		r.describe(to, rest)
	}
	for role, of := range r.counted {
		if r.now().Sub(of.seen) >= keptFor {
			delete(r.counted, role)
			continue
		}
		to <- prometheus.MustNewConstMetric(r.renewals, prometheus.CounterValue, of.ok, role.Name, role.Account, succeeded)
		to <- prometheus.MustNewConstMetric(r.renewals, prometheus.CounterValue, of.failed, role.Name, role.Account, failed)
	}
}

// describe tells the gauges of a role.
func (r *roles) describe(to chan<- prometheus.Metric, role *app.RoleSample) {
	for desc, value := range map[*prometheus.Desc]float64{
		r.valid: number(role.Valid), r.expiration: seconds(role.Expiration), r.renewal: seconds(role.LastRenewal),
		r.failures: float64(role.Failures), r.mfa: number(role.NeedsMFA),
	} {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, role.Name, role.Account)
	}
}

// number is 1 for true.
func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// seconds is a moment; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
