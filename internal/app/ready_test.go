package app

import (
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestReady_FollowsTheCredentials has an STS that goes away until they have expired.
func TestReady_FollowsTheCredentials(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		see := func(want string) {
			t.Helper()
			got := "ready"
			if err := w.app.Ready(); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("after %v %s, want %s", time.Since(w.begun), got, want)
			}
		}
		w.app.begin(t)
		time.Sleep(time.Second)
		see("ready")
		w.Fail(stsfake.Fault{Status: 403, Code: "AccessDenied", Message: "not you"})
		time.Sleep(50 * time.Minute)
		see("ready") // they have not expired
		time.Sleep(11 * time.Minute)
		see("failed")
		w.Recover()
		time.Sleep(15 * time.Minute)
		see("ready")
	})
}
