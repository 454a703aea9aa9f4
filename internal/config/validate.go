package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// validate judges everything that a source has set. Single texts are judged by two tables: errors makes the
// configuration unusable, warnings names what EC2 would never have.
func (l *layers) validate() {
	l.texts(func(t text) {
		// An element of a list of texts goes by the name of the list: its line says which one it is.
		path := t.path
		if strings.HasSuffix(t.rule, "[]") {
			path = path[:strings.LastIndexByte(path, '[')]
		}
		if r, ok := textErrors[t.rule]; ok {
			if wrong := r(t.value); wrong != "" {
				l.broken[path] = true
				l.problems.add(l.origin(t.path), path, "%s", wrong)
				return
			}
		}
		if r, ok := entryErrors[t.rule]; ok {
			if wrong := r(t.entry); wrong != "" {
				l.problems.add(l.origin(t.path), path, "%s", wrong)
			}
		}
		if r, ok := textWarnings[t.rule]; ok {
			if odd := r(t.value); odd != "" {
				l.warnings.add(l.origin(t.path), path, "%s", odd)
			}
		}
	})
	l.validateCredentials()
	l.validatePlace()
	l.validateInstance()
	l.validateNetwork()
	l.validateMetadata()
	l.validateServer()
	l.validateIdentity()
}

// wrong reports a rule that more than a single text takes part in.
func (l *layers) wrong(path, format string, args ...any) {
	l.problems.add(l.origin(path), path, format, args...)
}

// firstOrigin is where a key was set, or, for a map of which only entries were set, the first of those.
func (l *layers) firstOrigin(path string) (origin, bool) {
	if at, ok := l.origins[path]; ok {
		return at, true
	}
	v := find(l.config, path)
	if v.Kind() != reflect.Map || v.Len() == 0 {
		return origin{}, false
	}
	entries := v.MapKeys()
	slices.SortFunc(entries, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return l.origins[join(path, entries[0].String())], true
}

// comparable is true when the values of all these keys could be decoded and are right by themselves.
func (l *layers) comparable(paths ...string) bool {
	for _, p := range paths {
		if l.broken[p] {
			return false
		}
	}
	return true
}

// usable is true for a key that a source has set to something that is right by itself.
func (l *layers) usable(path string) bool { return l.isSet(path) && !l.broken[path] }

// Limits of AssumeRole (STS API reference).
const (
	minDuration       = 15 * time.Minute
	maxDuration       = 12 * time.Hour
	minRefreshBefore  = time.Minute
	maxSessionTags    = 50
	maxTagKey         = 128
	maxTagValue       = 256
	maxPolicyARNs     = 10
	durationPath      = "credentials.duration"
	refreshBeforePath = "credentials.refresh_before"
)

func (l *layers) validateCredentials() {
	c := l.config.Credentials
	l.validateDurations()
	if len(c.SessionTags) > maxSessionTags {
		l.wrong("credentials.session_tags", "%d tags; STS takes at most %d", len(c.SessionTags), maxSessionTags)
	}
	for i, key := range c.TransitiveTagKeys {
		if _, ok := c.SessionTags[key]; !ok && l.comparable("credentials.transitive_tag_keys", "credentials.session_tags") {
			at := l.origin(fmt.Sprintf("credentials.transitive_tag_keys[%d]", i))
			l.problems.add(at, "credentials.transitive_tag_keys", "%s is not a key of credentials.session_tags", quote(key))
		}
	}
	if len(c.PolicyARNs) > maxPolicyARNs {
		l.wrong("credentials.policy_arns", "%d ARNs; STS takes at most %d", len(c.PolicyARNs), maxPolicyARNs)
	}
	l.validateOwn()
	if c.Mock && c.SourceProfile != "" {
		const path = "credentials.source_profile"
		l.warnings.add(l.origin(path), path, "not used: credentials.mock is true, so nothing is called and the credentials are made up")
	}
}

// validateOwn judges a configuration without a role: the profile's own credentials go out under its name, in paths, and
// what only AssumeRole takes would be without effect.
func (l *layers) validateOwn() {
	const profile = "credentials.source_profile"
	if l.config.Credentials.IAMRole != "" || l.broken["credentials.iam_role"] {
		return
	}
	if l.usable(profile) {
		if wrong := ownName(l.config.Credentials.SourceProfile); wrong != "" {
			l.wrong(profile, "%s", wrong)
		}
	}
	for _, key := range []string{"session_name", "external_id", "source_identity", "session_tags", "transitive_tag_keys", "policy", "policy_arns"} {
		v := find(l.config, "credentials."+key)
		if at, ok := l.firstOrigin("credentials." + key); ok && (v.Kind() == reflect.String || v.Len() > 0) {
			l.warnings.add(at, "credentials."+key, "without effect: only a role takes it, and credentials.iam_role is not set")
		}
	}
}

// ownName is the rule for a profile that goes by its name where a role would.
var ownName = matches(`[\w+=,.@-]{1,64}`, "a name that credentials can go by, which has 1 to 64 of letters, digits and _+=,.@-; rename the profile, or set credentials.iam_role")

func (l *layers) validateDurations() {
	d, r := l.config.Credentials.Duration, l.config.Credentials.RefreshBefore
	switch {
	case l.broken[durationPath]:
	case d < minDuration || d > maxDuration:
		l.broken[durationPath] = true
		l.wrong(durationPath, "%s is not from 15m to 12h", shortDuration(d))
	case d%time.Second != 0:
		l.wrong(durationPath, "%s is not whole seconds", shortDuration(d))
	}
	switch {
	case !l.comparable(durationPath, refreshBeforePath):
	case r < minRefreshBefore:
		l.wrong(refreshBeforePath, "%s is less than 1m", shortDuration(r))
	case r >= d:
		l.wrong(refreshBeforePath, "%s is not less than credentials.duration, %s", shortDuration(r), shortDuration(d))
	}
}

// validatePlace wants the zone to be in the region.
func (l *layers) validatePlace() {
	const zone, region, partition = "aws.availability_zone", "aws.region", "aws.partition"
	place := l.config.AWS
	if l.isSet(zone) && l.comparable(zone, region) && regionOfZone().FindString(place.AvailabilityZone) != place.Region {
		l.wrong(zone, "%s is not in aws.region %s", place.AvailabilityZone, place.Region)
	}
	if m := roleARN().FindStringSubmatch(l.config.Credentials.IAMRole); m != nil && l.comparable("aws.account_id", region) {
		const role = "credentials.iam_role"
		if l.isSet("aws.account_id") && m[1] != place.AccountID {
			l.warnings.add(l.origin(role), role, "the role is of account %s and the instance of aws.account_id %s; EC2 has both in one", m[1], place.AccountID)
		}
		if its, of, _ := strings.Cut(strings.TrimPrefix(l.config.Credentials.IAMRole, "arn:"), ":"); of != "" && l.isSet(region) && its != Partition(place.Region) {
			l.warnings.add(l.origin(role), role, "the role is of partition %s, but aws.region %s is in %s", its, place.Region, Partition(place.Region))
		}
	}
	if its := Partition(place.Region); l.usable(partition) && l.comparable(region) && place.Partition != its {
		l.warnings.add(l.origin(partition), partition, "%s is not the partition of aws.region %s, which is in %s", place.Partition, place.Region, its)
	}
}

func (l *layers) validateServer() {
	s := l.config.Server
	if len(s.Listen) == 0 && !l.broken["server.listen"] {
		l.wrong("server.listen", "no address; write e.g. [%q]", DefaultListen)
	}
	seen := map[string]bool{}
	for i, address := range s.Listen {
		if seen[address] && address != "" {
			l.problems.add(l.origin(fmt.Sprintf("server.listen[%d]", i)), "server.listen", "%s is there twice", quote(address))
		}
		seen[address] = true
	}
	if s.User != "" && l.goos == "windows" {
		l.wrong("server.user", "needs Unix, and this is windows; leave it out")
	}
	limits := s.Limits
	for _, limit := range []struct {
		key            string
		n, least, most int
	}{
		{"connections", limits.Connections, 1, 100_000},
		{"connections_per_client", limits.ConnectionsPerClient, 1, 100_000},
		{"url_bytes", limits.URLBytes, 256, 16 << 10},
		{"header_bytes", limits.HeaderBytes, 1 << 10, 32 << 10},
		{"body_bytes", limits.BodyBytes, 0, 1 << 20},
	} {
		if path := "server.limits." + limit.key; !l.broken[path] && (limit.n < limit.least || limit.n > limit.most) {
			l.wrong(path, "%d is not from %d to %d", limit.n, limit.least, limit.most)
		}
	}
	for i, c := range s.AllowClients {
		if c == "auto" && len(s.AllowClients) > 1 {
			at := l.origin(fmt.Sprintf("server.allow_clients[%d]", i))
			l.problems.add(at, "server.allow_clients", "auto stands alone; remove it or the CIDR blocks")
		}
	}
}

// validateIdentity wants a key pair from one place, and whole.
func (l *layers) validateIdentity() {
	key, cert := l.isSet(keyFile), l.isSet(certFile)
	switch {
	case key && !cert:
		l.wrong(keyFile, "needs %s too, the certificate for this key", certFile)
	case cert && !key:
		l.wrong(certFile, "needs %s too, the key of this certificate", keyFile)
	}
	if l.isSet(stateDir) && (key || cert) {
		l.wrong(stateDir, "%s is set too; keep one of them", map[bool]string{true: keyFile, false: certFile}[key])
	}
}

// tagText holds the characters and the length that STS allows in session tags, in characters.
func tagText(what string, least, most int) rule {
	class := matches(`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`, "a tag "+what+"; it has letters, digits, spaces and _.:/=+-@")
	return func(value string) string {
		if n := utf8.RuneCountInString(value); n < least || n > most {
			return fmt.Sprintf("the tag's %s has %d characters; AWS takes %d to %d", what, n, least, most)
		}
		return class(value)
	}
}

// shortDuration leaves the zero units out: 1h instead of 1h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
