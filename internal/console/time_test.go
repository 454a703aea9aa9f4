package console

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
)

// inBubble runs a test of a console in memory by the clock of synctest.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, Auto, true)) })
}

// pass lets time pass, and timers end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestCode_WorksOnceWithinAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		code, host := w.open(t)
		pass(codeLife - time.Nanosecond)
		if got := w.login(t, host, code); got.status != 200 {
			t.Errorf("just before its end: %d %s", got.status, got.body)
		}
		code, _ = w.open(t)
		pass(codeLife)
		if got := w.login(t, host, code); got.status != 403 || !strings.Contains(got.body, "this code is not valid, it works once within 60 seconds; run mock-ec2-metadata console for a new one") {
			t.Errorf("at its end: %d %s", got.status, got.body)
		}
	})
}

func TestCode_PresentedTwiceEndsItsSession(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		other, _ := w.session(t)
		code, host := w.open(t)
		first := w.login(t, host, code)
		bearer := "Authorization: Bearer " + strings.Split(first.body, `"`)[3]
		w.wantStatus(t, host, bearer, 200)
		pass(10 * time.Minute) // long after the code's end
		const want = "this code has been used before, so its session has ended; run mock-ec2-metadata console for a new one"
		if got := w.login(t, host, code); got.status != 403 || !strings.Contains(got.body, want) {
			t.Errorf("%d %s", got.status, got.body)
		}
		w.wantStatus(t, host, bearer, 401)
		w.wantStatus(t, host, other, 200)
		if !w.log.Contains(`level=WARN msg="console code presented twice, session ended"`) {
			t.Errorf("log: %s", w.log)
		}
		if w.log.Contains(code) || w.log.Contains(bearer[22:]) {
			t.Error("the log has a secret")
		}
	})
}

func TestSession_EndsAfterTwelveHours(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bearer, host := w.session(t)
		for range 47 {
			pass(15 * time.Minute)
			w.wantStatus(t, host, bearer, 200)
		}
		pass(15*time.Minute - time.Nanosecond)
		w.wantStatus(t, host, bearer, 200)
		pass(time.Nanosecond)
		w.wantStatus(t, host, bearer, 401)
	})
}

func TestSession_EndsAfterThirtyIdleMinutes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bearer, host := w.session(t)
		pass(30*time.Minute - time.Nanosecond)
		w.wantStatus(t, host, bearer, 200)
		pass(30 * time.Minute)
		w.wantStatus(t, host, bearer, 401)
		if !w.log.Contains(`msg="console sessions expired" sessions=1 left=0`) {
			t.Errorf("log: %s", w.log)
		}
	})
}

// TestSession_WaitingRequestKeepsItUntilItEnds has a long poll, and the session's end at 12 hours.
func TestSession_WaitingRequestKeepsItUntilItEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bearer, host := w.session(t)
		ended := make(chan time.Time)
		start := time.Now()
		go func() {
			w.ask(t, host, "GET /v1/wait", bearer)
			ended <- time.Now()
		}()
		pass(2 * time.Hour)
		w.wantStatus(t, host, bearer, 200)
		if took := (<-ended).Sub(start); took != sessionLife {
			t.Errorf("it ended after %v", took)
		}
		w.wantStatus(t, host, bearer, 401)
	})
}

// TestSession_IdleTimeBeginsWithTheEndOfARequest has a long poll that the client ends.
func TestSession_IdleTimeBeginsWithTheEndOfARequest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bearer, host := w.session(t)
		c, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(c, "GET /v1/wait HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", host, bearer)
		pass(2 * time.Hour)
		_ = c.Close()
		pass(idleLife - time.Nanosecond)
		w.wantStatus(t, host, bearer, 200)
		pass(idleLife)
		w.wantStatus(t, host, bearer, 401)
	})
}

func TestSession_NinthEndsTheOldest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var all []string
		var host string
		for range 9 {
			bearer, at := w.session(t)
			all, host = append(all, bearer), at
			pass(time.Second)
		}
		w.wantStatus(t, host, all[0], 401)
		for _, bearer := range all[1:] {
			w.wantStatus(t, host, bearer, 200)
		}
	})
}

func TestPort_ClosesFifteenMinutesAfterTheLastSession(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.open(t)
		pass(15*time.Minute - time.Nanosecond)
		bearer, host := w.session(t) // opens it again: the time begins anew
		pass(10 * time.Minute)
		if got := w.ask(t, host, "DELETE /v1/console/session", bearer); got.status != 204 || got.body != "" {
			t.Errorf("DELETE: %d %s", got.status, got.body)
		}
		w.wantStatus(t, host, bearer, 401)
		pass(15*time.Minute - time.Second)
		w.wantStatus(t, host, bearer, 401)
		pass(time.Second)
		w.wantClosed(t)
		if !w.log.Contains(`msg="console closed"`) {
			t.Errorf("log: %s", w.log)
		}
		bearer, host = w.session(t)
		w.wantStatus(t, host, bearer, 200)
		pass(45 * time.Minute)
		w.wantClosed(t)
	})
}

func TestRevoke_EndsSessionsCodesAndRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bearer, host := w.session(t)
		code, _ := w.open(t)
		c, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = c.Write([]byte("GET /v1/wait HTTP/1.1\r\nHost: " + host + "\r\n" + bearer + "\r\n\r\n"))
		}()
		synctest.Wait()
		w.Revoke(api.Peer{UID: 7})
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes instead of the end of the connection", n)
		}
		w.wantClosed(t)
		w.open(t)
		w.wantStatus(t, host, bearer, 401)
		if got := w.login(t, host, code); got.status != 403 {
			t.Errorf("the old code: %d", got.status)
		}
		if !w.log.Contains(`msg="console sessions revoked" sessions=1 uid=7`) {
			t.Errorf("log: %s", w.log)
		}
	})
}

func TestChanges_AreTenASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bearer, host := w.session(t)
		pass(time.Second)
		for i := range maxRate + 1 {
			got := w.ask(t, host, "POST /v1/reload", bearer, jsonType, "", "{}")
			if want := map[bool]int{true: 200, false: 429}[i < maxRate]; got.status != want || (want == 429) != (got.header.Get("Retry-After") == "1") {
				t.Errorf("change %d: %d, want %d; Retry-After %q", i, got.status, want, got.header.Get("Retry-After"))
			}
		}
		w.wantStatus(t, host, bearer, 200)
		pass(100 * time.Millisecond)
		if got := w.ask(t, host, "POST /v1/reload", bearer, jsonType, "", "{}"); got.status != 200 {
			t.Errorf("after a tenth of a second: %d", got.status)
		}
		pass(time.Second)
		for i := range maxRate + 1 {
			if got := w.login(t, host, "wrong"); (got.status == 429) != (i == maxRate) {
				t.Errorf("login %d: %d", i, got.status)
			}
		}
	})
}
