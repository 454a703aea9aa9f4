package tree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/instance"
)

var sample = &instance.Instance{
	ID: "i-0123456789abcdef0", Type: "t3.nano", Hostname: "ip-10-0-0-10.ec2.internal", LocalIPv4: "10.0.0.10",
	AvailabilityZone: "us-east-1a", Role: "myrole",
}

func TestLookup(t *testing.T) {
	s := New(sample)
	const absent = "(absent)"
	for path, want := range map[string]string{
		"/": "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\n2011-01-01\n" +
			"2011-05-01\n2012-01-12\n2014-02-25\n2014-11-05\n2015-10-20\n2016-04-19\n2016-06-30\n2016-09-02\n2018-03-28\n2018-08-17\n" +
			"2018-09-24\n2019-10-01\n2020-10-27\n2021-01-03\n2021-03-23\n2021-07-15\n2022-09-24\n2024-04-11\nlatest",
		"/latest":                                           "dynamic\nmeta-data",
		"/latest/meta-data":                                 "hostname\niam/\ninstance-id\ninstance-type\nlocal-ipv4\nplacement/",
		"/latest/meta-data/instance-id":                     "i-0123456789abcdef0",
		"/latest/meta-data/placement":                       "availability-zone",
		"/latest/meta-data/iam":                             "security-credentials/",
		"/latest/meta-data/iam/security-credentials":        "myrole",
		"/latest/dynamic":                                   "instance-identity/",
		"/latest/dynamic/instance-identity":                 "document",
		"/2008-09-01":                                       "meta-data", // dynamic came in 2009
		"/2008-09-01/dynamic/instance-identity/document":    absent,
		"/2011-05-01/meta-data":                             "hostname\ninstance-id\ninstance-type\nlocal-ipv4\nplacement/", // iam came in 2012
		"/2011-05-01/meta-data/iam":                         absent,
		"/2012-01-12/meta-data/iam":                         "security-credentials/",
		"/1.0/meta-data":                                    "hostname\ninstance-id\nlocal-ipv4",
		"/1.0/meta-data/placement/availability-zone":        absent,
		"/latest/meta-data/iam/security-credentials/other":  absent,
		"/latest/meta-data/iam/security-credentials/myrol":  absent,
		"/latest/meta-data/instance-id/x":                   absent,
		"/latest/meta-data/instance":                        absent,
		"/latest/api":                                       absent,
		"/latest/api/token":                                 absent,
		"/2099-01-01":                                       absent,
		"/2099-01-01/meta-data/instance-id":                 absent,
		"/foo":                                              absent,
		"/latest/meta-data/../meta-data/instance-id":        absent,
		"/latest/meta-data/iam/security-credentials/MYROLE": absent,
	} {
		got := absent
		if n := s.Lookup(path); n != nil {
			got = string(n.Body)
		}
		if got != want {
			t.Errorf("Lookup(%q)\n got %q\nwant %q", path, got, want)
		}
	}
	if n := s.Lookup("/latest/meta-data/iam/security-credentials/myrole"); n == nil || n.Kind != Credentials {
		t.Errorf("the role's node is %+v, want one of kind Credentials", n)
	}
}

func TestNoInstanceProfile(t *testing.T) {
	in := *sample
	in.Role = ""
	s := New(&in)
	for _, path := range []string{"/latest/meta-data/iam", "/latest/meta-data/iam/security-credentials", "/latest/meta-data/iam/security-credentials/"} {
		if n := s.Lookup(path); n != nil {
			t.Errorf("%s is %q without a role", path, n.Body)
		}
	}
	if body := string(s.Lookup("/latest/meta-data").Body); strings.Contains(body, "iam") {
		t.Errorf("iam/ is listed without a role: %q", body)
	}
}

// TestListingsHold walks from every version down: all that is listed is there, and nothing but that.
func TestListingsHold(t *testing.T) {
	s := New(sample)
	for _, version := range versions {
		leaves := map[string]bool{}
		walk(t, s, "/"+version, leaves)
		for _, path := range s.Paths() {
			path = strings.Replace(path, "latest", version, 1)
			if strings.HasSuffix(path, "/") {
				continue
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
		walk(t, s, child, leaves)
		isDir := s.Lookup(child) != nil && s.Lookup(child).Kind == Listing
		if depth := strings.Count(path, "/"); depth > 1 && isDir != strings.HasSuffix(name, "/") {
			t.Errorf("%s lists %q, a directory: %v", path, name, isDir)
		}
	}
}

func TestPaths(t *testing.T) {
	want := []string{
		"/latest/",
		"/latest/dynamic/",
		"/latest/dynamic/instance-identity/",
		"/latest/dynamic/instance-identity/document",
		"/latest/meta-data/",
		"/latest/meta-data/hostname",
		"/latest/meta-data/iam/",
		"/latest/meta-data/iam/security-credentials/",
		"/latest/meta-data/iam/security-credentials/myrole",
		"/latest/meta-data/instance-id",
		"/latest/meta-data/instance-type",
		"/latest/meta-data/local-ipv4",
		"/latest/meta-data/placement/",
		"/latest/meta-data/placement/availability-zone",
	}
	if diff := cmp.Diff(want, New(sample).Paths()); diff != "" {
		t.Errorf("Paths (-want +got):\n%s", diff)
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
