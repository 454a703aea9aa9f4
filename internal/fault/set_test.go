package fault

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

func ids(s *Set) []string {
	var list []string
	for _, r := range s.Rules() {
		list = append(list, r.ID)
	}
	return list
}

func TestSet_NilHasNone(t *testing.T) {
	var s *Set
	if s.Match(get("meta-data/mac"), noon) != nil || s.Find("a") != nil || s.Rules() != nil || !s.Next().IsZero() || s.Without("a") != nil {
		t.Error("a nil set has something")
	}
}

func TestSet_KeepsTheOrderOfAddition(t *testing.T) {
	var s *Set
	waiting := &Waiting{}
	for _, id := range []string{"c", "a", "b"} {
		s = s.With(compiled(t, id, config.Fault{}), waiting)
	}
	if got := ids(s); !slices.Equal(got, []string{"c", "a", "b"}) {
		t.Errorf("got %q", got)
	}
	if r := s.Find("a"); r == nil || r.ID != "a" || s.Find("d") != nil {
		t.Errorf("found %v and %v", r, s.Find("d"))
	}
	if s.waiting != waiting || s.Without("a").waiting != waiting {
		t.Error("the bound of waiting requests is lost")
	}
}

func TestSet_IsImmutable(t *testing.T) {
	abc := (*Set)(nil)
	for _, id := range []string{"a", "b", "c"} {
		abc = abc.With(compiled(t, id, config.Fault{}), nil)
	}
	d, e := abc.With(compiled(t, "d", config.Fault{}), nil), abc.With(compiled(t, "e", config.Fault{}), nil)
	ac := abc.Without("b")
	clear(abc.Rules())
	for _, test := range []struct {
		set  *Set
		want []string
	}{
		{abc, []string{"a", "b", "c"}},
		{d, []string{"a", "b", "c", "d"}},
		{e, []string{"a", "b", "c", "e"}},
		{ac, []string{"a", "c"}},
	} {
		if got := ids(test.set); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestWithout_LastIsNilAndUnknownChangesNothing(t *testing.T) {
	s := only(t, config.Fault{})
	if s.Without("unknown") != s {
		t.Error("another set without an unknown rule")
	}
	if s.Without("f") != nil {
		t.Error("a set without rules is not nil")
	}
	select {
	case <-s.Find("f").done:
		t.Error("Without ended the rule")
	default:
	}
}

func TestNext_IsTheEarliestExpiry(t *testing.T) {
	var s *Set
	for i, until := range []time.Duration{0, time.Hour, time.Minute, 0, 2 * time.Hour} {
		s = s.With(compiled(t, strconv.Itoa(i), config.Fault{Dose: config.FaultDose{For: until}}), nil)
	}
	if got := s.Next(); !got.Equal(noon.Add(time.Minute)) {
		t.Errorf("got %s", got)
	}
	if got := s.Without("2").Next(); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("without it: %s", got)
	}
	if got := only(t, config.Fault{}).Next(); !got.IsZero() {
		t.Errorf("never: %s", got)
	}
}

func TestMatch_FirstWins(t *testing.T) {
	one := 1
	s := (*Set)(nil).
		With(compiled(t, "token", config.Fault{Match: config.FaultMatch{Paths: []string{"api/token"}}}), nil).
		With(compiled(t, "once", config.Fault{Dose: config.FaultDose{Count: &one}}), nil).
		With(compiled(t, "soon", config.Fault{Dose: config.FaultDose{For: time.Minute}}), nil).
		With(compiled(t, "second", config.Fault{Dose: config.FaultDose{Every: 2}}), nil).
		With(compiled(t, "all", config.Fault{}), nil)
	for i, test := range []struct {
		path string
		at   time.Duration
		want string
	}{
		{"api/token", 0, "token"},
		{"meta-data/mac", 0, "once"},
		{"meta-data/mac", 0, "soon"}, // once is used up
		{"api/token", 0, "token"},
		{"meta-data/mac", time.Hour, "all"}, // soon is over, and this is the first for second
		{"meta-data/mac", time.Hour, "second"},
		{"meta-data/mac", time.Hour, "all"},
	} {
		r := s.Match(get(test.path), noon.Add(test.at))
		if r == nil || r.ID != test.want {
			t.Fatalf("request %d: got %v, want %s", i, r, test.want)
		}
		r.hit()
	}
}

func TestMatch_CountsGoOnOverChangesOfTheSet(t *testing.T) {
	s := only(t, config.Fault{Dose: config.FaultDose{Skip: 2}})
	q := get("meta-data/mac")
	s.Match(q, noon)
	s = s.With(compiled(t, "g", config.Fault{Match: config.FaultMatch{Version: "v1"}}), nil)
	if s.Match(q, noon) != nil {
		t.Error("the second request is hit")
	}
	if s.Without("g").Match(q, noon) == nil {
		t.Error("the third request is not hit")
	}
}
