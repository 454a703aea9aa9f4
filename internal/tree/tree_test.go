package tree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookup(t *testing.T) {
	s := mustNew(t, rich(), nil)
	const absent = "(absent)"
	for path, want := range map[string]string{
		"/": "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\n2011-01-01\n" +
			"2011-05-01\n2012-01-12\n2014-02-25\n2014-11-05\n2015-10-20\n2016-04-19\n2016-06-30\n2016-09-02\n2018-03-28\n2018-08-17\n" +
			"2018-09-24\n2019-10-01\n2020-10-27\n2021-01-03\n2021-03-23\n2021-07-15\n2022-09-24\n2024-04-11\nlatest",
		"/latest":                                           "dynamic\nmeta-data\nuser-data",
		"/2024-04-11":                                       "dynamic\nmeta-data\nuser-data",
		"/2008-09-01":                                       "meta-data\nuser-data", // dynamic came in 2009
		"/latest/meta-data/instance-id":                     "i-0123456789abcdef0",
		"/latest/meta-data/public-keys":                     "0=my-key",
		"/latest/meta-data/iam":                             "info\nsecurity-credentials/", // nor the extended ones
		"/2011-05-01/meta-data/iam":                         absent,
		"/1.0/meta-data":                                    "ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\npublic-keys/\nreservation-id\nsecurity-groups",
		"/latest/meta-data/public-keys/0=my-key":            absent,
		"/latest/meta-data/iam/security-credentials/other":  absent,
		"/latest/meta-data/iam/security-credentials/myrol":  absent,
		"/latest/meta-data/iam/security-credentials/MYROLE": absent,
		"/latest/meta-data/instance-id/x":                   absent,
		"/latest/meta-data/instance":                        absent,
		"/latest/api":                                       absent,
		"/latest/api/token":                                 absent,
		"/2099-01-01":                                       absent,
		"/2099-01-01/meta-data/instance-id":                 absent,
		"/foo":                                              absent,
		"/latest/meta-data/../meta-data/instance-id":        absent,
	} {
		got := absent
		if n := s.Lookup(path); n != nil {
			got = string(n.Body)
		}
		if got != want {
			t.Errorf("Lookup(%q)\n got %q\nwant %q", path, got, want)
		}
	}
	for path, want := range map[string]Kind{
		"/latest/meta-data/iam/security-credentials/myrole":          Credentials,
		"/latest/meta-data/iam/security-credentials-extended/myrole": ExtendedCredentials,
		"/latest/dynamic/instance-identity/pkcs7":                    Signature,
		"/latest/user-data": UserData,
	} {
		if n := s.Lookup(path); n == nil || n.Kind != want {
			t.Errorf("%s is %+v, want kind %d", path, n, want)
		}
	}
	if got := string(mustNew(t, plain(), nil).Lookup("/latest").Body); got != "dynamic\nmeta-data" {
		t.Errorf("/latest without user data lists %q", got)
	}
	// What reference section 5 says of a plain instance.
	const want = "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\nhostname\nidentity-credentials/\n" +
		"instance-action\ninstance-id\ninstance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nmetrics/\nnetwork/\n" +
		"placement/\nprofile\nreservation-id\nsecurity-groups\nservices/\nsystem"
	if diff := cmp.Diff(want, string(mustNew(t, plain(), nil).Lookup("/latest/meta-data").Body)); diff != "" {
		t.Errorf("a plain instance's listing (-want +got):\n%s", diff)
	}
}

// TestListingsHold walks from every version down: all that is listed is there, and nothing but that.
func TestListingsHold(t *testing.T) {
	s := mustNew(t, rich(), overridden)
	for _, version := range versions {
		leaves := map[string]bool{}
		walk(t, s, "/"+version, leaves)
		for _, path := range s.Paths() {
			path = strings.Replace(path, "latest", version, 1)
			if strings.HasSuffix(path, "/") || strings.Contains(path, "-extended") {
				continue // served, but not listed
			}
			if there := s.Lookup(path) != nil; there != leaves[path] {
				t.Errorf("%s: there %v, listed %v", path, there, leaves[path])
			}
		}
	}
}

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

func TestOverrides(t *testing.T) {
	s := mustNew(t, rich(), map[string]*string{
		"meta-data/ami-id":                            new("ami-1"),
		"meta-data/own/deep/path":                     new("\nas it is\n"),
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
	})
	const absent = "(absent)"
	for path, want := range map[string]string{
		"/latest/meta-data/ami-id":                     "ami-1",
		"/1.0/meta-data/ami-id":                        "ami-1",
		"/latest/meta-data/own/deep/path":              "\nas it is\n",
		"/1.0/meta-data/own":                           "deep/",
		"/2008-02-01/meta-data/kernel-id":              "aki-1",
		"/2007-12-15/meta-data/kernel-id":              absent,
		"/latest/meta-data/placement":                  absent,
		"/latest/meta-data/placement/region":           absent,
		"/latest/meta-data/mac":                        "is",
		"/latest/meta-data/iam":                        "security-credentials/",
		"/latest/dynamic":                              "fws\ninstance-identity/\nown",
		"/latest/dynamic/fws":                          "a leaf",
		"/2009-04-04/dynamic/own":                      "x",
		"/2008-09-01/dynamic/own":                      absent,
		"/latest/dynamic/instance-identity/document":   "{}",
		"/latest/dynamic/instance-identity/signature":  "signature",
		"/latest/user-data":                            "other",
		"/latest/meta-data/public-keys/0/openssh-key":  "no newline",
		"/latest/meta-data/network/interfaces/macs/ff": "vpc-id",
		"/2009-04-04/meta-data/network":                absent,
	} {
		got := absent
		if n := s.Lookup(path); n != nil {
			got = string(n.Body)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if string(s.Document()) != "{}" {
		t.Errorf("the document to sign is %q", s.Document())
	}
	without := mustNew(t, rich(), map[string]*string{"dynamic/instance-identity/document": nil})
	if without.Document() != nil || without.Lookup("/latest/dynamic/instance-identity") != nil {
		t.Error("a removed document is signed")
	}
	if string(mustNew(t, plain(), nil).Document()) != string(plain().IdentityDocument()) {
		t.Error("the document to sign is not the one that is served")
	}
}

func TestBadOverrides(t *testing.T) {
	for _, tt := range []struct {
		overrides map[string]*string
		want      string
	}{
		{map[string]*string{"meta-data/placement/region/x": new("")}, "meta-data/placement/region/x: meta-data/placement/region above it is a value, not a directory; remove that first by null"},
		{map[string]*string{"meta-data/tags": new("")}, "meta-data/tags: is a directory (it holds meta-data/tags/instance/Name); set the paths below it, or remove each of those by null first"},
		{map[string]*string{"meta-data/a": new(""), "meta-data/a/b": new("")}, "meta-data/a/b: meta-data/a above it is a value, not a directory; remove that first by null"},
		{map[string]*string{"user-data/x": new("")}, "user-data/x: user-data above it is a value, not a directory; remove that first by null"},
	} {
		in := rich()
		in.Tags = map[string]string{"Name": "x"}
		if _, err := New(in, tt.overrides); err == nil || err.Error() != tt.want {
			t.Errorf("got %v\nwant %s", err, tt.want)
		}
	}
}

func TestFirstServing(t *testing.T) {
	for since, want := range map[string]string{
		"1.0": "1.0", "2009-04-04": "2009-04-04",
		// Release days between served versions (imds-reference section 1).
		"2016-11-15": "2018-03-28", "2018-05-23": "2018-08-17", "2018-11-29": "2019-10-01", "2020-08-24": "2020-10-27", "2020-11-01": "2021-01-03",
		"2026-01-01": "latest",
	} {
		if got := versions[firstServing(since)]; got != want {
			t.Errorf("what was released on %s shows first in %s, want %s", since, got, want)
		}
	}
}
