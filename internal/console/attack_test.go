package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
)

const (
	usedText    = "this code has been used before, so its session has ended; run mock-ec2-metadata console for a new one"
	invalidText = "this code is not valid, it works once within 60 seconds; run mock-ec2-metadata console for a new one"
)

// TestCode_ConcurrentUsesOpenOneSessionAndEndIt has two programs that present the same code at the same time.
func TestCode_ConcurrentUsesOpenOneSessionAndEndIt(t *testing.T) {
	w := newWorld(t, Auto, false)
	for range 50 {
		code, host := w.open(t)
		replies := make([]reply, 2)
		var both sync.WaitGroup
		for i := range replies {
			both.Go(func() { replies[i] = w.login(t, host, code) })
		}
		both.Wait()
		if replies[0].status != 200 {
			replies[0], replies[1] = replies[1], replies[0]
		}
		if replies[0].status != 200 || replies[1].status != 403 || !strings.Contains(replies[1].body, usedText) {
			t.Fatalf("%d and %d %s", replies[0].status, replies[1].status, replies[1].body)
		}
		w.wantStatus(t, host, bearerOf(replies[0]), 401)
	}
}

// bearerOf is the Authorization header of a session that has been opened.
func bearerOf(r reply) string { return "Authorization: Bearer " + strings.Split(r.body, `"`)[3] }

// TestCode_SecondUseIsNoticedAfterTheSessionHasEnded has a thief who signs out before the user comes.
func TestCode_SecondUseIsNoticedAfterTheSessionHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		code, host := w.open(t)
		w.ask(t, host, "DELETE /v1/console/session", bearerOf(w.login(t, host, code)))
		for i, want := range []string{usedText, invalidText, invalidText} {
			if got := w.login(t, host, code); got.status != 403 || !strings.Contains(got.body, want) {
				t.Errorf("use %d: %d %s", i+2, got.status, got.body)
			}
		}
		if n := strings.Count(w.log.String(), "console code presented twice"); n != 1 {
			t.Errorf("%d warnings", n)
		}
		code, host = w.open(t)
		w.ask(t, host, "DELETE /v1/console/session", bearerOf(w.login(t, host, code)))
		pass(codeLife)
		if got := w.login(t, host, code); got.status != 403 || !strings.Contains(got.body, invalidText) {
			t.Errorf("after the minute: %d %s", got.status, got.body)
		}
	})
}

// TestLogin_GuessesDoNotKeepTheUserOut has another user's program that sends as many codes as it can.
func TestLogin_GuessesDoNotKeepTheUserOut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		code, host := w.open(t)
		for range maxRate {
			w.login(t, host, "guess")
		}
		if got := w.login(t, host, "guess"); got.status != 429 || got.header.Get("Retry-After") != "1" {
			t.Errorf("a guess too many: %d", got.status)
		}
		if got := w.login(t, host, code); got.status != 200 {
			t.Errorf("the right code: %d %s", got.status, got.body)
		}
		if got := w.login(t, host, code); got.status != 403 || !strings.Contains(got.body, usedText) {
			t.Errorf("the right code again: %d %s", got.status, got.body)
		}
	})
}

// TestSession_TokenIsNeverTheClients has a client that chooses a token, and a new one each time (session fixation).
func TestSession_TokenIsNeverTheClients(t *testing.T) {
	w := newWorld(t, Auto, false)
	chosen := "Authorization: Bearer " + strings.Repeat("A", 43)
	seen := map[string]bool{chosen: true}
	for range 5 {
		code, host := w.open(t)
		got := w.ask(t, host, "POST /v1/console/session", chosen, "Cookie: session=x", jsonType, "", `{"code": "`+code+`"}`)
		if got.status != 200 || seen[bearerOf(got)] {
			t.Fatalf("%d, or a token that was there before", got.status)
		}
		seen[bearerOf(got)] = true
		w.wantStatus(t, host, chosen, 401)
		if got := w.ask(t, host, "POST /v1/console/session", jsonType, "", `{"code": "`+code+`", "token": "x"}`); got.status != 422 {
			t.Errorf("a token in the body: %d", got.status)
		}
	}
}

// TestSession_EndsItsStreamAtOnce has each way in which a session ends before its time.
func TestSession_EndsItsStreamAtOnce(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, host, code, bearer string){
		"sign-out": func(t *testing.T, w *world, host, _, bearer string) {
			w.ask(t, host, "DELETE /v1/console/session", bearer)
		},
		"code used twice":  func(t *testing.T, w *world, host, code, _ string) { w.login(t, host, code) },
		"revoke":           func(_ *testing.T, w *world, _, _, _ string) { w.Revoke(api.Peer{}) },
		"stop":             func(_ *testing.T, w *world, _, _, _ string) { w.Close() },
		"the ninth comes":  func(t *testing.T, w *world, _, _, _ string) { w.sessions8(t) },
		"twelve hours end": func(*testing.T, *world, string, string, string) { pass(sessionLife) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				code, host := w.open(t)
				bearer := bearerOf(w.login(t, host, code))
				c, err := w.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				go func() { _, _ = fmt.Fprintf(c, "GET /v1/stream HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", host, bearer) }()
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || resp.StatusCode != 200 {
					t.Fatal(resp, err)
				}
				wantSecure(t, "the stream", resp.Header)
				defer func() { _ = resp.Body.Close() }()
				ended := make(chan time.Time, 1)
				go func() {
					_, _ = io.Copy(io.Discard, resp.Body)
					ended <- time.Now()
				}()
				synctest.Wait()
				if len(ended) > 0 {
					t.Fatal("the stream has ended before the session")
				}
				end(t, w, host, code, bearer)
				synctest.Wait()
				if len(ended) == 0 {
					t.Error("the stream goes on")
				}
			})
		})
	}
}

// sessions8 opens as many sessions as there may be.
func (w *world) sessions8(t *testing.T) {
	t.Helper()
	for range maxSessions {
		w.session(t)
	}
}

// TestSession_LateBodyChangesNothing has a request that begins in a session, and ends after it.
func TestSession_LateBodyChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bearer, host := w.session(t)
		c, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		_, _ = fmt.Fprintf(c, "PUT /v1/body HTTP/1.1\r\nHost: %s\r\n%s\r\n%s\r\nContent-Length: 10\r\n\r\n", host, bearer, jsonType)
		synctest.Wait()
		if got := w.ask(t, host, "DELETE /v1/console/session", bearer); got.status != 204 {
			t.Fatalf("sign-out: %d", got.status)
		}
		_, _ = io.WriteString(c, `{"a": "b"}`)
		synctest.Wait()
		if got := w.calls.String(); got != "PUT /v1/body\nbody , the session has ended\n" {
			t.Errorf("the API got %q", got)
		}
	})
}

func TestSessions_AreBounded(t *testing.T) {
	var s sessions
	now := time.Now()
	for range 100 {
		s.newCode(now)
	}
	if len(s.codes) != maxCodes {
		t.Errorf("%d codes", len(s.codes))
	}
	for range 100 {
		if r := s.redeem(s.newCode(now), now); r.token == "" {
			t.Fatal("a new code does not work")
		}
	}
	if len(s.all) != maxSessions || len(s.codes) != maxCodes {
		t.Errorf("%d sessions, %d codes", len(s.all), len(s.codes))
	}
	s.expire(now.Add(codeLife))
	if len(s.all) != maxSessions || len(s.codes) != 0 {
		t.Errorf("after a minute %d sessions, %d codes", len(s.all), len(s.codes))
	}
	if n := s.removeAll(now); n != maxSessions || len(s.all) != 0 {
		t.Errorf("%d were removed, %d are left", n, len(s.all))
	}
}

// TestSessions_TimeCountsWithoutATimer has a machine that was busy: what should have ended has not been removed yet.
func TestSessions_TimeCountsWithoutATimer(t *testing.T) {
	var s sessions
	now := time.Now()
	r := s.redeem(s.newCode(now), now)
	if s.find(r.token, now.Add(idleLife-1)) == nil || s.find(r.token, now.Add(idleLife)) != nil {
		t.Error("an idle session is found, or another is not")
	}
	if code := s.newCode(now); s.redeem(code, now.Add(codeLife)).token != "" || s.redeem(code, now.Add(codeLife-1)).token == "" {
		t.Error("an expired code works, or another does not")
	}
}

// TestPort_SlowClientsAreCutOff has clients that hold a connection without an end.
func TestPort_SlowClientsAreCutOff(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		after      time.Duration
	}{
		{"nothing", "", 5 * time.Second},
		{"half a header", "GET / HTTP/1.1\r\nHost: 127.0.0.1:41873\r\nX-A: ", 5 * time.Second},
		{"half a login", "POST /v1/console/session HTTP/1.1\r\nHost: 127.0.0.1:41873\r\n" + jsonType + "\r\nContent-Length: 100\r\n\r\n{", 5 * time.Second},
		{"idle after a request", "GET /favicon.svg HTTP/1.1\r\nHost: 127.0.0.1:41873\r\n\r\n", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.open(t)
				c, err := w.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				start := time.Now()
				go func() { _, _ = io.WriteString(c, tt.text) }()
				_, _ = io.Copy(io.Discard, c)
				if took := time.Since(start); took != tt.after {
					t.Errorf("it is cut off after %v, want %v", took, tt.after)
				}
			})
		})
	}
}

// TestPort_ClientsThatKeepConnectionsMakeRoom opens one more than there may be, which closes the first.
func TestPort_ClientsThatKeepConnectionsMakeRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		_, host := w.open(t)
		var all []net.Conn
		for range maxConnections {
			c, err := w.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			all = append(all, c)
			synctest.Wait()
		}
		w.wantStatus(t, host, "Authorization: Bearer none", http.StatusUnauthorized)
		for i, c := range all[:2] {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			if isClosed := errors.Is(err, io.EOF); isClosed != (i == 0) {
				t.Errorf("connection %d: %v", i, err)
			}
		}
	})
}

// TestPort_ReaderThatStopsIsCutOff has a client that reads nothing of an answer.
func TestPort_ReaderThatStopsIsCutOff(t *testing.T) {
	for _, path := range []string{"/", "/v1/status"} {
		inBubble(t, func(t *testing.T, w *world) {
			_, host := w.open(t)
			c, err := w.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
			pass(writeTimeout + time.Second)
			if text, err := io.ReadAll(c); err != nil || len(text) > 0 {
				t.Errorf("%s: %d bytes, %v", path, len(text), err)
			}
		})
	}
}
