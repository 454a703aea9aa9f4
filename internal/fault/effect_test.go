package fault

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/web"
)

// act starts a rule on a request.
func act(t *testing.T, rule *Rule, waiting *Waiting, r *http.Request) *Act {
	t.Helper()
	a := (*Set)(nil).With(rule, waiting).Act(httptest.NewRecorder(), r, "/latest/meta-data/mac", "v1", time.Now())
	if a == nil {
		t.Fatal("no rule takes the request")
	}
	return a
}

func newRule(t *testing.T, spec config.Fault) *Rule {
	t.Helper()
	rule, err := New("f1", spec, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

// aborts reports whether f aborts the handler.
func aborts(f func()) (aborted bool) {
	defer func() { aborted = recover() == http.ErrAbortHandler }() //nolint:errorlint // net/http compares the value, too
	f()
	return false
}

func request() *http.Request {
	return httptest.NewRequest(http.MethodGet, "/latest/meta-data/mac", nil)
}

func TestAct_CountsOneHitPerRequest(t *testing.T) {
	rule := newRule(t, config.Fault{Delay: time.Nanosecond, Status: 503})
	a := act(t, rule, &Waiting{}, request())
	a.Delay()
	if e := a.Instead(time.Now()); e == nil || e.Status != 503 || rule.Hits() != 1 || !a.Applies() {
		t.Errorf("%v, %d hits", e, rule.Hits())
	}
}

func TestAct_OfAtOnceExceedsNoDose(t *testing.T) {
	rule := newRule(t, config.Fault{Status: 503, Dose: config.FaultDose{Count: new(1)}})
	first, second := act(t, rule, &Waiting{}, request()), act(t, rule, &Waiting{}, request())
	if first.Instead(time.Now()) == nil || second.Instead(time.Now()) != nil || rule.Hits() != 1 {
		t.Errorf("%d hits", rule.Hits())
	}
}

func TestAct_WithoutHitSendsTheAnswerAsItIs(t *testing.T) {
	for name, spec := range map[string]config.Fault{
		"cut": {Cut: new(1)}, "stall": {Stall: new(1)}, "truncate": {Truncate: new(1)}, "body": {Body: "empty"}, "drip": {Drip: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			spec.Dose.Count = new(1)
			rule := newRule(t, spec)
			a := act(t, rule, &Waiting{}, request())
			rule.hit() // of another request
			rec := a.Record()
			web.Write(rec, http.StatusOK, "text/plain", []byte("body"))
			a.Send(rec)
			if w := a.w.(*httptest.ResponseRecorder); w.Code != 200 || w.Body.String() != "body" || w.Header().Get("Content-Length") != "4" {
				t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
			}
		})
	}
}

func TestWaiting_FurtherRequestsAreReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting := &Waiting{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		rules := []*Rule{newRule(t, config.Fault{Hang: true}), newRule(t, config.Fault{Delay: time.Hour}), newRule(t, config.Fault{Drip: time.Hour})}
		started := make(chan bool, MaxWaiting)
		for i := range MaxWaiting {
			a := act(t, rules[i%3], waiting, request().WithContext(ctx))
			go func() {
				started <- aborts(func() {
					a.Delay()
					_ = a.Instead(time.Now())
					rec := a.Record()
					web.Write(rec, http.StatusOK, "text/plain", []byte("body"))
					a.Send(rec)
				})
			}()
		}
		synctest.Wait()
		if n := waiting.n.Load(); n != MaxWaiting || len(started) > 0 {
			t.Fatalf("%d wait, %d do not", n, len(started))
		}
		begun := time.Now()
		late := act(t, newRule(t, config.Fault{Delay: time.Hour}), waiting, request())
		if !aborts(late.Delay) || time.Since(begun) > 0 {
			t.Error("one more waits")
		}
		cancel() // all clients go
		for range MaxWaiting {
			if !<-started {
				t.Error("a client that has gone got an answer")
			}
		}
		synctest.Wait()
		if n := waiting.n.Load(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

func TestAct_WaitsAtMostFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if a := act(t, newRule(t, config.Fault{Hang: true}), &Waiting{}, request()); !aborts(a.Hang) || time.Since(begun) != 5*time.Minute {
			t.Errorf("hung for %v", time.Since(begun))
		}
	})
}

func TestAct_WaitEndsWithRuleServerAndClient(t *testing.T) {
	for name, tt := range map[string]struct {
		spec   config.Fault
		aborts bool
	}{
		"delay": {config.Fault{Delay: time.Minute}, false},
		"hang":  {config.Fault{Hang: true}, true},
		"stall": {config.Fault{Stall: new(1)}, true},
		"drip":  {config.Fault{Drip: time.Minute}, false},
	} {
		for _, by := range []string{"rule", "server", "client"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					rule, stop := newRule(t, tt.spec), make(chan struct{})
					ctx, cancel := context.WithCancel(web.WithStop(t.Context(), stop))
					defer cancel()
					a := act(t, rule, &Waiting{}, request().WithContext(ctx))
					begun := time.Now()
					time.AfterFunc(time.Second, map[string]func(){"rule": rule.End, "server": func() { close(stop) }, "client": cancel}[by])
					aborted := aborts(func() {
						a.Delay()
						_ = a.Instead(time.Now())
						rec := a.Record()
						web.Write(rec, http.StatusOK, "text/plain", []byte("body"))
						a.Send(rec)
					})
					if want := tt.aborts || by == "client"; aborted != want || time.Since(begun) != time.Second {
						t.Errorf("aborted %v after %v, want %v after 1s", aborted, time.Since(begun), want)
					}
					if w := a.w.(*httptest.ResponseRecorder); !aborted && w.Body.String() != "body" {
						t.Errorf("got %q", w.Body)
					}
				})
			})
		}
	}
}

func TestOff_HangsAllUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := Off(&Waiting{})
		a := off.Act(httptest.NewRecorder(), request(), "/any", "v2", time.Now())
		begun := time.Now()
		time.AfterFunc(time.Minute, off.End)
		if !aborts(func() { _ = a.Instead(time.Now()) }) || time.Since(begun) != time.Minute {
			t.Errorf("hung for %v", time.Since(begun))
		}
		if a.Rule().ID != "" {
			t.Errorf("it has the id %q", a.Rule().ID)
		}
	})
}

func TestReset_FindsTheSocketInWrappers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if lingerer(wrapped{wrapped{conn}}) != conn.(lingering) {
		t.Error("not found")
	}
	if lingerer(nil) != nil || lingerer(struct{ net.Conn }{conn}) != nil {
		t.Error("found where there is none")
	}
}

type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestRecorder_HoldsTheAnswerBack(t *testing.T) {
	a := act(t, newRule(t, config.Fault{Truncate: new(100)}), &Waiting{}, request())
	rec := a.Record()
	_, err := rec.Write([]byte("one "))
	_, err2 := rec.Write([]byte("two"))
	rec.WriteHeader(http.StatusTeapot) // too late
	w := a.w.(*httptest.ResponseRecorder)
	if err = errors.Join(err, err2); err != nil || !rec.OK() || w.Body.Len() > 0 {
		t.Errorf("%v, sent %q", err, w.Body)
	}
	if a.Send(rec); strings.TrimSpace(w.Body.String()) != "one two" || a.Rule().Hits() != 0 {
		t.Errorf("sent %q", w.Body)
	}
}
