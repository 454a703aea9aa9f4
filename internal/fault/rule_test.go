package fault

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
)

// noon is when the rules of the tests are made.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// compiled makes a rule at noon.
func compiled(t testing.TB, id string, spec config.Fault) *Rule {
	t.Helper()
	r, err := New(id, spec, noon)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// only is a set of one rule.
func only(t testing.TB, spec config.Fault) *Set {
	t.Helper()
	return (*Set)(nil).With(compiled(t, "f", spec), nil)
}

// get is a request with a token, of a container.
func get(path string) *Request {
	return &Request{Path: path, Method: "GET", Version: "v2", Client: netip.MustParseAddr("172.17.0.2"), UserAgent: "Boto3/1.43.11 md/Botocore"}
}

func TestNew_KeepsWhatItIsMadeOf(t *testing.T) {
	spec := config.Fault{ID: "x", Status: 503, Dose: config.FaultDose{For: 10 * time.Minute}}
	r := compiled(t, "f", spec)
	if r.ID != "f" || r.Spec.Status != 503 || !r.Created.Equal(noon) || !r.Expires.Equal(noon.Add(10*time.Minute)) || r.Hits() != 0 || r.FromConfig {
		t.Errorf("%+v", r)
	}
}

func TestNew_ExpiresAtTheEarlierOfForAndUntil(t *testing.T) {
	for _, test := range []struct {
		name string
		dose config.FaultDose
		want time.Time
	}{
		{"neither", config.FaultDose{}, time.Time{}},
		{"for", config.FaultDose{For: time.Hour}, noon.Add(time.Hour)},
		{"until", config.FaultDose{Until: "2026-11-30T14:30:00+01:00"}, noon.Add(90 * time.Minute)},
		{"for is earlier", config.FaultDose{For: time.Hour, Until: "2026-11-30T13:30:00Z"}, noon.Add(time.Hour)},
		{"until is earlier", config.FaultDose{For: 2 * time.Hour, Until: "2026-11-30T13:30:00Z"}, noon.Add(90 * time.Minute)},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := compiled(t, "f", config.Fault{Dose: test.dose})
			if r.Expires != test.want {
				t.Errorf("it expires at %s, not at %s", r.Expires, test.want)
			}
		})
	}
}

func TestNew_RefusesWhatIsWrong(t *testing.T) {
	const network = "is neither an address nor a CIDR block; write e.g. 192.168.56.11 or 172.20.0.0/16"
	for _, test := range []struct {
		name, field, reason string
		spec                config.Fault
	}{
		{
			"until in the past", "dose.until", "dose.until: 2026-11-30T11:59:59Z is in the past; set a later time, or for",
			config.Fault{Dose: config.FaultDose{Until: "2026-11-30T11:59:59Z"}},
		},
		{
			"until now", "dose.until", "dose.until: 2026-11-30T12:00:00Z is in the past; set a later time, or for",
			config.Fault{Dose: config.FaultDose{Until: "2026-11-30T12:00:00Z"}},
		},
		{
			"until is no time", "dose.until", `dose.until: "tomorrow" is not a time; write e.g. 2026-12-01T02:00:00Z`,
			config.Fault{Dose: config.FaultDose{Until: "tomorrow"}},
		},
		{
			"pattern", "match.paths[1]", "match.paths[1]: no pattern; write e.g. meta-data/iam/**",
			config.Fault{Match: config.FaultMatch{Paths: []string{"api/token", ""}}},
		},
		{
			"client", "match.clients[0]", `match.clients[0]: "laptop" ` + network,
			config.Fault{Match: config.FaultMatch{Clients: []string{"laptop"}}},
		},
		{
			"client with a zone", "match.clients[0]", `match.clients[0]: "fe80::1%eth0" ` + network,
			config.Fault{Match: config.FaultMatch{Clients: []string{"fe80::1%eth0"}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := New("f", test.spec, noon)
			e, ok := errors.AsType[*config.FieldError](err)
			if !ok || r != nil {
				t.Fatalf("got %v, %v", r, err)
			}
			if e.Field != test.field || e.Reason != test.reason {
				t.Errorf("got  %s: %s\nwant %s: %s", e.Field, e.Reason, test.field, test.reason)
			}
		})
	}
}

func TestEnd_LetsGoAndMayBeCalledAgain(t *testing.T) {
	r := compiled(t, "f", config.Fault{Hang: true})
	select {
	case <-r.done:
		t.Fatal("done before End")
	default:
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(r.End)
	}
	all.Wait()
	r.End()
	select {
	case <-r.done:
	default:
		t.Error("not done after End")
	}
}

func TestHit_NeverMoreThanCount(t *testing.T) {
	count := 50
	r := compiled(t, "f", config.Fault{Dose: config.FaultDose{Count: &count}})
	var all sync.WaitGroup
	var applied atomic.Int64
	for range 8 {
		all.Go(func() {
			for range 200 {
				if r.hit() {
					applied.Add(1)
				}
			}
		})
	}
	all.Wait()
	if applied.Load() != int64(count) || r.Hits() != int64(count) {
		t.Errorf("%d hits took effect, and %d were counted; want %d", applied.Load(), r.Hits(), count)
	}
}

func TestHit_OfRequestsThatMatchedAtTheSameTime(t *testing.T) {
	one := 1
	s := only(t, config.Fault{Dose: config.FaultDose{Count: &one}})
	q := get("meta-data/mac")
	first, second := s.Match(q, noon), s.Match(q, noon) // both before any hit
	if first == nil || second == nil {
		t.Fatal("no match before the first hit")
	}
	if !second.hit() || first.hit() {
		t.Error("the first to hit is not the only one")
	}
	if s.Match(q, noon) != nil {
		t.Error("a rule with all its hits still matches")
	}
}

func TestHit_WithoutCountHasNoBound(t *testing.T) {
	r := compiled(t, "f", config.Fault{})
	for range 1000 {
		if !r.hit() {
			t.Fatal("refused")
		}
	}
	if r.Hits() != 1000 {
		t.Errorf("%d hits", r.Hits())
	}
}

func TestMatch_UnusedMatchesLeaveTheCount(t *testing.T) {
	count := 1
	s := only(t, config.Fault{Dose: config.FaultDose{Count: &count}})
	for range 10 { // a throttle that is not exceeded, say: matched, and no hit
		if s.Match(get("meta-data/mac"), noon) == nil {
			t.Fatal("no match before the first hit")
		}
	}
}

func TestMatch_ExpiredMatchesNothing(t *testing.T) {
	s := only(t, config.Fault{Dose: config.FaultDose{For: time.Minute}})
	for _, test := range []struct {
		at   time.Duration
		want bool
	}{{0, true}, {time.Minute - 1, true}, {time.Minute, false}, {time.Hour, false}} {
		if got := s.Match(get("meta-data/mac"), noon.Add(test.at)) != nil; got != test.want {
			t.Errorf("after %s: %t", test.at, got)
		}
	}
}

func TestMatch_ForIsMonotonic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New("f", config.Fault{Dose: config.FaultDose{For: 10 * time.Minute}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s := (*Set)(nil).With(r, nil)
		time.Sleep(10*time.Minute - time.Nanosecond)
		if s.Match(get("meta-data/mac"), time.Now()) == nil {
			t.Error("no match just before the end")
		}
		time.Sleep(time.Nanosecond)
		if s.Match(get("meta-data/mac"), time.Now()) != nil {
			t.Error("a match at the end")
		}
	})
}
