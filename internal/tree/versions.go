package tree

import "slices"

// versions are listed at "/", oldest first (imds-reference section 1). A path exists in the versions from its release day on;
// "latest" has all paths.
var versions = [...]string{
	"1.0",
	"2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15",
	"2008-02-01", "2008-09-01",
	"2009-04-04",
	"2011-01-01", "2011-05-01",
	"2012-01-12",
	"2014-02-25", "2014-11-05",
	"2015-10-20",
	"2016-04-19", "2016-06-30", "2016-09-02",
	"2018-03-28", "2018-08-17", "2018-09-24",
	"2019-10-01",
	"2020-10-27",
	"2021-01-03", "2021-03-23", "2021-07-15",
	"2022-09-24",
	"2024-04-11",
	"latest",
}

// ServesVersion reports whether v is a served version or "latest".
func ServesVersion(v string) bool { return versionIndex(v) >= 0 }

// versionIndex returns the position of v in versions, or -1.
func versionIndex(v string) int { return slices.Index(versions[:], v) }

// firstServing returns the position of the first version from a release day on ("1.0" or YYYY-MM-DD). Not each release day
// is a version.
func firstServing(since string) int {
	for i, s := range versions {
		if s >= since {
			return i
		}
	}
	return len(versions) - 1
}
