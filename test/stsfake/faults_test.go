package stsfake_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/test/stsfake"
)

func TestFail_AnswersWithTheFaultUntilRecover(t *testing.T) {
	for _, tt := range []struct {
		fault stsfake.Fault
		want  answer
	}{
		{stsfake.AccessDenied, answer{403, "AccessDenied", "User: arn:aws:iam::123456789012:user/dev is not authorized to " +
			"perform: sts:AssumeRole on resource: " + appRole}},
		{stsfake.ExpiredToken, answer{403, "ExpiredToken", "The security token included in the request is expired"}},
		{stsfake.InvalidClientTokenID, answer{Status: 403, Code: "InvalidClientTokenId"}},
		{stsfake.RegionDisabled, answer{Status: 403, Code: "RegionDisabledException"}},
		{stsfake.Throttled, answer{400, "Throttling", "Rate exceeded"}},
		{stsfake.InternalFailure, answer{Status: 500, Code: "InternalFailure"}},
		{stsfake.ServiceUnavailable, answer{Status: 503, Code: "ServiceUnavailable"}},
		{stsfake.Fault{Status: 418, Code: "Teapot", Message: "<short & stout>"}, answer{418, "Teapot", "<short & stout>"}},
		{stsfake.Fault{Code: "Plain", Message: "x"}, answer{400, "Plain", "x"}},
	} {
		t.Run(tt.fault.Code, func(t *testing.T) {
			s := stsfake.Start(t)
			c := client(s, s.AddUser("dev"))
			s.AddRole(appRole)

			s.Fail(tt.fault, "AssumeRole")
			_, err := assume(t, c, sts.AssumeRoleInput{})
			wantFault(t, err, tt.want)
			if _, err := whoami(t, c); err != nil {
				t.Errorf("another action: %v", err)
			}
			s.Fail(tt.fault)
			if _, err := whoami(t, c); err == nil {
				t.Error("Fail without an action affects not all actions")
			}
			s.Recover()
			mustAssume(t, c, sts.AssumeRoleInput{})
			if got := s.Calls("AssumeRole"); got != 2 {
				t.Errorf("%d calls of AssumeRole, want 2", got)
			}
		})
	}
}

func TestFail_TimesLimitsTheFault(t *testing.T) {
	s := stsfake.Start(t)
	s.AddRole(appRole)
	fault := stsfake.Throttled
	fault.Times = 2
	s.Fail(fault, "AssumeRole")
	mustAssume(t, client(s, s.AddUser("dev"), func(o *sts.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}), sts.AssumeRoleInput{})
	if got := s.Calls("AssumeRole"); got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
}

func TestHang_NeverAnswersUntilRecover(t *testing.T) {
	s := stsfake.Start(t)
	c := client(s, s.AddUser("dev"))
	s.AddRole(appRole)
	s.Hang("AssumeRole")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(appRole), RoleSessionName: aws.String("web")})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if _, err := whoami(t, c); err != nil {
		t.Errorf("another action: %v", err)
	}
	s.Recover()
	mustAssume(t, c, sts.AssumeRoleInput{})
}

func TestDelay_DelaysTheAnswer(t *testing.T) {
	const delay = 150 * time.Millisecond
	s := stsfake.Start(t)
	c := client(s, s.AddUser("dev"))
	s.Delay(delay)
	begin := time.Now()
	if _, err := whoami(t, c); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("answered after %v, want %v", took, delay)
	}
	s.Delay(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestLifetime_OverridesTheDurationUntilRecover(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	key := s.AddUser("dev")
	s.AddRole(appRole)
	s.Lifetime(time.Minute)
	out := mustAssume(t, client(s, key), sts.AssumeRoleInput{DurationSeconds: aws.Int32(3600)})
	if got, want := *out.Credentials.Expiration, now.Now().Add(time.Minute).Truncate(time.Second); !got.Equal(want) {
		t.Errorf("expires %v, want %v", got, want)
	}
	c := client(s, session(out.Credentials))
	now.Add(59 * time.Second)
	if _, err := whoami(t, c); err != nil {
		t.Error(err)
	}
	now.Add(time.Second)
	_, err := whoami(t, c)
	wantFault(t, err, answer{Status: 403, Code: "ExpiredToken"})

	s.Recover()
	out = mustAssume(t, client(s, key), sts.AssumeRoleInput{})
	if got, want := *out.Credentials.Expiration, now.Now().Add(time.Hour).Truncate(time.Second); !got.Equal(want) {
		t.Errorf("after Recover: expires %v, want %v", got, want)
	}
}

func TestFail_TakesTheARNOfARole(t *testing.T) {
	s := stsfake.Start(t)
	c := client(s, s.AddUser("dev"))
	s.AddRole(appRole)
	s.AddRole(nextRole)
	s.Fail(stsfake.Throttled, nextRole)
	mustAssume(t, c, sts.AssumeRoleInput{})
	if _, err := whoami(t, c); err != nil {
		t.Errorf("another action: %v", err)
	}
	_, err := assume(t, c, sts.AssumeRoleInput{RoleArn: aws.String(nextRole)})
	wantFault(t, err, answer{400, "Throttling", "Rate exceeded"})
}
