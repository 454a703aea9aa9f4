package tree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const absent = "(absent)"

// lookupTest is a path and the body of its node, or absent.
type lookupTest struct{ path, want string }

func runLookups(t *testing.T, s *Snapshot, tests []lookupTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			got := absent
			if n := s.Lookup(tt.path); n != nil {
				got = string(n.Body)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLookup_FindsValuesAndListings(t *testing.T) {
	runLookups(t, mustNew(t, rich(), nil), []lookupTest{
		{
			"/", "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\n2011-01-01\n" +
				"2011-05-01\n2012-01-12\n2014-02-25\n2014-11-05\n2015-10-20\n2016-04-19\n2016-06-30\n2016-09-02\n2018-03-28\n2018-08-17\n" +
				"2018-09-24\n2019-10-01\n2020-10-27\n2021-01-03\n2021-03-23\n2021-07-15\n2022-09-24\n2024-04-11\nlatest",
		},
		{"/latest", "dynamic\nmeta-data\nuser-data"},
		{"/2024-04-11", "dynamic\nmeta-data\nuser-data"},
		{"/latest/meta-data/instance-id", "i-0123456789abcdef0"},
		{"/latest/meta-data/public-keys", "0=my-key"},
	})
}

func TestLookup_VersionHasPathsReleasedBefore(t *testing.T) {
	runLookups(t, mustNew(t, rich(), nil), []lookupTest{
		{"/2008-09-01", "meta-data\nuser-data"}, // dynamic is of 2009
		{"/2011-05-01/meta-data/iam", absent},
		{"/1.0/meta-data", "ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\npublic-keys/\nreservation-id\nsecurity-groups"},
	})
}

func TestLookup_ExtendedCredentialsAreNotListed(t *testing.T) {
	runLookups(t, mustNew(t, rich(), nil), []lookupTest{{"/latest/meta-data/iam", "info\nsecurity-credentials/"}})
}

func TestLookup_DynamicListsTheIdentityOnly(t *testing.T) {
	runLookups(t, mustNew(t, rich(), nil), []lookupTest{
		{"/latest/dynamic", "instance-identity/"},
		{"/2009-04-04/dynamic", "instance-identity/"},
		{"/2008-09-01/dynamic", absent},
		{"/latest/dynamic/fws", "instance-monitoring"},
		{"/latest/dynamic/fws/instance-monitoring", "enabled"},
		{"/2009-04-04/dynamic/fws/instance-monitoring", "enabled"},
		{"/2008-09-01/dynamic/fws/instance-monitoring", absent},
	})
	runLookups(t, mustNew(t, plain(), nil), []lookupTest{{"/latest/dynamic/fws/instance-monitoring", "disabled"}})
}

func TestOverrides_UnlistedDirectoriesDoNotMakeTheOneAbove(t *testing.T) {
	s := mustNew(t, rich(), map[string]*string{
		"dynamic/instance-identity": nil, "meta-data/iam/info": nil, "meta-data/iam/security-credentials": nil,
	})
	runLookups(t, s, []lookupTest{
		{"/latest", "meta-data\nuser-data"},
		{"/latest/dynamic", absent},
		{"/latest/dynamic/fws", "instance-monitoring"},
		{"/latest/meta-data/iam", absent},
		{"/latest/meta-data/iam/security-credentials-extended", "myrole"},
	})
	for _, path := range s.Paths() {
		if s.Lookup(strings.TrimSuffix(path, "/")) == nil {
			t.Errorf("%s is a path without an answer", path)
		}
	}
}

func TestOverrides_MonitoringStaysUnlisted(t *testing.T) {
	s := mustNew(t, plain(), map[string]*string{"dynamic/fws/instance-monitoring": new("enabled"), "dynamic/own/leaf": new("x")})
	runLookups(t, s, []lookupTest{
		{"/latest/dynamic", "instance-identity/\nown/"},
		{"/latest/dynamic/fws/instance-monitoring", "enabled"},
	})
}

func TestLookup_OtherPathsAreAbsent(t *testing.T) {
	s := mustNew(t, rich(), nil)
	for _, path := range []string{
		"/latest/meta-data/public-keys/0=my-key",
		"/latest/meta-data/iam/security-credentials/other",
		"/latest/meta-data/iam/security-credentials/myrol",
		"/latest/meta-data/iam/security-credentials/MYROLE",
		"/latest/meta-data/instance-id/x",
		"/latest/meta-data/instance",
		"/latest/api",
		"/latest/api/token",
		"/2099-01-01",
		"/2099-01-01/meta-data/instance-id",
		"/foo",
		"/latest/meta-data/../meta-data/instance-id",
	} {
		t.Run(path, func(t *testing.T) {
			if n := s.Lookup(path); n != nil {
				t.Errorf("got %q", n.Body)
			}
		})
	}
}

func TestLookup_NodesHaveKinds(t *testing.T) {
	s := mustNew(t, rich(), nil)
	for _, tt := range []struct {
		path string
		want Kind
	}{
		{"/latest/meta-data/iam/security-credentials/myrole", Credentials},
		{"/latest/meta-data/iam/security-credentials-extended/myrole", ExtendedCredentials},
		{"/latest/dynamic/instance-identity/pkcs7", Signature},
		{"/latest/user-data", UserData},
		{"/latest/meta-data", Listing},
		{"/latest/meta-data/instance-id", Value},
	} {
		t.Run(tt.path, func(t *testing.T) {
			if n := s.Lookup(tt.path); n == nil || n.Kind != tt.want {
				t.Errorf("got %+v, want kind %d", n, tt.want)
			}
		})
	}
}

// TestLookup_PlainInstanceListsWhatEveryInstanceHas compares with imds-reference section 5.
func TestLookup_PlainInstanceListsWhatEveryInstanceHas(t *testing.T) {
	runLookups(t, mustNew(t, plain(), nil), []lookupTest{
		{"/latest", "dynamic\nmeta-data"}, // no user data
		{
			"/latest/meta-data",
			"ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\nhostname\nidentity-credentials/\n" +
				"instance-action\ninstance-id\ninstance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nmetrics/\nnetwork/\n" +
				"placement/\nprofile\nreservation-id\nsecurity-groups\nservices/\nsystem",
		},
	})
}

// TestListings_ListAllPathsAndNoOthers walks the listings from each version down.
func TestListings_ListAllPathsAndNoOthers(t *testing.T) {
	s := mustNew(t, rich(), overridden)
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			listed := map[string]bool{}
			walk(t, s, "/"+version, listed)
			for _, path := range s.Paths() {
				path = strings.Replace(path, "latest", version, 1)
				if strings.HasSuffix(path, "/") || strings.Contains(path, "-extended") || strings.Contains(path, "/fws/") {
					continue // exists, but is not listed
				}
				if exists := s.Lookup(path) != nil; exists != listed[path] {
					t.Errorf("%s: exists %v, listed %v", path, exists, listed[path])
				}
			}
		})
	}
}

// walk adds the values below path to leaves.
func walk(t *testing.T, s *Snapshot, path string, leaves map[string]bool) {
	t.Helper()
	n := s.Lookup(path)
	if n == nil {
		t.Errorf("%s is listed but absent", path)
		return
	}
	if n.Kind != Listing {
		leaves[path] = true
		return
	}
	if len(n.Body) == 0 {
		t.Errorf("%s is empty", path)
		return
	}
	for name := range strings.SplitSeq(string(n.Body), "\n") {
		child := path + "/" + strings.TrimSuffix(name, "/")
		if number, _, ok := strings.Cut(name, "="); ok && strings.HasSuffix(path, "/public-keys") {
			walk(t, s, path+"/"+number, leaves)
			continue
		}
		walk(t, s, child, leaves)
		isDir := s.Lookup(child) != nil && s.Lookup(child).Kind == Listing
		if depth := strings.Count(path, "/"); depth > 1 && isDir != strings.HasSuffix(name, "/") {
			t.Errorf("%s lists %q, a directory: %v", path, name, isDir)
		}
	}
}

// overrides adds, replaces and removes paths of the rich instance.
func overrides() map[string]*string {
	return map[string]*string{
		"meta-data/ami-id":                            new("ami-1"),
		"meta-data/own/deep/path":                     new("\nverbatim\n"),
		"meta-data/kernel-id":                         new("aki-1"), // since 2008-02-01
		"meta-data/placement":                         nil,
		"meta-data/mac":                               nil,
		"meta-data/mac/is":                            new("a directory now"),
		"meta-data/iam/info":                          nil,
		"meta-data/nowhere":                           nil,
		"dynamic/fws":                                 new("a leaf"),
		"dynamic/own":                                 new("x"),
		"dynamic/fws/instance-monitoring":             nil,
		"dynamic/instance-identity/document":          new("{}"),
		"user-data":                                   new("other"),
		"meta-data/public-keys/0/openssh-key":         new("no newline"),
		"meta-data/network/interfaces/macs/ff/vpc-id": new("vpc-x"),
	}
}

func TestOverrides_ReplaceValues(t *testing.T) {
	runLookups(t, mustNew(t, rich(), overrides()), []lookupTest{
		{"/latest/meta-data/ami-id", "ami-1"},
		{"/1.0/meta-data/ami-id", "ami-1"},
		{"/latest/user-data", "other"},
		{"/latest/meta-data/public-keys/0/openssh-key", "no newline"},
		{"/latest/dynamic/instance-identity/document", "{}"},
		{"/latest/dynamic/instance-identity/signature", "signature"},
	})
}

func TestOverrides_AddPaths(t *testing.T) {
	runLookups(t, mustNew(t, rich(), overrides()), []lookupTest{
		{"/latest/meta-data/own/deep/path", "\nverbatim\n"},
		{"/1.0/meta-data/own", "deep/"},
		{"/2008-02-01/meta-data/kernel-id", "aki-1"},
		{"/2007-12-15/meta-data/kernel-id", absent},
		{"/latest/dynamic", "fws\ninstance-identity/\nown"},
		{"/2009-04-04/dynamic/own", "x"},
		{"/2008-09-01/dynamic/own", absent},
		{"/latest/meta-data/network/interfaces/macs/ff", "vpc-id"},
		{"/2009-04-04/meta-data/network", absent},
	})
}

func TestOverrides_NullRemovesPathAndAllBelow(t *testing.T) {
	runLookups(t, mustNew(t, rich(), overrides()), []lookupTest{
		{"/latest/meta-data/placement", absent},
		{"/latest/meta-data/placement/region", absent},
		{"/latest/meta-data/iam", "security-credentials/"},
	})
}

func TestOverrides_RemovedPathCanChangeBetweenValueAndDirectory(t *testing.T) {
	runLookups(t, mustNew(t, rich(), overrides()), []lookupTest{
		{"/latest/meta-data/mac", "is"},
		{"/latest/dynamic/fws", "a leaf"},
	})
}

func TestDocument_IsTheOneThatIsServed(t *testing.T) {
	if got, want := string(mustNew(t, plain(), nil).Document()), string(plain().IdentityDocument()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := string(mustNew(t, rich(), overrides()).Document()); got != "{}" {
		t.Errorf("got %q, want the overridden one", got)
	}
}

func TestDocument_RemovedOneHasNoSignatures(t *testing.T) {
	s := mustNew(t, rich(), map[string]*string{"dynamic/instance-identity/document": nil})
	if s.Document() != nil || s.Lookup("/latest/dynamic/instance-identity") != nil {
		t.Errorf("document %q, directory %+v", s.Document(), s.Lookup("/latest/dynamic/instance-identity"))
	}
}

func TestNew_RefusesConflictingOverrides(t *testing.T) {
	for _, tt := range []struct {
		name      string
		overrides map[string]*string
		want      string
	}{
		{
			"path below a value",
			map[string]*string{"meta-data/placement/region/x": new("")},
			"meta-data/placement/region/x: meta-data/placement/region is a value, not a directory; remove it first with null",
		},
		{
			"value for a directory",
			map[string]*string{"meta-data/tags": new("")},
			"meta-data/tags: is a directory (it holds meta-data/tags/instance/Name); set the paths below it, or remove each of them first with null",
		},
		{
			"path below another override",
			map[string]*string{"meta-data/a": new(""), "meta-data/a/b": new("")},
			"meta-data/a/b: meta-data/a is a value, not a directory; remove it first with null",
		},
		{
			"path below user data",
			map[string]*string{"user-data/x": new("")},
			"user-data/x: user-data is a value, not a directory; remove it first with null",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := rich()
			in.Tags = map[string]string{"Name": "x"}
			if _, err := New(in, tt.overrides); err == nil || err.Error() != tt.want {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
			if err := Check(in, tt.overrides); err == nil || err.Error() != tt.want {
				t.Errorf("checked: %v\nwant %s", err, tt.want)
			}
			if err := Check(in, nil); err != nil {
				t.Errorf("checked without overrides: %v", err)
			}
		})
	}
}

func TestFirstServing_IsVersionOfOrAfterReleaseDay(t *testing.T) {
	for _, tt := range []struct{ since, want string }{
		{"1.0", "1.0"},
		{"2009-04-04", "2009-04-04"},
		// Release days between versions (imds-reference section 1).
		{"2016-11-15", "2018-03-28"},
		{"2018-05-23", "2018-08-17"},
		{"2018-11-29", "2019-10-01"},
		{"2020-08-24", "2020-10-27"},
		{"2020-11-01", "2021-01-03"},
		{"2026-01-01", "latest"},
	} {
		t.Run(tt.since, func(t *testing.T) {
			if got := versions[firstServing(tt.since)]; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
