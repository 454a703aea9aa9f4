package metrics

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestTokens_RefusalsCountByReason(t *testing.T) {
	c := count(t, mocked+"ec2: {metadata_options: {http_tokens: required}}\n")
	foreign := countHere(t, mocked+"ec2: {instance_id: i-00000000000000001}\n").token(t)
	_, short := c.ask(t, "PUT", "latest/api/token", ttlHeader, "1")
	valid := c.token(t)
	c.clock.advance(2 * time.Second)
	const get, put = "latest/meta-data/instance-id", "latest/api/token"
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		status             int
		want               series
	}{
		{name: "valid", method: "GET", path: get, headers: []string{tokenHeader, valid}, status: 200},
		{name: "given", method: "PUT", path: put, headers: []string{ttlHeader, "21600"}, status: 200, want: series{"session_tokens_issued_total": 1}},
		{name: "none", method: "GET", path: get, status: 401, want: rejected("missing")},
		{name: "empty", method: "GET", path: get, headers: []string{tokenHeader, ""}, status: 401, want: rejected("malformed")},
		{name: "too short", method: "GET", path: get, headers: []string{tokenHeader, valid[1:]}, status: 401, want: rejected("malformed")},
		{name: "too long", method: "GET", path: get, headers: []string{tokenHeader, strings.Repeat(valid[:52], 3)}, status: 401, want: rejected("malformed")},
		{name: "no base64", method: "GET", path: get, headers: []string{tokenHeader, strings.Repeat("!", len(valid))}, status: 401, want: rejected("malformed")},
		{name: "other beginning", method: "GET", path: get, headers: []string{tokenHeader, strings.Repeat("B", len(valid))}, status: 401, want: rejected("malformed")},
		{name: "expired", method: "GET", path: get, headers: []string{tokenHeader, short}, status: 401, want: rejected("expired")},
		{name: "another daemon's", method: "GET", path: get, headers: []string{tokenHeader, foreign}, status: 401, want: rejected("foreign")},
		{name: "no life", method: "PUT", path: put, status: 400, want: rejected("bad_ttl")},
		{name: "too long a life", method: "PUT", path: put, headers: []string{ttlHeader, "21601"}, status: 400, want: rejected("bad_ttl")},
		{name: "no life of 0", method: "PUT", path: put, headers: []string{ttlHeader, "0"}, status: 400, want: rejected("bad_ttl")},
		{name: "GET of a token", method: "GET", path: put, status: 405},
		{name: "unknown path", method: "GET", path: "latest/none", headers: []string{tokenHeader, valid}, status: 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := c.scrape(t)
			if status, body := c.ask(t, tt.method, tt.path, tt.headers...); status != tt.status {
				t.Errorf("answered with %d %s, want %d", status, body, tt.status)
			}
			changed := c.scrape(t).since(before)
			got := changed.of("session_tokens_rejected_total")
			maps.Copy(got, changed.of("session_tokens_issued_total"))
			if !maps.Equal(got, tt.want) {
				t.Errorf("counted as %v, want %v", got, tt.want)
			}
		})
	}
}

func rejected(reason string) series {
	return series{fmt.Sprintf("session_tokens_rejected_total{reason=%q}", reason): 1}
}

// TestTokens_ForgottenByAnEventCountAsExpired restarts the simulated instance, which forgets the tokens of before.
func TestTokens_ForgottenByAnEventCountAsExpired(t *testing.T) {
	c := count(t, mocked)
	token := c.token(t)
	c.event(t, `{"restart": true, "forget_tokens": true}`)
	before := c.scrape(t)
	if status, _ := c.ask(t, "GET", "latest/meta-data/instance-id", tokenHeader, token); status != 401 {
		t.Errorf("answered with %d", status)
	}
	if got := c.scrape(t).since(before).of("session_tokens_rejected_total"); !maps.Equal(got, rejected("expired")) {
		t.Errorf("counted as %v", got)
	}
}

// TestTokens_RefusedByAFaultAreHitsOfTheFault: the token is valid.
func TestTokens_RefusedByAFaultAreHitsOfTheFault(t *testing.T) {
	c := count(t, mocked+"faults: [{tokens: refuse}]\n")
	token := c.token(t)
	before := c.scrape(t)
	if status, _ := c.ask(t, "GET", "latest/meta-data/instance-id", tokenHeader, token); status != 401 {
		t.Errorf("the fault answers with %d", status)
	}
	changed := c.scrape(t).since(before)
	if got := changed.of("session_tokens_rejected_total"); len(got) > 0 {
		t.Errorf("counted as %v", got)
	}
	changed.want(t, `fault_hits_total{effect="tokens"}`, 1)
}
