package sts

import (
	"errors"
	"testing"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/test/stsfake"
)

func TestRetrieve_ThrottledIsSaidAndNotRepeated(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault stsfake.Fault
		want  bool
	}{
		{name: "STS", fault: stsfake.Throttled, want: true},
		{name: "by another code", fault: stsfake.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}, want: true},
		{name: "by EC2's code", fault: stsfake.Fault{Status: 503, Code: "RequestLimitExceeded", Message: "Request limit exceeded."}, want: true},
		{name: "by status", fault: stsfake.Fault{Status: 429, Code: "Busy"}, want: true},
		{name: "of a whole service", fault: stsfake.ServiceUnavailable},
		{name: "internal error", fault: stsfake.InternalFailure},
		{name: "denied", fault: stsfake.AccessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := stsfake.Start(t)
			key := sts.AddUser("developer")
			sts.AddRole(roleARN)
			home(t, sts, "", keys("default", key))
			sts.Fail(tt.fault)
			_, err := provider(roleSpec()).Retrieve(t.Context())
			e, ok := errors.AsType[*credentials.Error](err)
			if !ok || e.Throttled != tt.want || tt.want && !e.Temporary {
				t.Errorf("%+v, want throttled: %v", e, tt.want)
			}
			if got := len(sts.Requests()); got != 1 {
				t.Errorf("%d requests, want 1: only the limiter repeats", got)
			}
		})
	}
}

func TestRetrieve_ThrottledSourceIsSaid(t *testing.T) {
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	sts.AddRole("arn:aws:iam::123456789012:role/first")
	home(t, sts, "[profile chained]\nrole_arn = arn:aws:iam::123456789012:role/first\nsource_profile = default\n", keys("default", key))
	sts.Fail(stsfake.Throttled)
	spec := roleSpec()
	spec.Profile = "chained"
	_, err := provider(spec).Retrieve(t.Context())
	if e, ok := errors.AsType[*credentials.Error](err); !ok || !e.Throttled || len(sts.Requests()) != 1 {
		t.Errorf("%+v after %d requests", e, len(sts.Requests()))
	}
}
