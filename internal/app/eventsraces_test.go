package app

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

func TestEvents_RequestsOfACanceledEventStartNoOtherOfItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		u.putEvent(t, "e", `{"asg": "Terminated", "after_requests": {"count": 1}}`)
		before := u.State() // a request holds it that is still answered
		if err := u.DeleteEvents("e", api.Peer{}); err != nil {
			t.Fatal(err)
		}
		u.putEvent(t, "e", `{"asg": "Standby", "after_requests": {"count": 2}}`)
		generation := u.State().Generation
		before.observe("/latest/meta-data/mac")
		if e, err := u.Event("e"); err != nil || e.Phase != "pending" || u.State().Generation != generation {
			t.Errorf("the other event is %s, %v", e.Phase, err)
		}
		u.body("meta-data/mac")
		u.body("meta-data/mac")
		if e, err := u.Event("e"); err != nil || e.Phase != "active" {
			t.Errorf("after requests of its own: %s, %v", e.Phase, err)
		}
	})
}

func TestEvents_AnArmedOneThatFitsNoMoreEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testutil.IsolateHome(t)
		testutil.Write(t, "conf/config.yaml", eventsConfig)
		var lines bytes.Buffer
		opt := options(load(t, ""))
		opt.Log = slog.New(slog.NewTextHandler(&lines, nil))
		u := newUnserved(t, opt)
		u.begin(t)
		u.putEvent(t, "w", `{"set": {"meta-data/q/r": "1"}, "after_requests": {"count": 2}}`)
		u.putEvent(t, "v", `{"set": {"meta-data/q": "1"}}`)
		for range 3 {
			if got := u.body("meta-data/q"); got != "1" {
				t.Errorf("got %s", got)
			}
		}
		_, err := u.Event("w")
		wantRefusal(t, err, http.StatusNotFound, "no event has the id w")
		if got := lines.String(); strings.Count(got, "id=w ") != 2 || !strings.Contains(got, `msg="event ended" id=w kind=set`) {
			t.Errorf("want one line when it is added and one when it ends:\n%s", got)
		}
	})
}

func TestEvents_PutTellsOfWhatItHasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for range 200 { // another one may cancel it before it is answered
					if e, _, err := u.PutEvent("e", []byte(`{"maintenance": "instance-stop"}`), api.Peer{}); err != nil || e.ID != "e" || e.Phase != "scheduled" {
						t.Errorf("put: %+v, %v", e, err)
					}
					if err := u.DeleteEvents("e", api.Peer{}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
}

func TestEvents_OfAnEntryThatAReloadRemovesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = "clients: [{from: 10.1.0.0/16, ec2: {instance_id: i-0aaaaaaaaaaaaaaaa}}, {from: 10.2.0.0/16, ec2: {instance_id: i-0bbbbbbbbbbbbbbbb}}]\n"
		u := simulate(t, eventsConfig+clients)
		u.putEvent(t, "first", `{"asg": "Terminated", "clients": ["clients[0]"]}`)
		u.putEvent(t, "second", `{"asg": "Terminated", "clients": ["clients[1]"]}`)
		u.putEvent(t, "later", `{"spot": "stop", "in": "1h", "clients": ["10.3.0.1", "clients[1]"]}`)
		if err := u.reload(t, eventsConfig+strings.Replace(clients, ", {from: 10.2.0.0/16, ec2: {instance_id: i-0bbbbbbbbbbbbbbbb}}", "", 1)); err != nil {
			t.Fatal(err)
		}
		if all := u.Events(); len(all) != 1 || all[0].ID != "first" {
			t.Errorf("got %+v, want the event of the entry that is left", all)
		}
	})
}
