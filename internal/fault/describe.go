package fault

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

// MatchText describes which requests the rule is for, for tables: "GET meta-data/iam/** v1 172.17.0.0/16", "all". Lists are joined by
// commas without spaces.
func (r *Rule) MatchText() string {
	m := &r.Spec.Match
	var words []string
	for _, word := range []string{strings.Join(m.Methods, ","), strings.Join(m.Paths, ","), m.Version, strings.Join(m.Clients, ",")} {
		if word != "" {
			words = append(words, word)
		}
	}
	if m.UserAgent != "" {
		words = append(words, "user agent "+strconv.Quote(m.UserAgent))
	}
	if words == nil {
		return "all"
	}
	return strings.Join(words, " ")
}

// DoseText describes how many of them it hits, for tables: "20%, skip 2, at most 5, for 10m", "always".
func (r *Rule) DoseText() string {
	d := &r.Spec.Dose
	var parts list
	if d.Percent != nil {
		parts.addf("%d%%", *d.Percent)
	}
	if d.Skip > 0 {
		parts.addf("skip %d", d.Skip)
	}
	if d.Every > 1 {
		parts.addf("1 of %d", d.Every)
	}
	if d.Count != nil {
		parts.addf("at most %d", *d.Count)
	}
	if d.For > 0 {
		parts.addf("for %s", short(d.For))
	}
	if d.Until != "" {
		parts.addf("until %s", d.Until)
	}
	if parts == nil {
		return "always"
	}
	return parts.String()
}

// EffectText describes what happens to their answers, for tables: "delay 300ms ±100ms, status 503, Retry-After 7s", "none".
func (r *Rule) EffectText() string {
	f := &r.Spec
	var parts list
	switch {
	case f.Jitter > 0:
		parts.addf("delay %s ±%s", short(f.Delay), short(f.Jitter))
	case f.Delay > 0:
		parts.addf("delay %s", short(f.Delay))
	}
	if f.Status != 0 {
		parts.addf("status %d", f.Status)
	}
	if f.RetryAfter > 0 {
		parts.addf("Retry-After %s", short(f.RetryAfter))
	}
	parts.addIf(f.Reset, "reset")
	parts.addIf(f.Hang, "hang")
	parts.addBody(f)
	parts.addIf(f.Redirect, "redirect")
	parts.addIf(f.NoTTL, "no TTL header")
	parts.addIf(f.Tokens != "", "tokens "+f.Tokens)
	parts.addIf(f.TokenLost, "token lost")
	if t := f.Throttle; t != nil {
		parts.addf("throttle to %d/s, burst %d, then %s", t.Rate, t.Burst, cmp.Or(t.Answer, "503"))
	}
	if c := f.Credentials; c != nil {
		parts.addIf(c.Expired, "credentials expired")
		parts.addIf(c.ExpiresIn > 0, "credentials expire in "+short(c.ExpiresIn))
		parts.addIf(c.Code != "", "credentials code "+c.Code)
	}
	parts.addIf(f.Skew > 0, "skew +"+short(f.Skew))
	parts.addIf(f.Skew < 0, "skew "+short(f.Skew))
	if parts == nil {
		return "none"
	}
	return parts.String()
}

// list is a text of parts, with commas between them.
type list []string

func (l *list) addf(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func (l *list) addIf(is bool, text string) {
	if is {
		*l = append(*l, text)
	}
}

// addBody adds the effects on the body of an answer.
func (l *list) addBody(f *config.Fault) {
	if f.Drip > 0 {
		l.addf("drip %s a byte", short(f.Drip))
	}
	if f.Stall != nil {
		l.addf("stall after %d bytes", *f.Stall)
	}
	if f.Cut != nil {
		l.addf("cut after %d bytes", *f.Cut)
	}
	if f.Truncate != nil {
		l.addf("truncate to %d bytes", *f.Truncate)
	}
	l.addIf(f.Body != "", "body "+f.Body)
}

func (l list) String() string { return strings.Join(l, ", ") }

// short formats a duration without zero units: 1h instead of 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
