package fault

import (
	"net/netip"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/web"
)

func TestMatch_AllThatIsSetMustHold(t *testing.T) {
	all := config.FaultMatch{
		Paths: []string{"api/token", "meta-data/iam/**"}, Methods: []string{"PUT", "GET"}, Version: "v2",
		Clients: []string{"172.17.0.0/16", "2001:db8::1", "::ffff:192.0.2.0/120", "::ffff:198.51.100.7"}, UserAgent: "Boto3/",
	}
	changed := func(change func(*Request)) *Request {
		q := get("meta-data/iam/info")
		change(q)
		return q
	}
	client := func(a string) *Request { return changed(func(q *Request) { q.Client = netip.MustParseAddr(a) }) }
	for _, test := range []struct {
		name string
		q    *Request
		want bool
	}{
		{"all", get("meta-data/iam/info"), true},
		{"the other path", get("api/token"), true},
		{"the pattern's own start", get("meta-data/iam"), true},
		{"no path", get("meta-data/mac"), false},
		{"the root", get(""), false},
		{"the other method", changed(func(q *Request) { q.Method = "PUT" }), true},
		{"no method", changed(func(q *Request) { q.Method = "HEAD" }), false},
		{"methods are told apart by case", changed(func(q *Request) { q.Method = "get" }), false},
		{"the other version", changed(func(q *Request) { q.Version = "v1" }), false},
		{"no user agent", changed(func(q *Request) { q.UserAgent = "" }), false},
		{"another user agent", changed(func(q *Request) { q.UserAgent = "aws-cli/2.27 boto3/1" }), false},
		{"a user agent that holds it", changed(func(q *Request) { q.UserAgent = "x Boto3/2" }), true},
		{"outside the network", client("172.18.0.2"), false},
		{"IPv4-mapped", client("::ffff:172.17.0.9"), true},
		{"in the IPv4-mapped network", client("192.0.2.9"), true},
		{"the IPv4-mapped address", client("198.51.100.7"), true},
		{"IPv6", client("2001:db8::1"), true},
		{"another IPv6", client("2001:db8::2"), false},
		{"IPv6 with a zone", client("2001:db8::1%eth0"), true},
		{"no address", changed(func(q *Request) { q.Client = netip.Addr{} }), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := only(t, config.Fault{Match: all}).Match(test.q, noon) != nil; got != test.want {
				t.Errorf("match: %t", got)
			}
		})
	}
}

func TestMatch_EmptyIsForAll(t *testing.T) {
	s := only(t, config.Fault{})
	for _, q := range []*Request{{}, get(""), get("api/token"), {Path: "x", Method: "BREW", Version: "v1", Client: netip.IPv6Loopback()}} {
		if s.Match(q, noon) == nil {
			t.Errorf("no match of %+v", q)
		}
	}
}

func TestMatch_EachKeyAlone(t *testing.T) {
	for name, m := range map[string]config.FaultMatch{
		"paths":      {Paths: []string{"user-data"}},
		"methods":    {Methods: []string{"PUT"}},
		"version":    {Version: "v1"},
		"clients":    {Clients: []string{"127.0.0.1"}},
		"user agent": {UserAgent: "Go"},
	} {
		t.Run(name, func(t *testing.T) {
			s := only(t, config.Fault{Match: m})
			if s.Match(get("meta-data/mac"), noon) != nil {
				t.Error("it matches another request")
			}
			q := &Request{Path: "user-data", Method: "PUT", Version: "v1", Client: netip.MustParseAddr("127.0.0.1"), UserAgent: "aws-sdk-Go"}
			if s.Match(q, noon) == nil {
				t.Error("it does not match its own")
			}
		})
	}
}

// TestMatch_NormalisedPath is statement 63 of the check-list: no spelling of a path gets around a rule.
func TestMatch_NormalisedPath(t *testing.T) {
	s := only(t, config.Fault{Match: config.FaultMatch{Paths: []string{"meta-data/iam/**"}}})
	for path, want := range map[string]bool{
		"/latest/meta-data/iam/info":             true,
		"//latest///meta-data//iam/info":         true,
		"/latest/meta-data/iam/info/":            true,
		"/latest/meta-data/iam/":                 true,
		"/latest/meta-data/iam":                  true,
		"/2021-07-15/meta-data/iam/info":         true,
		"/1.0/meta-data/iam/info":                true,
		"/meta-data/iam/info":                    false, // there, meta-data is the version
		"/latest/meta-data/iamx/info":            false,
		"/latest/meta-data/identity-credentials": false,
		"/latest":                                false,
		"/":                                      false,
	} {
		if got := s.Match(get(config.BelowVersion(web.Clean(path))), noon) != nil; got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

func TestMatch_ClientWithHostBitsIsItsNetwork(t *testing.T) {
	s := only(t, config.Fault{Match: config.FaultMatch{Clients: []string{"172.17.0.9/24"}}})
	if s.Match(get("meta-data/mac"), noon) == nil {
		t.Error("no match")
	}
}
