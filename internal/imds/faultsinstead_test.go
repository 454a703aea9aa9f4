package imds

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/fault"
)

func TestFault_StatusTakesTheAnswersPlace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spec  config.Fault
		retry string
		body  string
	}{
		{name: "503", spec: config.Fault{Status: 503, RetryAfter: 7 * time.Second}, retry: "7"},
		{name: "a part of a second is one more", spec: config.Fault{Status: 503, RetryAfter: 1500 * time.Millisecond}, retry: "2"},
		{name: "429", spec: config.Fault{Status: 429}},
		{name: "401", spec: config.Fault{Status: 401}},
		{name: "404 has the service's page", spec: config.Fault{Status: 404}, body: notFoundPage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target, rule := faulty(t, tt.spec)
			addr, _, _ := serveTCP(t, target)
			c := dial(t, addr)
			for _, request := range []string{"GET " + rolePath, "GET /nowhere", "PUT /latest/api/token\n" + ttlHeader + ": 60", "HEAD " + idPath, "GET " + idPath} {
				resp, body, err := c.ask(request)
				want := tt.body
				if request[0] == 'H' {
					want = ""
				}
				if resp.StatusCode != tt.spec.Status || body != want || err != nil || resp.Header.Get("Retry-After") != tt.retry {
					t.Errorf("%q: %s %v %q %v", request, resp.Status, resp.Header, body, err)
				}
			}
			if rule.Hits() != 5 {
				t.Errorf("%d hits, want 5", rule.Hits())
			}
		})
	}
}

func TestFault_DoseUsedUpLeavesTheAnswer(t *testing.T) {
	for name, spec := range map[string]config.Fault{
		"status": {Status: 503}, "redirect": {Redirect: true}, "truncate": {Truncate: new(3)}, "body": {Body: "html"}, "skew": {Skew: time.Hour},
		"expired": {Credentials: &config.FaultCredentials{Expired: true}}, "cut": {Cut: new(3)}, "delay": {Delay: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			spec.Dose.Count = new(1)
			target, rule := faulty(t, spec)
			w, _ := handle(target, get(rolePath))
			if rule.Hits() != 1 || w.Code == http.StatusOK && w.Body.String() == credentialsDocument && spec.Delay == 0 {
				t.Errorf("first: %d %s, %d hits", w.Code, w.Body, rule.Hits())
			}
			if w, aborted := handle(target, get(rolePath)); w.Code != http.StatusOK || w.Body.String() != credentialsDocument || aborted || rule.Hits() != 1 {
				t.Errorf("second: %d %s, %d hits", w.Code, w.Body, rule.Hits())
			}
		})
	}
}

func TestFault_ResetIsSeenAsReset(t *testing.T) {
	target, rule := faulty(t, config.Fault{Reset: true})
	addr, _, _ := serveTCP(t, target)
	c := dial(t, addr)
	c.send("GET " + idPath)
	if n, err := c.in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v, want ECONNRESET", n, err)
	}
	eventually(t, rule, 1)
}

func TestFault_RedirectStaysOnTheHost(t *testing.T) {
	target, rule := faulty(t, config.Fault{Redirect: true})
	w, _ := handle(target, get(rolePath))
	if w.Code != http.StatusFound || w.Header().Get("Location") != "/" || w.Body.Len() > 0 || rule.Hits() != 1 {
		t.Errorf("%d %v %q, %d hits", w.Code, w.Header(), w.Body, rule.Hits())
	}
}

// TestFault_HangEndsByReset also sends bodies, without whose end net/http does not notice that a client goes.
func TestFault_HangEndsByReset(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		release       func(*fault.Rule, func())
	}{
		{"rule removed", "GET " + idPath, func(r *fault.Rule, _ func()) { r.End() }},
		{"daemon stops", "GET " + idPath, func(_ *fault.Rule, stop func()) { stop() }},
		{"daemon stops, with a body", "PUT /latest/api/token\nContent-Length: 2\n\nab", func(_ *fault.Rule, stop func()) { stop() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target, rule := faulty(t, config.Fault{Hang: true})
			addr, stop, stopped := serveTCP(t, target)
			c := dial(t, addr)
			c.send(tt.request)
			eventually(t, rule, 1)
			begun := time.Now()
			tt.release(rule, stop)
			if n, err := c.in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %d bytes, %v, want ECONNRESET", n, err)
			}
			stop()
			<-stopped
			if took := time.Since(begun); took > 3*time.Second { // 0.2 s; 5 s if the server had to wait for the request
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestFault_HangEndsWithTheClient(t *testing.T) {
	for _, request := range []string{"GET " + idPath, "PUT /latest/api/token\nContent-Length: 2\n\nab"} {
		target, rule := faulty(t, config.Fault{Hang: true, Dose: config.FaultDose{Count: new(1)}})
		ended := make(chan struct{})
		inner := newRouter(&selector{target: target}, never)
		addr := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			inner.ServeHTTP(w, r)
		}))
		c := dial(t, addr)
		c.send(request)
		eventually(t, rule, 1)
		_ = c.conn.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%q: still waits", request)
		}
	}
}

// TestFault_WaitOutlivesTheDeadlineOfTheBody sets a short one, since the server's own is 10 s.
func TestFault_WaitOutlivesTheDeadlineOfTheBody(t *testing.T) {
	target, _ := faulty(t, config.Fault{Delay: 300 * time.Millisecond})
	inner := newRouter(&selector{target: target}, never)
	addr := startHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		inner.ServeHTTP(w, r)
	}))
	if resp, body, err := dial(t, addr).ask(putRequest + "\nContent-Length: 2\n\nab"); resp.StatusCode != http.StatusOK || len(body) != tokenLength || err != nil {
		t.Errorf("%s %q %v", resp.Status, body, err)
	}
}

func TestFault_ManyHangingRequestsStarveNobody(t *testing.T) {
	target, rule := faulty(t, config.Fault{Hang: true, Match: config.FaultMatch{Paths: []string{"meta-data/mac"}}})
	addr, _, _ := serveTCP(t, target)
	var all []*client
	for range 300 {
		c := dial(t, addr)
		c.send("GET /latest/meta-data/mac")
		all = append(all, c)
	}
	eventually(t, rule, 300)
	best := time.Hour
	for range 5 { // other tests may use the processors
		begun := time.Now()
		if resp, _, _ := dial(t, addr).ask("GET " + idPath); resp.StatusCode != http.StatusOK {
			t.Error(resp.Status)
		}
		best = min(best, time.Since(begun))
	}
	if best > 100*time.Millisecond {
		t.Errorf("another client waited for %v", best)
	}
	var ended atomic.Int64
	var reads sync.WaitGroup
	for _, c := range all {
		_ = c.conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		reads.Go(func() {
			if _, err := c.in.ReadByte(); errors.Is(err, syscall.ECONNRESET) {
				ended.Add(1)
			}
		})
	}
	reads.Wait()
	if ended.Load() != 300-fault.MaxWaiting {
		t.Errorf("%d were reset, want %d", ended.Load(), 300-fault.MaxWaiting)
	}
}

func TestFault_DelayIsKept(t *testing.T) {
	for _, tt := range []struct {
		name     string
		spec     config.Fault
		from, to time.Duration
		status   int
	}{
		{name: "delay", spec: config.Fault{Delay: 300 * time.Millisecond}, from: 300 * time.Millisecond, to: 300 * time.Millisecond, status: 200},
		{name: "jitter", spec: config.Fault{Delay: 300 * time.Millisecond, Jitter: 100 * time.Millisecond}, from: 200 * time.Millisecond, to: 400 * time.Millisecond, status: 200},
		{name: "jitter above the delay", spec: config.Fault{Delay: time.Millisecond, Jitter: time.Second}, to: time.Second + time.Millisecond, status: 200},
		{name: "with a status", spec: config.Fault{Delay: time.Second, Status: 503}, from: time.Second, to: time.Second, status: 503},
		{name: "of more than 5 minutes", spec: config.Fault{Delay: time.Hour}, from: 5 * time.Minute, to: 5 * time.Minute, status: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target, rule := faulty(t, tt.spec)
				least, most := time.Hour, time.Duration(0)
				for range 200 {
					begun := time.Now()
					w, aborted := handle(target, get(idPath))
					took := time.Since(begun)
					least, most = min(least, took), max(most, took)
					if w.Code != tt.status || aborted {
						t.Fatalf("%d, aborted %v", w.Code, aborted)
					}
				}
				if least < tt.from || most > tt.to || rule.Hits() != 200 {
					t.Errorf("%v to %v, want %v to %v; %d hits", least, most, tt.from, tt.to, rule.Hits())
				}
				if tt.spec.Jitter == 100*time.Millisecond && (least > 220*time.Millisecond || most < 380*time.Millisecond) {
					t.Errorf("jitter from %v to %v is not uniform", least, most)
				}
			})
		})
	}
}

func TestFault_DelayGoesOnWithoutTheRule(t *testing.T) {
	target, rule := faulty(t, config.Fault{Delay: time.Minute})
	addr, _, _ := serveTCP(t, target)
	c := dial(t, addr)
	c.send("GET " + idPath)
	eventually(t, rule, 1)
	rule.End()
	if resp, body, err := c.read("GET " + idPath); resp.StatusCode != http.StatusOK || body != instanceID || err != nil {
		t.Errorf("%s %q %v", resp.Status, body, err)
	}
}

// TestFault_DelayMayExceedTheWriteTimeout sets a short one, since the server's own is 12 s.
func TestFault_DelayMayExceedTheWriteTimeout(t *testing.T) {
	target, _ := faulty(t, config.Fault{Delay: 300 * time.Millisecond})
	srv := httptest.NewUnstartedServer(newRouter(&selector{target: target}, never))
	srv.Config.WriteTimeout = 100 * time.Millisecond
	srv.Start()
	defer srv.Close()
	resp, err := http.Get(srv.URL + idPath)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); string(body) != instanceID || err != nil {
		t.Errorf("%q %v", body, err)
	}
}

func TestFault_ThrottleIsPerClient(t *testing.T) {
	for answer, wantAborted := range map[string]bool{"": false, "503": false, "drop": true} {
		synctest.Test(t, func(t *testing.T) {
			target, rule := faulty(t, config.Fault{Throttle: &config.FaultThrottle{Rate: 1, Burst: 2, Answer: answer}})
			ask := func(client string) (int, bool) {
				r := get(idPath)
				r.RemoteAddr = client + ":1"
				w, aborted := handle(target, r)
				return w.Code, aborted
			}
			for _, client := range []string{"10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"} {
				if status, _ := ask(client); status != http.StatusOK || rule.Hits() != 0 {
					t.Errorf("%q: %s: %d, %d hits", answer, client, status, rule.Hits())
				}
			}
			if status, aborted := ask("10.0.0.1"); aborted != wantAborted || !aborted && status != http.StatusServiceUnavailable || rule.Hits() != 1 {
				t.Errorf("%q: %d, aborted %v, %d hits", answer, status, aborted, rule.Hits())
			}
			time.Sleep(time.Second)
			if status, _ := ask("10.0.0.1"); status != http.StatusOK {
				t.Errorf("%q: after a second: %d", answer, status)
			}
		})
	}
}

func TestFault_DisabledEndpointPrevails(t *testing.T) {
	for name, spec := range map[string]config.Fault{
		"status": {Status: 503}, "reset": {Reset: true}, "hang": {Hang: true}, "html": {Body: "html"}, "delay": {Delay: time.Hour}, "cut": {Cut: new(0)},
	} {
		target, rule := faulty(t, spec)
		target.Disabled = true
		if w, aborted := handle(target, get(idPath)); w.Code != http.StatusForbidden || w.Body.Len() > 0 || aborted || rule.Hits() != 0 {
			t.Errorf("%s: %d %q, aborted %v", name, w.Code, w.Body, aborted)
		}
	}
}

func TestFault_MatchesTheNormalisedPath(t *testing.T) {
	target, _ := faulty(t, config.Fault{Status: 503, Match: config.FaultMatch{Paths: []string{"meta-data/mac"}, Version: "v1", Methods: []string{"GET"}, UserAgent: "curl"}})
	for _, tt := range []struct {
		path, agent string
		want        int
	}{
		{"//latest///meta-data/m%61c/", "curl/8", 503},
		{"/2009-04-04/meta-data/mac", "curl/8", 503},
		{"/latest/meta-data/mac", "wget", 200},
		{"/latest/meta-data/instance-id", "curl/8", 200},
	} {
		r := get(tt.path)
		r.Header.Set("User-Agent", tt.agent)
		if w, _ := handle(target, r); w.Code != tt.want {
			t.Errorf("%s by %s: %d, want %d", tt.path, tt.agent, w.Code, tt.want)
		}
	}
}
