package tree

// versions are those that the service lists at "/", oldest first (imds-reference section 1). An entry exists under a
// version if that is not older than the entry; "latest" has everything.
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

// ServesVersion says whether v is a served version, "latest" included.
func ServesVersion(v string) bool { return versionIndex(v) >= 0 }

// versionIndex is the position of v in versions, or -1.
func versionIndex(v string) int {
	for i, s := range versions {
		if s == v {
			return i
		}
	}
	return -1
}

// firstServing is the position of the first version that shows what was released on the day since ("1.0" or
// YYYY-MM-DD): release days are not all served versions.
func firstServing(since string) int {
	for i, s := range versions {
		if s >= since {
			return i
		}
	}
	return len(versions) - 1
}
