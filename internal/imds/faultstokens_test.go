package imds

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
)

// withToken is a request that brings a token.
func withToken(method, path, token string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set(tokenHeader, token)
	return r
}

func TestVerify_KnowsWhenTokensWereIssued(t *testing.T) {
	start := time.Date(2026, 5, 5, 10, 0, 0, 123_456_789, time.UTC)
	clock := start
	tokens := NewTokens([]byte("secret"), "i-1", func() time.Time { return clock })
	for _, ttl := range []int{1, 60, MaxTokenTTL} {
		clock = start
		token := string(tokens.Issue(ttl))
		for _, tt := range []struct {
			since time.Time
			want  int
		}{
			{time.Time{}, ttl},
			{start.Add(-time.Hour), ttl},
			{start, ttl},
			{start.Add(time.Microsecond), 0},
			{start.Add(time.Millisecond), 0},
			{start.Add(time.Hour), 0},
		} {
			if got := tokens.Verify(token, tt.since); got != tt.want {
				t.Errorf("TTL %d, since %v: %d, want %d", ttl, tt.since, got, tt.want)
			}
		}
	}
}

func TestTarget_TokensFromBeforeDoNotCount(t *testing.T) {
	target, clock := newTarget(), time.Now()
	target.Tokens = NewTokens([]byte("s"), sample.ID, func() time.Time { return clock })
	old := string(target.Tokens.Issue(60))
	clock = clock.Add(time.Millisecond)
	target.TokensSince = clock
	fresh := string(target.Tokens.Issue(60))
	for _, tt := range []struct {
		tokens []string
		want   int
	}{
		{[]string{old}, 401},
		{[]string{fresh}, 200},
		{[]string{old, fresh}, 200},
		{nil, 200},
	} {
		r := get(idPath)
		r.Header[tokenHeader] = tt.tokens
		if len(tt.tokens) == 0 {
			r.Header.Del(tokenHeader)
		}
		if w, _ := handle(target, r); w.Code != tt.want {
			t.Errorf("%d, want %d", w.Code, tt.want)
		}
	}
}

func TestFault_TokensRefuseIsForRequestsThatBringOne(t *testing.T) {
	target, rule := faulty(t, config.Fault{Tokens: "refuse"})
	token := string(target.Tokens.Issue(60))
	put := putToken()
	put.Header.Set(tokenHeader, token)
	for _, tt := range []struct {
		name string
		r    *http.Request
		want int
		hits int64
	}{
		{"PUT", putToken(), 200, 0},
		{"PUT with a token", put, 200, 0},
		{"v1", get(idPath), 200, 0},
		{"token", withToken("GET", idPath, token), 401, 1},
		{"HEAD", withToken("HEAD", idPath, token), 401, 2},
		{"absent path", withToken("GET", "/nowhere", token), 401, 3},
		{"invalid token, as ever", withToken("GET", idPath, "nonsense"), 401, 3},
	} {
		w, _ := handle(target, tt.r)
		if w.Code != tt.want || rule.Hits() != tt.hits || tt.want == 401 && (w.Body.Len() > 0 || w.Header().Get(ttlHeader) != "") {
			t.Errorf("%s: %d %v, %d hits; want %d, %d hits", tt.name, w.Code, w.Header(), rule.Hits(), tt.want, tt.hits)
		}
	}
}

func TestFault_TokensForgetRefusesOldOnes(t *testing.T) {
	target, clock := newTarget(), time.Now()
	target.Tokens = NewTokens([]byte("s"), sample.ID, func() time.Time { return clock })
	old := string(target.Tokens.Issue(60))
	clock = clock.Add(time.Millisecond)
	rule := newRule(t, config.Fault{Tokens: "forget"})
	rule.Created = clock
	target.Faults = (*fault.Set)(nil).With(rule, &fault.Waiting{})
	fresh := string(target.Tokens.Issue(60))
	for _, tt := range []struct {
		name string
		r    *http.Request
		want int
		hits int64
	}{
		{"old", withToken("GET", idPath, old), 401, 1},
		{"new", withToken("GET", idPath, fresh), 200, 1},
		{"v1", get(idPath), 200, 1},
		{"PUT", putToken(), 200, 1},
		{"GET of the token path, where none is checked", withToken("GET", tokenPath, old), 405, 1},
		{"invalid", withToken("GET", idPath, "nonsense"), 401, 1},
	} {
		if w, _ := handle(target, tt.r); w.Code != tt.want || rule.Hits() != tt.hits {
			t.Errorf("%s: %d, %d hits; want %d, %d hits", tt.name, w.Code, rule.Hits(), tt.want, tt.hits)
		}
	}
}

func TestFault_TokenLostLeavesPUTUnanswered(t *testing.T) {
	target, rule := faulty(t, config.Fault{TokenLost: true})
	addr, stop, _ := serveTCP(t, target)
	lost, c := dial(t, addr), dial(t, addr)
	lost.send(putRequest)
	eventually(t, rule, 1)
	for request, want := range map[string]int{
		"GET " + idPath: 200, "PUT /latest/api/token": 400, "GET /latest/api/token": 405, "OPTIONS /latest/api/token": 200, "PUT /2021-03-23/api/token": 403,
	} {
		if resp, _, err := c.ask(request); resp.StatusCode != want || err != nil {
			t.Errorf("%q: %s %v, want %d", request, resp.Status, err, want)
		}
	}
	if rule.Hits() != 1 {
		t.Errorf("%d hits", rule.Hits())
	}
	stop()
	if n, err := lost.conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("at the stop: %d bytes, %v", n, err)
	}
}

// TestObserve_IsCalledOncePerAuthorisedRequest also has answers that faults change.
func TestObserve_IsCalledOncePerAuthorisedRequest(t *testing.T) {
	type requests []struct {
		name string
		r    func(token string) *http.Request
		want string // "" for none
	}
	all := requests{
		{"value", func(token string) *http.Request { return withToken("GET", "//latest/meta-data/instance-id/", token) }, idPath},
		{"absent", func(token string) *http.Request { return withToken("GET", "/nowhere", token) }, "/nowhere"},
		{"HEAD", func(token string) *http.Request { return withToken("HEAD", idPath, token) }, idPath},
		{"bad token", func(string) *http.Request { return withToken("GET", idPath, "nonsense") }, ""},
		{"no token", func(string) *http.Request { return get(idPath) }, ""},
		{"PUT", func(string) *http.Request { return putToken() }, tokenPath},
		{"bad PUT", func(string) *http.Request { return httptest.NewRequest("PUT", tokenPath, nil) }, ""},
		{"GET of the token path", func(token string) *http.Request { return withToken("GET", tokenPath, token) }, ""},
		{"PUT of a version", func(token string) *http.Request { return withToken("PUT", "/2021-03-23/api/token", token) }, ""},
	}
	for name, spec := range map[string]*config.Fault{
		"none": nil, "no match": {Status: 503, Match: config.FaultMatch{UserAgent: "other"}}, "status": {Status: 503}, "body": {Body: "html"},
		"delay": {Delay: time.Second}, "skew": {Skew: time.Hour}, "redirect": {Redirect: true}, "cut": {Cut: new(1)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target := newTarget()
				if spec != nil {
					target, _ = faulty(t, *spec)
				}
				target.TokensRequired = true
				for _, tt := range all {
					var seen, want []string
					w := httptest.NewRecorder()
					target.Observe = func(path string) bool {
						if seen = append(seen, path); w.Body.Len() > 0 {
							t.Errorf("%s: observed after the answer", tt.name)
						}
						return false
					}
					if tt.want != "" {
						want = []string{tt.want}
					}
					r := tt.r(string(target.Tokens.Issue(60)))
					func() {
						defer func() { _ = recover() }()
						newRouter(&selector{target: target}, never).ServeHTTP(w, r)
					}()
					if !slices.Equal(seen, want) {
						t.Errorf("%s: observed %q, want %q", tt.name, seen, want)
					}
				}
			})
		})
	}
}

func TestObserve_KnowsNothingOfUnansweredRequests(t *testing.T) {
	for name, spec := range map[string]config.Fault{
		"reset": {Reset: true}, "hang": {Hang: true}, "token_lost": {TokenLost: true}, "refuse": {Tokens: "refuse"},
		"drop": {Throttle: &config.FaultThrottle{Rate: 1, Burst: 1, Answer: "drop"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			target, rule := faulty(t, spec)
			r := withToken("GET", idPath, string(target.Tokens.Issue(60)))
			switch name {
			case "token_lost":
				r = putToken()
			case "drop":
				handle(target, get(idPath)) // uses the burst up
			}
			target.Observe = func(string) bool { t.Errorf("%s: observed", name); return false }
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			handle(target, r.WithContext(ctx))
			if rule.Hits() != 1 {
				t.Errorf("%s: %d hits", name, rule.Hits())
			}
		})
	}
}
