package stsfake_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/test/stsfake"
)

func TestThrottle_AdmitsSoManyInAnySecond(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	c := client(s, s.AddUser("dev"))
	s.AddRole(appRole)
	s.Throttle(2)
	want := func(when string, admitted bool) {
		t.Helper()
		_, err := assume(t, c, sts.AssumeRoleInput{})
		switch {
		case !admitted:
			wantFault(t, err, answer{400, "Throttling", "Rate exceeded"})
		case err != nil:
			t.Errorf("%s: %v", when, err)
		}
	}
	want("at 0 s", true)
	now.Add(600 * time.Millisecond)
	want("at 0.6 s", true)
	want("at 0.6 s, the third", false)
	now.Add(399 * time.Millisecond)
	want("at 0.999 s", false)
	now.Add(time.Millisecond)
	want("at 1 s, when the first is a second ago", true) // refused ones do not count
	want("at 1 s, after two in the last second", false)
	if calls, refused := s.Calls("AssumeRole"), s.ThrottledCalls(); calls != 6 || refused != 3 {
		t.Errorf("%d calls and %d refused, want 6 and 3", calls, refused)
	}
	s.Recover()
	want("after Recover", true)
}

func TestThrottle_EachActionHasItsOwnLimit(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	c := client(s, s.AddUser("dev"))
	s.AddRole(appRole)
	s.Throttle(1, "AssumeRole", "GetCallerIdentity")
	mustAssume(t, c, sts.AssumeRoleInput{})
	if _, err := whoami(t, c); err != nil {
		t.Errorf("another action: %v", err)
	}
	_, err := whoami(t, c)
	wantFault(t, err, answer{400, "Throttling", "Rate exceeded"})
	if _, err := c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{}); err != nil {
		t.Errorf("an action without limit: %v", err)
	}
}

func TestThrottle_RefusesWithoutDelay(t *testing.T) {
	s := stsfake.Start(t)
	c := client(s, s.AddUser("dev"))
	s.Throttle(0)
	s.Delay(time.Hour)
	_, err := whoami(t, c)
	wantFault(t, err, answer{400, "Throttling", "Rate exceeded"})
}

func TestPrincipal_IsTheRoleOfTheSession(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	s.AddRole(appRole)
	out := mustAssume(t, client(s, key), sts.AssumeRoleInput{})
	for id, want := range map[string]string{*out.Credentials.AccessKeyId: appRole, key.AccessKeyID: "", "unknown": ""} {
		if got := s.Principal(id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}
