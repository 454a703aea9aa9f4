package app

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// Errors of connecting to STS.
var (
	refused = &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	noName  = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "sts.invalid", Server: "192.0.2.53:53", IsNotFound: true}}
)

// Events of a world.
func unreachable(err error) func(*world)    { return func(w *world) { w.network.fail(err) } }
func failing(f stsfake.Fault) func(*world)  { return func(w *world) { w.Fail(f) } }
func slow(d time.Duration) func(*world)     { return func(w *world) { w.Delay(d) } }
func hanging(w *world)                      { w.Hang() }
func lifetime(d time.Duration) func(*world) { return func(w *world) { w.Lifetime(d) } }
func deniedByAWS(w *world)                  { w.AddRole(roleARN, stsfake.Callers("nobody")) }
func stsAhead(d time.Duration) func(*world) { return func(w *world) { w.stsAhead.Store(int64(d)) } }
func spoiling(spoil func([]byte) ([]byte, error)) func(*world) {
	return func(w *world) { w.calls.spoil.Store(&spoil) }
}

// jump sets this machine's clock. The SDK signs by the right time all the same, so the fake STS is told to refuse.
func jump(d time.Duration) func(*world) {
	return func(w *world) {
		w.ahead.Store(int64(d))
		w.Fail(stsfake.Fault{Status: 403, Code: "SignatureDoesNotMatch", Message: "Signature not yet current"})
	}
}

// fixed undoes all other events.
func fixed(w *world) {
	w.Recover()
	w.AddRole(roleARN)
	w.network.fail(nil)
	w.calls.spoil.Store(nil)
	w.ahead.Store(0)
	w.stsAhead.Store(0)
}

// TestFaults_ClientsSeeTheBestAnswer asks once a second while STS or the network fails. Credentials expire an hour after issue;
// the refresh is due 20 to 30 minutes after it.
func TestFaults_ClientsSeeTheBestAnswer(t *testing.T) {
	for _, tt := range []struct {
		name        string
		length      time.Duration
		events      []event
		least, most int           // calls
		gap         time.Duration // the shortest between two calls; 0: a second
		want        string
	}{
		{
			name: "none", length: 40 * time.Minute, least: 2, most: 2,
			want: `
				0s       200 Success A
				20m..30m 200 Success B`,
		},
		{
			name: "slow", length: 40 * time.Minute, least: 2, most: 2,
			events: []event{{0, slow(700 * time.Millisecond)}},
			want: `
				0s       200 Success A
				20m..31m 200 Success B`,
		},
		{
			name: "slower than clients wait", length: 40 * time.Minute, least: 2, most: 2,
			events: []event{{0, slow(2500 * time.Millisecond)}},
			want: `
				0s       503 Failed: credentials are still being fetched; retry
				2s       200 Success A
				20m..31m 200 Success B`,
		},
		{
			name: "hanging from the start", length: 15 * time.Minute, least: 10, most: 30,
			events: []event{{0, hanging}, {10 * time.Minute, fixed}},
			want: `
				0s       503 Failed: credentials are still being fetched; retry
				10s      503 Failed: STS cannot be reached: no answer in time; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS
				10m..11m 200 Success A`,
		},
		{
			// Calls begin at 0 s, 11 s and 22 s.
			name: "hanging for 15 s from the start", length: time.Minute, least: 3, most: 3,
			events: []event{{0, hanging}, {15 * time.Second, fixed}},
			want: `
				0s       503 Failed: credentials are still being fetched; retry
				10s      503 Failed: STS cannot be reached: no answer in time; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS
				21s..22s 200 Success A`,
		},
		{
			name: "500 across an expiry", length: 90 * time.Minute, least: 30, most: 300,
			events: []event{{10 * time.Minute, failing(stsfake.InternalFailure)}, {80 * time.Minute, fixed}},
			want: `
				0s       200 Success A
				1h       503 Failed: STS is failing (InternalFailure: The request processing has failed because of an unknown error, exception or failure.); retrying
				80m..81m 200 Success B`,
		},
		{
			// Until they have failed for half a minute, they are repeated sooner than other ones.
			name: "throttled from the start", length: 15 * time.Minute, least: 14, most: 150, gap: 150 * time.Millisecond,
			events: []event{{0, failing(stsfake.Throttled)}, {10 * time.Minute, fixed}},
			want: `
				0s       503 Failed: STS throttles calls (Throttling: Rate exceeded); retrying
				10m..11m 200 Success A`,
		},
		{
			name: "denied from the start", length: 15 * time.Minute, least: 11, most: 22,
			events: []event{{0, deniedByAWS}, {10 * time.Minute, fixed}},
			want: `
				0s       200 AssumeRoleUnauthorizedAccess: profile "default" may not assume ` + roleARN + ` (AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole on resource: ` + roleARN + `); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it; if it asks for MFA, set credentials.mfa_serial
				10m..11m 200 Success A`,
		},
		{
			name: "denied across an expiry", length: 90 * time.Minute, least: 50, most: 121,
			events: []event{{10 * time.Minute, deniedByAWS}, {80 * time.Minute, fixed}},
			want: `
				0s       200 Success A
				1h       200 AssumeRoleUnauthorizedAccess: profile "default" may not assume ` + roleARN + ` (AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole on resource: ` + roleARN + `); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it; if it asks for MFA, set credentials.mfa_serial
				80m..81m 200 Success B`,
		},
		{
			name: "connection refused from the start", length: 15 * time.Minute, least: 14, most: 100,
			events: []event{{0, unreachable(refused)}, {10 * time.Minute, fixed}},
			want: `
				0s       503 Failed: STS cannot be reached: dial tcp 192.0.2.1:443: connect: connection refused; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS
				10m..11m 200 Success A`,
		},
		{
			name: "no DNS from the start", length: 15 * time.Minute, least: 14, most: 100,
			events: []event{{0, unreachable(noName)}, {10 * time.Minute, fixed}},
			want: `
				0s       503 Failed: STS cannot be reached: dial tcp: lookup sts.invalid on 192.0.2.53:53: no such host; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS
				10m..11m 200 Success A`,
		},
		{
			name: "short-lived", length: 13 * time.Second, least: 2, most: 2,
			events: []event{{0, lifetime(20 * time.Second)}},
			want: `
				0s      200 Success A
				6s..11s 200 Success B`,
		},
		{
			name: "clock an hour behind from the start", length: 15 * time.Minute, least: 14, most: 100,
			events: []event{{0, stsAhead(time.Hour)}, {10 * time.Minute, fixed}},
			want: `
				0s       503 Failed: this machine's clock is 1h0m0s behind STS's; set it (SignatureDoesNotMatch: Signature expired: TIME is now earlier than TIME (TIME - 5 min.))
				10m..11m 200 Success A`,
		},
		{
			name: "clock an hour ahead from the start", length: 15 * time.Minute, least: 14, most: 100,
			events: []event{{0, stsAhead(-time.Hour)}, {10 * time.Minute, fixed}},
			want: `
				0s       503 Failed: this machine's clock is 1h0m0s ahead of STS's; set it (SignatureDoesNotMatch: Signature not yet current: TIME is still later than TIME (TIME + 5 min.))
				10m..11m 200 Success A`,
		},
		{
			name: "clock set back by an hour, and right after two", length: 150 * time.Minute, least: 30, most: 300,
			events: []event{{10 * time.Minute, jump(-time.Hour)}, {130 * time.Minute, fixed}},
			want: `
				0s         200 Success A
				1h         503 Failed: this machine's clock is 1h0m0s behind STS's; set it (SignatureDoesNotMatch: Signature not yet current)
				130m..131m 200 Success B`,
		},
		{
			name: "clock set forward by an hour, and right after ten minutes", length: 35 * time.Minute, least: 10, most: 300,
			events: []event{{10 * time.Minute, jump(time.Hour)}, {20 * time.Minute, fixed}},
			want: `
				0s       200 Success A
				10m      503 Failed: this machine's clock is 1h0m0s ahead of STS's; set it (SignatureDoesNotMatch: Signature not yet current)
				20m      200 Success A
				20m..21m 200 Success B`,
		},
		{
			name: "dies for two hours across an expiry", length: 155 * time.Minute, least: 30, most: 1000,
			events: []event{{10 * time.Minute, unreachable(refused)}, {140 * time.Minute, fixed}},
			want: `
				0s         200 Success A
				1h         503 Failed: STS cannot be reached: dial tcp 192.0.2.1:443: connect: connection refused; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS
				140m..141m 200 Success B`,
		},
		{
			name: "dies and returns before an expiry", length: 70 * time.Minute, least: 6, most: 100,
			events: []event{{10 * time.Minute, hanging}, {55 * time.Minute, fixed}},
			want: `
				0s       200 Success A
				55m..56m 200 Success B`,
		},
		{
			name: "answers cut off", length: 15 * time.Minute, least: 14, most: 100,
			events: []event{
				{0, spoiling(func(body []byte) ([]byte, error) { return body[:len(body)/2], io.ErrUnexpectedEOF })},
				{10 * time.Minute, fixed},
			},
			want: `
				0s       503 Failed: STS sent an unreadable or truncated answer; check AWS_ENDPOINT_URL_STS, and for a proxy or a login page in between
				10m..11m 200 Success A`,
		},
		{
			name: "answers of a captive portal", length: 15 * time.Minute, least: 14, most: 100,
			events: []event{
				{0, spoiling(func([]byte) ([]byte, error) { return []byte("<!DOCTYPE html><title>Hotel</title><p>Log in"), nil })},
				{10 * time.Minute, fixed},
			},
			want: `
				0s       503 Failed: STS sent an unreadable or truncated answer; check AWS_ENDPOINT_URL_STS, and for a proxy or a login page in between
				10m..11m 200 Success A`,
		},
		{
			name: "answers without a token", length: 15 * time.Minute, least: 14, most: 100,
			events: []event{
				{0, spoiling(func(body []byte) ([]byte, error) {
					return sessionToken.ReplaceAll(body, []byte("<SessionToken></SessionToken>")), nil
				})},
				{10 * time.Minute, fixed},
			},
			want: `
				0s       503 Failed: STS answered without credentials; if AWS_ENDPOINT_URL_STS is set, check that it is an STS
				10m..11m 200 Success A`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				saw := w.run(t, tt.length, tt.events)
				t.Logf("clients saw\n%v", saw)
				saw.compare(t, tt.want)
				w.calls.check(t, tt.least, tt.most, cmp.Or(tt.gap, time.Second))
			})
		})
	}
}

var sessionToken = regexp.MustCompile(`<SessionToken>[^<]*</SessionToken>`)

// TestColdStart_ClientsShareOneCall has a thousand clients ask at once, before there are credentials.
func TestColdStart_ClientsShareOneCall(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  func(*world)
		status int
		code   string
		took   time.Duration
	}{
		{name: "slow", fault: slow(700 * time.Millisecond), status: http.StatusOK, code: "Success", took: 700 * time.Millisecond},
		{name: "hanging", fault: hanging, status: http.StatusServiceUnavailable, code: "Failed", took: patience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tt.fault(w)
				w.app.begin(t)
				var clients sync.WaitGroup
				bodies := make(chan string, 1000)
				for range cap(bodies) {
					clients.Go(func() {
						status, body, took := w.askPage()
						if status != tt.status || took != tt.took || !strings.Contains(body, `"Code" : "`+tt.code+`"`) {
							t.Errorf("%d after %v: %s; want %d after %v", status, took, body, tt.status, tt.took)
						}
						bodies <- body
					})
				}
				clients.Wait()
				first := <-bodies
				for range cap(bodies) - 1 {
					if body := <-bodies; body != first {
						t.Fatalf("different answers:\n%s\n%s", first, body)
					}
				}
				if got := w.Calls("AssumeRole"); got != 1 {
					t.Errorf("%d calls, want 1", got)
				}
			})
		})
	}
}
