package config

import (
	"fmt"
	"slices"
	"strings"
)

const (
	regionPath    = "aws.region"
	zonePath      = "aws.availability_zone"
	partitionPath = "aws.partition"
	accountPath   = "aws.account_id"
	rolePath      = "credentials.iam_role"
	profilePath   = "credentials.source_profile"

	defaultRegion = "us-east-1"
)

// Profile is what a profile of ~/.aws says about the place of its credentials. Empty texts are unknown.
type Profile struct {
	Found     bool   // in files that can be read
	From      string // profile and file, for messages: "profile work (~/.aws/config)"
	Region    string
	RoleARN   string // of the role that the profile assumes
	SSORegion string // of IAM Identity Center
}

// partition returns the partition of the profile's credentials, or "" if the profile does not say.
func (p Profile) partition() string {
	if of := partitionOfARN(p.RoleARN); of != "" || p.SSORegion == "" {
		return of
	}
	return Partition(p.SSORegion)
}

// regionSource is a place outside the configuration that may name a region.
type regionSource struct{ from, region string }

// deriveRegion sets the region that no source has set: that of the zone, else the first one of the profile, AWS_REGION and
// AWS_DEFAULT_REGION that is in the partition of the credentials. us-east-1 is the default in the standard partition alone.
func (l *loader) deriveRegion() {
	src, place := l.sources, &l.config.AWS
	entryWithoutPlace := l.scope.parent != nil && !l.scope.has(zonePath)
	if l.isSet(regionPath) || l.scope.broken[zonePath] || entryWithoutPlace {
		return
	}
	if l.isSet(zonePath) {
		place.Region = regionOfZone().FindString(place.AvailabilityZone)
		l.scope.origins.set(regionPath, origin{name: zonePath})
		return
	}
	profile := l.profile(src)
	wanted := l.wantedPartition(profile)
	var unfit []regionSource
	for _, s := range []regionSource{
		{profile.From, profile.Region}, {"AWS_REGION", src.variable("AWS_REGION")}, {"AWS_DEFAULT_REGION", src.variable("AWS_DEFAULT_REGION")},
	} {
		if s.region == "" {
			continue
		}
		switch wrong := check("region", s.region); {
		case wrong != "":
			l.warnings.add(origin{name: s.from}, regionPath, "not used: %s", wrong)
		case wanted.name != "" && Partition(s.region) != wanted.name:
			unfit = append(unfit, s)
		default:
			place.Region = s.region
			l.scope.origins.set(regionPath, origin{name: s.from})
			return
		}
	}
	if wanted.name != "" && wanted.name != standardPartition {
		l.wrong(wanted.path, "%s", wanted.withoutRegion(unfit))
		return
	}
	for _, s := range unfit {
		l.warnings.add(origin{name: s.from}, regionPath, "not used: %s is in partition %s, and %s", s.region, Partition(s.region), wanted)
	}
}

// placeProfile is a profile that a load has asked for the region.
type placeProfile struct {
	read func() Profile
	was  Profile // as of the load
}

// ProfileState says whether the region depends on a profile that can be read now, and whether what the profile says of its
// place has changed since the load. It reads the files of the profile.
func (l *Loaded) ProfileState() (readable, changed bool) {
	if l.profile.read == nil {
		return false, false
	}
	now, was := l.profile.read(), l.profile.was
	was.Found, was.From = now.Found, now.From
	return now.Found, now.Found && now != was
}

// profile asks for the profile that makes the calls. It returns the zero Profile if no profile is in use.
func (l *loader) profile(src Sources) Profile {
	c := l.config.Credentials
	if src.Profile == nil || c.Mock || c.IAMRole == "" && c.SourceProfile == "" || l.scope.broken[profilePath] {
		return Profile{}
	}
	name, user := c.SourceProfile, l.config.Server.User
	l.placeProfile.read = func() Profile { return src.Profile(name, user) }
	l.placeProfile.was = l.placeProfile.read()
	return l.placeProfile.was
}

// wantedPartition is the partition that the region must be in. Without a name, any will do.
type wantedPartition struct {
	name string
	path string // key that decides
	who  string // what is of the partition, for messages
}

// wantedPartition returns the partition of the role, else aws.partition if its regions are known, else that of the profile.
func (l *loader) wantedPartition(profile Profile) wantedPartition {
	if roleARN().MatchString(l.config.Credentials.IAMRole) {
		return wantedPartition{partitionOfARN(l.config.Credentials.IAMRole), rolePath, "the role is of partition"}
	}
	if its := l.config.AWS.Partition; its == standardPartition || regionsOf(its) != nil {
		return wantedPartition{its, partitionPath, "this is partition"}
	}
	return wantedPartition{profile.partition(), profilePath, profile.From + " is of partition"}
}

func (w wantedPartition) String() string { return w.who + " " + w.name }

// withoutRegion returns the message that no source names a region of the partition. unfit are those that name another.
func (w wantedPartition) withoutRegion(unfit []regionSource) string {
	var others []string
	for _, s := range unfit {
		others = append(others, fmt.Sprintf("%s has %s, of partition %s", s.from, s.region, Partition(s.region)))
	}
	aside := ""
	if len(others) > 0 {
		aside = " (" + strings.Join(others, "; ") + ")"
	}
	regions := regionsOf(w.name)
	if regions == nil {
		names := []string{standardPartition}
		for _, p := range partitions {
			names = append(names, p.name)
		}
		slices.Sort(names)
		return fmt.Sprintf("%s, which is none of %s%s; correct it, or set %s", w, strings.Join(names, ", "), aside, regionPath)
	}
	return fmt.Sprintf("%s, but nothing names a region of it%s; set %s to %s", w, aside, regionPath, strings.Join(regions, " or "))
}
