package fault

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

// modelRule is a rule as a reader of the reference would play it by hand, with a list of what has happened.
type modelRule struct {
	id      string
	spec    config.Fault
	created time.Time
	ended   time.Time  // zero: never
	matched []*Request // so far
	hits    int
}

// includes plays one request.
func (m *modelRule) includes(q *Request, now time.Time) bool {
	if !m.ended.IsZero() && !m.ended.After(now) || m.spec.Dose.Count != nil && m.hits >= *m.spec.Dose.Count || !modelMatch(m.spec.Match, q) {
		return false
	}
	m.matched = append(m.matched, q)
	d := m.spec.Dose
	if len(m.matched) <= d.Skip {
		return false
	}
	left := len(m.matched[d.Skip:])
	if d.Every > 0 && left%d.Every != 0 {
		return false
	}
	if d.Percent == nil {
		return true
	}
	alone := newDose(config.FaultDose{Percent: d.Percent, Seed: d.Seed}) // its fairness has tests of its own
	return alone.includes(int64(left))
}

func modelMatch(m config.FaultMatch, q *Request) bool {
	pathFits := func(pattern string) bool { return modelPath(strings.Split(pattern, "/"), modelSegments(q.Path)) }
	clientFits := func(text string) bool {
		if !strings.Contains(text, "/") {
			return netip.MustParseAddr(text).Unmap() == q.Client.Unmap().WithZone("")
		}
		p := netip.MustParsePrefix(text)
		same, err := q.Client.Unmap().WithZone("").Prefix(p.Bits())
		return err == nil && same == p
	}
	switch {
	case len(m.Paths) > 0 && !slices.ContainsFunc(m.Paths, pathFits),
		len(m.Methods) > 0 && !slices.Contains(m.Methods, q.Method),
		m.Version != "" && m.Version != q.Version,
		len(m.Clients) > 0 && !slices.ContainsFunc(m.Clients, clientFits),
		m.UserAgent != "" && !strings.Contains(q.UserAgent, m.UserAgent):
		return false
	}
	return true
}

func modelSegments(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// modelPath matches segments from the front.
func modelPath(pattern, path []string) bool {
	switch {
	case len(pattern) == 0:
		return len(path) == 0
	case pattern[0] == "**":
		return true
	case len(path) == 0 || pattern[0] != "*" && pattern[0] != path[0]:
		return false
	}
	return modelPath(pattern[1:], path[1:])
}

// words are what random rules and requests are made of: few, so that they often meet.
var words = struct{ paths, patterns, methods, versions, clients, networks, agents, parts []string }{
	paths:    []string{"", "api/token", "meta-data", "meta-data/mac", "meta-data/iam", "meta-data/iam/info", "meta-data/iam/security-credentials/app", "user-data"},
	patterns: []string{"api/token", "meta-data/*", "meta-data/**", "meta-data/iam/**", "*/iam/*", "*", "**", "*/*", "*/**", "user-data", "meta-data/iam/security-credentials/*"},
	methods:  []string{"GET", "HEAD", "PUT"},
	versions: []string{"v1", "v2"},
	clients:  []string{"127.0.0.1", "172.17.0.2", "172.17.9.9", "::ffff:172.17.0.2", "::1", "2001:db8::1", "fe80::1%eth0"},
	networks: []string{"127.0.0.1", "172.17.0.0/16", "172.17.0.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32", "fe80::1", "::1"},
	agents:   []string{"", "Boto3/1.43", "aws-sdk-go-v2/1.48", "curl/8"},
	parts:    []string{"Boto3", "aws-sdk", "/", "8"},
}

func pick(rnd *rand.Rand, from []string) string { return from[rnd.IntN(len(from))] }

// some returns up to two of the texts, mostly none.
func some(rnd *rand.Rand, from []string) []string {
	var list []string
	for range max(0, rnd.IntN(5)-2) {
		list = append(list, pick(rnd, from))
	}
	return list
}

// maybe returns a number below n, or nil.
func maybe(rnd *rand.Rand, n int) *int {
	if rnd.IntN(2) == 0 {
		return nil
	}
	i := rnd.IntN(n)
	return &i
}

func randomFault(rnd *rand.Rand) config.Fault {
	f := config.Fault{Match: config.FaultMatch{
		Paths: some(rnd, words.patterns), Methods: some(rnd, words.methods), Clients: some(rnd, words.networks),
	}}
	if rnd.IntN(4) == 0 {
		f.Match.Version = pick(rnd, words.versions)
	}
	if rnd.IntN(4) == 0 {
		f.Match.UserAgent = pick(rnd, words.parts)
	}
	seed := rnd.IntN(1000)
	f.Dose = config.FaultDose{Percent: maybe(rnd, 101), Count: maybe(rnd, 6), Seed: &seed}
	if rnd.IntN(3) == 0 {
		f.Dose.Skip = rnd.IntN(5)
	}
	if rnd.IntN(3) == 0 {
		f.Dose.Every = 1 + rnd.IntN(4)
	}
	if rnd.IntN(3) == 0 {
		f.Dose.For = time.Duration(1+rnd.IntN(100)) * time.Second
	}
	return f
}

func randomRequest(rnd *rand.Rand) *Request {
	return &Request{
		Path: pick(rnd, words.paths), Method: pick(rnd, words.methods), Version: pick(rnd, words.versions),
		Client: netip.MustParseAddr(pick(rnd, words.clients)), UserAgent: pick(rnd, words.agents),
	}
}

// play lets a set and the model answer the same random requests, with rules that come and go, and reports the first difference.
func play(t *testing.T, rnd *rand.Rand, steps int) (matches int) {
	t.Helper()
	var s *Set
	var model []*modelRule
	now := noon
	for step := range steps {
		switch action := rnd.IntN(20); {
		case action == 0 && len(model) < 8:
			id, spec := strconv.Itoa(step), randomFault(rnd)
			r, err := New(id, spec, now)
			if err != nil {
				t.Fatalf("%s: %s", config.JSON(&spec), err)
			}
			s = s.With(r, nil)
			m := &modelRule{id: id, spec: spec, created: now}
			if spec.Dose.For > 0 {
				m.ended = now.Add(spec.Dose.For)
			}
			model = append(model, m)
		case action == 1 && len(model) > 2:
			i := rnd.IntN(len(model))
			s = s.Without(model[i].id)
			model = slices.Delete(model, i, i+1)
		case action == 2:
			now = now.Add(time.Duration(rnd.IntN(10)) * time.Second)
		}
		q := randomRequest(rnd)
		want := -1
		for i, m := range model {
			if m.includes(q, now) {
				want = i
				break
			}
		}
		got := s.Match(q, now)
		if want < 0 {
			if got != nil {
				t.Fatalf("step %d: %+v is taken by %s %s", step, q, got.ID, config.JSON(&got.Spec))
			}
			continue
		}
		m := model[want]
		if got == nil || got.ID != m.id {
			t.Fatalf("step %d: %+v is taken by %v, not by %s %s", step, q, got, m.id, config.JSON(&m.spec))
		}
		matches++
		if rnd.IntN(4) > 0 { // some effects change nothing
			m.hits++
			if !got.hit() || got.Hits() != int64(m.hits) {
				t.Fatalf("step %d: %s has %d hits, not %d", step, got.ID, got.Hits(), m.hits)
			}
		}
	}
	return matches
}

func TestMatch_IsAsTheModel(t *testing.T) {
	matches := 0
	for seed := range uint64(300) {
		matches += play(t, rand.New(rand.NewPCG(seed, 19)), 400)
	}
	if matches < 30_000 {
		t.Errorf("only %d of 120000 requests were taken, which tests little", matches)
	}
}

func FuzzMatch_IsAsTheModel(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) { play(t, rand.New(rand.NewPCG(a, b)), 300) })
}
