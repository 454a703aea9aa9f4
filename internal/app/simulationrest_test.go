package app

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// waitingRequest opens a connection that waits for the answer of a leaf, and returns what ends the wait: the read's error, or nil for an answer.
func (d *daemon) waitingRequest(t *testing.T) (ended chan error) {
	t.Helper()
	u, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	fmt.Fprintf(c, "GET /latest/meta-data/mac HTTP/1.1\r\nHost: %s\r\n\r\n", u.Host)
	ended = make(chan error, 1)
	go func() {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, err := bufio.NewReader(c).ReadByte()
		ended <- err
	}()
	return ended
}

func TestSimulation_WhatWaitsIsResetWhenItsCauseEnds(t *testing.T) {
	for _, tt := range []struct {
		name       string
		begin, end func(d *daemon) error
	}{
		{
			"a fault",
			func(d *daemon) error { _, _, err := d.PutFault("f", []byte(`{"hang": true}`), api.Peer{}); return err },
			func(d *daemon) error { return d.DeleteFaults("f", api.Peer{}) },
		},
		{
			"a fault in its time",
			func(d *daemon) error {
				_, _, err := d.PutFault("f", []byte(`{"hang": true, "dose": {"for": "1s"}}`), api.Peer{})
				return err
			},
			func(*daemon) error { return nil },
		},
		{
			"an instance that is off",
			func(d *daemon) error {
				_, _, err := d.PutEvent("e", []byte(`{"spot": "hibernate", "then": "gone"}`), api.Peer{})
				return err
			},
			func(d *daemon) error { return d.DeleteEvents("e", api.Peer{}) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			testutil.Write(t, "conf/config.yaml", eventsConfig)
			d := startWith(t, options(load(t, "")))
			if err := tt.begin(d); err != nil {
				t.Fatal(err)
			}
			ended := d.waitingRequest(t)
			select {
			case err := <-ended:
				t.Fatalf("it ended with %v at once", err)
			case <-time.After(300 * time.Millisecond):
			}
			if err := tt.end(d); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestSimulation_InstanceThatIsOffAnswersNot403Either(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", eventsConfig)
	d := startWith(t, options(load(t, "", "ec2.metadata_options.http_endpoint=disabled")))
	if code, _ := d.get(t, "latest/meta-data/mac"); code != http.StatusForbidden {
		t.Fatalf("before: %d", code)
	}
	if _, _, err := d.PutEvent("e", []byte(`{"spot": "hibernate", "then": "gone"}`), api.Peer{}); err != nil {
		t.Fatal(err)
	}
	ended := d.waitingRequest(t)
	select {
	case err := <-ended:
		t.Errorf("it ended with %v", err)
	case <-time.After(300 * time.Millisecond):
	}
}

func TestSimulation_ContainersAndPodsGoOnWhileFaultsChange(t *testing.T) {
	u, _ := realMany(t, withPods)
	path := "/v2/credentials/" + u.id(t, "web")
	for range 2 {
		if _, _, err := u.PutFault("", []byte(`{"status": 503}`), api.Peer{}); err != nil {
			t.Fatal(err)
		}
		if code, body := u.answer(path, "127.0.0.1:1"); code != http.StatusOK {
			t.Errorf("credentials of a container: %d %s", code, body)
		}
		if code, _, body := u.pod(t, u.podToken(t, "shop", "web", "web-1")); code != http.StatusOK {
			t.Errorf("credentials of a pod: %d %s", code, body)
		}
	}
}

func TestEvents_DetachedProfileIsTheMetadatasAlone(t *testing.T) {
	u, _ := realMany(t, withPods+"ecs: {enabled: true}\n")
	self := u.Status().ECS.Containers[0]
	u.putEvent(t, "d", `{"profile": "detach"}`)
	if got := u.body("meta-data/iam/info"); got != "(Not Found)" {
		t.Errorf("iam/info: %s", got)
	}
	s := u.Status()
	if s.Role != "myrole" || s.Credentials.State != api.StateValid || s.ECS.Containers[0] != self {
		t.Errorf("the status has role %q, %s, %+v", s.Role, s.Credentials.State, s.ECS.Containers[0])
	}
	if code, body := u.answer("/v2/credentials/"+self.CredentialsID, "127.0.0.1:1"); code != http.StatusOK {
		t.Errorf("credentials of a container: %d %s", code, body)
	}
	if err := u.reload(t, withPods+"ecs: {enabled: true}\nlog: {level: warn}\n"); err != nil {
		t.Fatal(err)
	}
	if code, body := u.answer("/v2/credentials/"+self.CredentialsID, "127.0.0.1:1"); code != http.StatusOK {
		t.Errorf("credentials of a container after a reload: %d %s", code, body)
	}
	u.putEvent(t, "a", `{"profile": "replace", "role": "other"}`)
	u.body("meta-data/iam/info")
	if e, _ := u.Event("a"); e.Hits != 1 || len(e.Warnings) != 0 {
		t.Errorf("after a detached profile: %+v", e)
	}
}

func TestMFA_NamesTheRoleWhileItsProfileIsDetached(t *testing.T) {
	d, _ := startMFA(t)
	if _, _, err := d.PutEvent("d", []byte(`{"profile": "detach"}`), api.Peer{}); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "a code is wanted", func() bool { return d.Status().Credentials.State == api.StateMFA })
	if _, err := d.AnswerMFAOf(t.Context(), "myrole", "000000"); err == nil || strings.Contains(err.Error(), "no role") || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a wrong code for the role: %v", err)
	}
}

func TestEvents_SignaturesComeBackAfterSeveralEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		const path = "dynamic/instance-identity/pkcs7"
		before := u.body(path)
		for _, id := range []string{"r1", "r2"} {
			time.Sleep(2 * time.Second) // a signature holds its time
			u.putEvent(t, id, `{"restart": true}`)
			if u.body(path) == before {
				t.Errorf("after %s the signature is the old one", id)
			}
		}
		time.Sleep(2 * time.Second)
		if err := u.DeleteEvents("", api.Peer{}); err != nil {
			t.Fatal(err)
		}
		if u.body(path) != before {
			t.Error("after the end it is another one")
		}
	})
}

func TestEvents_ComeWithinAMinuteOfASleepOfTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testutil.IsolateHome(t)
		testutil.Write(t, "conf/config.yaml", eventsConfig)
		opt := options(load(t, ""))
		var ahead atomic.Int64
		opt.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(ahead.Load())) }
		u := newUnserved(t, opt)
		u.begin(t)
		u.putEvent(t, "a", fmt.Sprintf(`{"asg": "Standby", "at": %q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
		ahead.Store(int64(2 * time.Hour)) // the machine slept, and timers with it
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := u.body("meta-data/autoscaling/target-lifecycle-state"); got != "Standby" {
			t.Errorf("a minute after the sleep: %s", got)
		}
	})
}

func TestEvents_SelectionsThatAnIdentityRemembersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig+"server: {allow_clients: [10.0.0.0/8]}\n")
		for bit := range 7 { // of the last byte of an address
			var networks []string
			for n := range 256 {
				if n&(1<<bit) != 0 {
					networks = append(networks, fmt.Sprintf("%q", fmt.Sprintf("10.0.0.%d", n)))
				}
			}
			u.putEvent(t, "", fmt.Sprintf(`{"set": {"meta-data/bit%d": "1"}, "clients": [%s]}`, bit, strings.Join(networks, ", ")))
		}
		for n := range 128 {
			from := fmt.Sprintf("10.0.0.%d:1", n)
			for bit := range 7 {
				want := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[n&(1<<bit) != 0]
				if rec := u.do(http.MethodGet, fmt.Sprintf("/latest/meta-data/bit%d", bit), from); rec.Code != want {
					t.Fatalf("%s, bit %d: %d", from, bit, rec.Code)
				}
			}
		}
		if n := len(u.State().identities.file.selected.made); n > maxSelected {
			t.Errorf("%d selections are remembered", n)
		}
	})
}

func TestEvents_OfOnePodAreNotItsNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testutil.IsolateHome(t)
		w := newNodeWorld(t, realCluster, "web")
		w.addPods(2, "web")
		see := func(want ...int) {
			t.Helper()
			for i := range 2 {
				if rec := w.do(http.MethodGet, "/latest/meta-data/x", podAddress(i)+":1"); rec.Code != want[i] {
					t.Errorf("pod %d: %d, want %d", i, rec.Code, want[i])
				}
				w.must(t, podAddress(i), "web")
			}
		}
		see(404, 404)
		w.putEvent(t, "e", fmt.Sprintf(`{"set": {"meta-data/x": "1"}, "clients": [%q]}`, podAddress(0)))
		see(200, 404)
		see(200, 404)
		// A pod may have two addresses.
		const second = "10.244.9.9"
		w.pods.at[netip.MustParseAddr(second)] = w.pods.at[netip.MustParseAddr(podAddress(0))]
		for range 2 {
			if rec := w.do(http.MethodGet, "/latest/meta-data/x", second+":1"); rec.Code != http.StatusNotFound {
				t.Errorf("its other address: %d", rec.Code)
			}
			see(200, 404)
		}
		if err := w.DeleteEvents("e", api.Peer{}); err != nil {
			t.Fatal(err)
		}
		see(404, 404)
	})
}

func TestEvents_RotationOfAnEntryIsItsSessionsAlone(t *testing.T) {
	u, sts := realMany(t, twoRoles)
	web := u.from("10.1.1.1:1", rolesPath+"web")
	jobs := u.from("10.1.1.2:1", rolesPath+"jobs")
	calls := sts.Calls("AssumeRole")
	u.putEvent(t, "r", `{"credentials": "rotate", "clients": ["clients[0]"]}`)
	testutil.Eventually(t, "the entry has other credentials", func() bool { return u.from("10.1.1.1:1", rolesPath+"web") != web })
	if u.from("10.1.1.2:1", rolesPath+"jobs") != jobs || sts.Calls("AssumeRole") != calls+1 {
		t.Errorf("%d calls; others have other credentials", sts.Calls("AssumeRole")-calls)
	}
}

// TestEvents_StatusStillKnowsWhoHasAsked: an event makes a new state, and neither the credentials nor those who have asked are forgotten.
func TestEvents_StatusStillKnowsWhoHasAsked(t *testing.T) {
	u, _ := realMany(t, twoRoles)
	u.from("10.1.1.1:1", rolesPath+"web")
	states := func() map[string]string {
		found := map[string]string{}
		for _, id := range u.App.Status().Identities {
			found[id.Identity+" "+id.Role] = id.Credentials.State
		}
		return found
	}
	before := states()
	if before[" web"] != api.StateValid || before["clients[0] web"] != api.StateValid || before[" jobs"] != api.StateIdle {
		t.Fatal(before)
	}
	u.putEvent(t, "s", `{"spot": "terminate"}`)
	if diff := cmp.Diff(before, states()); diff != "" {
		t.Error(diff)
	}
}
