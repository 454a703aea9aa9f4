package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// validate applies the rules that compare values. decode has applied those for single values.
func (l *loader) validate() {
	l.validateCredentials()
	l.validatePlace()
	l.validateInstance()
	l.validateMetadata()
	l.validateServer()
	l.validateControl()
	l.validateConsole()
	l.validateIdentity()
	l.validateECS()
	l.validateKubernetes()
	l.validateSimulation()
}

// isSet reports whether a source has set a key.
func (l *loader) isSet(path string) bool {
	return l.scope.isSet(path)
}

// origin returns the origin of the value at path.
func (l *loader) origin(path string) origin { return l.scope.origin(path) }

// wrong reports a problem at a key.
func (l *loader) wrong(path, format string, args ...any) {
	l.problems.add(l.scope.where(path), l.scope.display(path), format, args...)
}

// wrongElement reports a problem at an element of a list.
func (l *loader) wrongElement(list string, i int, format string, args ...any) {
	l.problems.add(l.scope.where(fmt.Sprintf("%s[%d]", list, i)), l.scope.display(list), format, args...)
}

// odd reports a warning. One about a value that an entry takes from the file is the file's own.
func (l *loader) odd(path, format string, args ...any) {
	if l.scope.parent != nil && l.scope.origins.at(path) == (origin{}) {
		return
	}
	l.warnings.add(l.scope.where(path), l.scope.display(path), format, args...)
}

// usable reports whether a source has set a key to a value that alone is valid.
func (l *loader) usable(path string) bool { return l.isSet(path) && !l.scope.broken[path] }

const (
	durationPath      = "credentials.duration"
	refreshBeforePath = "credentials.refresh_before"
)

// quietDuration is the least duration that leaves boto3 content for a while: it asks again at each use from 15 minutes before
// expiry (container-credentials-reference section 7.4).
const quietDuration = 30 * time.Minute

func (l *loader) validateCredentials() {
	c := l.config.Credentials
	l.validateDurations()
	for i, key := range c.TransitiveTagKeys {
		if _, ok := c.SessionTags[key]; !ok && !l.scope.broken["credentials.transitive_tag_keys"] && !l.scope.broken["credentials.session_tags"] {
			l.wrongElement("credentials.transitive_tag_keys", i, "%s is not a key of credentials.session_tags", quote(key))
		}
	}
	l.validateOwn()
	switch {
	case c.Cache != "disk" || l.scope.broken["credentials.iam_role"]:
	case c.Mock:
		l.odd("credentials.cache", "without effect: credentials.mock is true, and made-up credentials are not kept")
	case c.IAMRole == "":
		l.odd("credentials.cache", "without effect: only a role's credentials are kept, and credentials.iam_role is not set")
	}
	if c.Mock && c.SourceProfile != "" {
		l.odd(profilePath, "not used: credentials.mock is true, so nothing is called and the credentials are made up")
	}
}

// validateOwn checks a configuration without a role. The profile's own credentials are then handed out, under its name, and
// what only AssumeRole accepts has no effect.
func (l *loader) validateOwn() {
	if l.config.Credentials.IAMRole != "" || l.scope.broken[rolePath] {
		return
	}
	if l.usable(profilePath) {
		if wrong := ownName(l.config.Credentials.SourceProfile); wrong != "" {
			l.wrong(profilePath, "%s", wrong)
		}
	}
	v := reflect.ValueOf(l.config.Credentials)
	for _, key := range []string{"session_name", "external_id", "source_identity", "session_tags", "transitive_tag_keys", "policy", "policy_arns"} {
		path := "credentials." + key
		if f, _ := fieldOf(v.Type(), key); !v.FieldByIndex(f.index).IsZero() {
			l.odd(path, "without effect: only a role takes it, and credentials.iam_role is not set")
		}
	}
}

// ownName is the rule for names of profiles that take the place of a role's name.
var ownName = matches(`[\w+=,.@-]{1,64}`, "a name that credentials can go by, which has 1 to 64 of letters, digits and _+=,.@-; rename the profile, or set credentials.iam_role")

// validateDurations applies the limits of AssumeRole (STS API reference).
func (l *loader) validateDurations() {
	d, r := l.config.Credentials.Duration, l.config.Credentials.RefreshBefore
	switch {
	case l.scope.broken[durationPath]:
	case d < 15*time.Minute || d > 12*time.Hour:
		l.scope.setBroken(durationPath)
		l.wrong(durationPath, "%s is not from 15m to 12h", shortDuration(d))
	case d%time.Second != 0:
		l.wrong(durationPath, "%s is not whole seconds", shortDuration(d))
	case d < quietDuration:
		l.odd(durationPath, "%s is less than %s; boto3 renews credentials of less than 15m at each use, and asks the daemon each time", shortDuration(d), shortDuration(quietDuration))
	}
	switch {
	case l.scope.broken[durationPath] || l.scope.broken[refreshBeforePath]:
	case r < time.Minute:
		l.wrong(refreshBeforePath, "%s is less than 1m", shortDuration(r))
	case r >= d:
		l.wrong(refreshBeforePath, "%s is not less than credentials.duration, %s", shortDuration(r), shortDuration(d))
	}
}

// validatePlace requires that zone, region, partition and role agree.
func (l *loader) validatePlace() {
	place := l.config.AWS
	if l.scope.broken[regionPath] || l.scope.broken[zonePath] {
		return
	}
	if l.isSet(zonePath) && regionOfZone().FindString(place.AvailabilityZone) != place.Region {
		l.wrong(zonePath, "%s is not in aws.region %s", place.AvailabilityZone, place.Region)
	}
	if its := Partition(place.Region); l.usable(partitionPath) && place.Partition != its {
		l.odd(partitionPath, "%s is not the partition of aws.region %s, which is in %s", place.Partition, place.Region, its)
	}
	l.validateRolePlace()
}

// validateRolePlace warns of a role of another account or partition than the instance.
func (l *loader) validateRolePlace() {
	place, role := l.config.AWS, l.config.Credentials.IAMRole
	if m := roleARN().FindStringSubmatch(role); m != nil && !l.scope.broken[accountPath] {
		if l.isSet(accountPath) && m[1] != place.AccountID {
			l.odd(rolePath, "the role is of account %s and the instance of aws.account_id %s; EC2 has both in one", m[1], place.AccountID)
		}
		key, value := regionPath, place.Region
		if l.origin(regionPath).name == zonePath {
			key, value = zonePath, place.AvailabilityZone
		}
		if of, its := partitionOfARN(role), Partition(place.Region); of != its {
			l.odd(rolePath, "the role is of partition %s, but %s %s is in %s", of, key, value, its)
		}
	}
}

func (l *loader) validateServer() {
	s := l.config.Server
	if len(s.Listen) == 0 && !l.scope.broken["server.listen"] {
		l.wrong("server.listen", "no address; write e.g. [%q]", DefaultListen)
	}
	seen := map[string]bool{}
	for i, address := range s.Listen {
		if seen[address] && address != "" {
			l.wrongElement("server.listen", i, "%s is there twice", quote(address))
		}
		seen[address] = true
	}
	if s.User != "" && l.goos == "windows" {
		l.wrong("server.user", "needs Unix, and this is windows; leave it out")
	}
	for i, c := range s.AllowClients {
		if c == "auto" && len(s.AllowClients) > 1 {
			l.wrongElement("server.allow_clients", i, "auto stands alone; remove it or the CIDR blocks")
		}
	}
}

// validateIdentity requires a complete key pair from one source.
func (l *loader) validateIdentity() {
	key, cert := l.isSet(keyFile), l.isSet(certFile)
	switch {
	case key && !cert:
		l.wrong(keyFile, "needs %s too, the certificate for this key", certFile)
	case cert && !key:
		l.wrong(certFile, "needs %s too, the key of this certificate", keyFile)
	}
	if key {
		l.exclusive(keyFile, stateDir)
	} else {
		l.exclusive(certFile, stateDir)
	}
}

// exclusive requires that only one of several keys is set.
func (l *loader) exclusive(paths ...string) {
	first := ""
	for _, path := range paths {
		switch {
		case !l.isSet(path):
		case first == "":
			first = path
		default:
			l.wrong(path, "%s is set too; keep one of them", first)
		}
	}
}

// shortDuration formats a duration as one writes it: 1h instead of 1h0m0s, and 90s instead of 1m30s.
func shortDuration(d time.Duration) string {
	if d > time.Minute && d < 2*time.Minute && d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
