package app

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

func TestEvents_RotateMakesOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testutil.IsolateHome(t)
		w := newWorld(t)
		w.app.begin(t)
		w.see(t)
		_, first, _ := w.askPage()
		calls := w.Calls("AssumeRole")
		w.app.putEvent(t, "r1", `{"credentials": "rotate"}`)
		time.Sleep(time.Second)
		synctest.Wait()
		_, second, _ := w.askPage()
		if w.see(t); second == first || w.Calls("AssumeRole") != calls+1 {
			t.Errorf("%d calls, the same document: %v", w.Calls("AssumeRole")-calls, second == first)
		}
		// If the call fails, the old document stays.
		w.Fail(stsfake.AccessDenied)
		w.app.putEvent(t, "r2", `{"credentials": "rotate"}`)
		time.Sleep(time.Second)
		synctest.Wait()
		if _, third, _ := w.askPage(); third != second {
			t.Error("a rotation that fails changes the document")
		}
	})
}

func TestEvents_DetachedProfileComesBackWithoutCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testutil.IsolateHome(t)
		w := newWorld(t)
		w.app.begin(t)
		w.see(t)
		_, document, _ := w.askPage()
		calls := w.Calls("AssumeRole")
		w.app.putEvent(t, "d", `{"profile": "detach"}`)
		if status, _, _ := w.askPage(); status != http.StatusNotFound {
			t.Errorf("while detached: %d", status)
		}
		if rec := w.app.ask("/latest/meta-data/iam/info"); rec.Code != http.StatusNotFound {
			t.Errorf("iam/info: %d", rec.Code)
		}
		if err := w.app.DeleteEvents("d", api.Peer{}); err != nil {
			t.Fatal(err)
		}
		if _, again, _ := w.askPage(); again != document || w.Calls("AssumeRole") != calls {
			t.Errorf("%d calls; %s", w.Calls("AssumeRole")-calls, again)
		}
	})
}

// A request is answered by one tree: the value of a leaf and the listing that has it belong together in each answer.
func TestSimulation_NoAnswerMixesTwoTrees(t *testing.T) {
	testutil.IsolateHome(t)
	big := strings.Repeat("x", 1<<20)
	testutil.Write(t, "conf/config.yaml", eventsConfig+"metadata: {meta-data/big: "+big+"}\n")
	d := startWith(t, options(load(t, "")))
	var stop atomic.Bool
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				resp, body := fetch(t, d.url+"latest/meta-data/a/")
				names := strings.Fields(body)
				switch {
				case resp == http.StatusNotFound:
				case resp != http.StatusOK || len(names) != 2 || names[0][1:] != names[1][1:]:
					t.Errorf("%d %q", resp, body)
				}
				if code, body := fetch(t, d.url+"latest/meta-data/big"); code != http.StatusOK || len(body) != len(big) {
					t.Errorf("big: %d, %d bytes", code, len(body))
				}
			}
		})
	}
	for i := range 50 {
		id := fmt.Sprintf("e%d", i)
		body := fmt.Sprintf(`{"set": {"meta-data/a/x%d": "1", "meta-data/a/y%d": "1"}}`, i, i)
		if _, _, err := d.PutEvent(id, []byte(body), api.Peer{}); err != nil {
			t.Error(err)
		}
		if err := d.DeleteEvents(id, api.Peer{}); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	clients.Wait()
}

func TestSimulation_ChangesLeaveNothingBehind(t *testing.T) {
	testutil.IsolateHome(t)
	u := newUnserved(t, options(load(t, "")))
	u.begin(t)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	round := func(n int) {
		for i := range n {
			if _, _, err := u.PutEvent("e", fmt.Appendf(nil, `{"restart": true, "user_data": "%d"}`, i), api.Peer{}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := u.PutFault("f", []byte(`{"hang": true, "match": {"paths": ["meta-data/none"]}}`), api.Peer{}); err != nil {
				t.Fatal(err)
			}
			u.ask("/latest/dynamic/instance-identity/document")
			if err := u.DeleteEvents("", api.Peer{}); err != nil {
				t.Fatal(err)
			}
			if err := u.DeleteFaults("", api.Peer{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	round(100)
	before := heap()
	round(500)
	if after := heap(); after > before+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

func TestRequests_JournalHasNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		token := u.token(t, "127.0.0.1:1")
		u.with(token, "127.0.0.1:1", "meta-data/mac")
		document := u.body(strings.TrimPrefix(rolePath, "latest/"))
		u.ask("/latest/meta-data/a%20b?secret=1")
		u.ask("/status")
		all, err := u.Requests(t.Context(), 0, "", false)
		if err != nil || len(all) != 4 {
			t.Fatalf("%d requests, %v: %+v", len(all), err, all)
		}
		if r := all[1]; r.Seq != 2 || r.Method != http.MethodGet || r.Path != "/latest/meta-data/mac" || r.IMDS != "v2" || r.Status != http.StatusOK || r.Bytes == 0 || r.Client != "127.0.0.1" {
			t.Errorf("%+v", r)
		}
		if r := all[3]; r.Path != "/latest/meta-data/a%20b" || r.IMDS != "v1" || r.Status != http.StatusNotFound {
			t.Errorf("%+v", r)
		}
		text := fmt.Sprintf("%+v", all)
		for _, secret := range []string{token, "secret=1", document} {
			if strings.Contains(text, secret) {
				t.Errorf("the journal has %q", secret)
			}
		}
		if some, _ := u.Requests(t.Context(), 0, "api/token", false); len(some) != 1 || some[0].Seq != 1 {
			t.Errorf("of the token: %+v", some)
		}
		_, err = u.Requests(t.Context(), 0, "/latest/x", false)
		wantRefusal(t, err, http.StatusUnprocessableEntity, "path")
		go func() {
			time.Sleep(time.Minute)
			u.body("meta-data/mac")
		}()
		if later, _ := u.Requests(t.Context(), all[3].Seq, "meta-data/*", true); len(later) != 1 || later[0].Seq != 5 {
			t.Errorf("waited for %+v", later)
		}
	})
}
