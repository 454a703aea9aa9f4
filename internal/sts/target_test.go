package sts

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/test/stsfake"
)

const (
	targetARN     = "arn:aws:iam::210987654321:role/other/path/target"
	targetSession = "arn:aws:sts::210987654321:assumed-role/target/i-0123456789abcdef0"
	targetID      = "us-east-1/123456789012/hunter2-of-the-association"
)

// targetSpec is a Spec whose role assumes a target.
func targetSpec() credentials.Spec {
	spec := roleSpec()
	spec.Target = credentials.Target{RoleARN: targetARN, ExternalID: targetID}
	return spec
}

// withTarget starts a fake STS with a user and both roles. Only the first may assume the target, by its external id.
func withTarget(t *testing.T) *stsfake.Server {
	t.Helper()
	s := stsfake.Start(t)
	home(t, s, "", keys("default", s.AddUser("developer")))
	s.AddRole(roleARN, stsfake.MaxSession(12*time.Hour), stsfake.Callers(userARN), stsfake.ExternalID("first"))
	s.AddRole(targetARN, stsfake.MaxSession(12*time.Hour), stsfake.Callers(roleARN), stsfake.ExternalID(targetID))
	return s
}

func TestTarget_IsAssumedByTheSessionOfTheFirstRole(t *testing.T) {
	s := withTarget(t)
	spec := targetSpec()
	spec.Duration = 6 * time.Hour
	spec.ExternalID, spec.SourceIdentity, spec.Policy = "first", "alice", `{"Statement":["first"]}`
	spec.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	spec.SessionTags, spec.TransitiveTagKeys = map[string]string{"pod": "web-1", "own": "1"}, []string{"pod"}
	spec.Target.Policy = `{"Statement":["target"]}`
	p := provider(spec)
	for renewal := range 2 {
		c, err := p.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.ARN != targetSession || c.AccountID != "210987654321" {
			t.Errorf("credentials of %s in %s", c.ARN, c.AccountID)
		}
		expectLeft(t, c, time.Hour)
		all := s.Requests()
		if len(all) != 2*(renewal+1) {
			t.Fatalf("%d requests after %d renewals", len(all), renewal)
		}
		first, second := all[len(all)-2], all[len(all)-1]
		if diff := cmp.Diff(map[string]string{
			"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": roleARN, "RoleSessionName": "i-0123456789abcdef0",
			"DurationSeconds": "3600", "ExternalId": "first", "SourceIdentity": "alice", "Policy": spec.Policy,
			"PolicyArns.member.1.arn": spec.PolicyARNs[0], "Tags.member.1.Key": "own", "Tags.member.1.Value": "1",
			"Tags.member.2.Key": "pod", "Tags.member.2.Value": "web-1", "TransitiveTagKeys.member.1": "pod",
		}, form(first)); diff != "" {
			t.Errorf("first request (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{
			"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": targetARN, "RoleSessionName": "i-0123456789abcdef0",
			"DurationSeconds": "3600", "ExternalId": targetID, "Policy": spec.Target.Policy,
		}, form(second)); diff != "" {
			t.Errorf("second request (-want +got):\n%s", diff)
		}
		if first.CallerARN != userARN || second.CallerARN != sessionARN || second.Region != first.Region {
			t.Errorf("signed by %s, then by %s for %s", first.CallerARN, second.CallerARN, second.Region)
		}
		if got, _ := s.Tags(c.AccessKeyID); !maps.Equal(got, map[string]string{"pod": "web-1"}) {
			t.Errorf("tags of the target's session: %v", got)
		}
	}
	if arn, err := p.CallerIdentity(t.Context(), mustRetrieve(t, p)); arn != targetSession || err != nil {
		t.Errorf("CallerIdentity = %q, %v", arn, err)
	}
}

// form is the body of a request.
func form(r stsfake.Request) map[string]string {
	got := map[string]string{}
	for name, values := range r.Form {
		got[name] = strings.Join(values, "|")
	}
	return got
}

func mustRetrieve(t *testing.T, p *Provider) *credentials.Credentials {
	t.Helper()
	c, err := p.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTarget_AsksForTheDurationThatIsShorter(t *testing.T) {
	s := withTarget(t)
	s.AddRole(roleARN) // an hour at most
	spec := targetSpec()
	spec.Duration = 20 * time.Minute
	expectLeft(t, mustRetrieve(t, provider(spec)), 20*time.Minute)
	var log bytes.Buffer
	spec.Duration = 12 * time.Hour
	expectLeft(t, mustRetrieve(t, New(spec, Options{Log: debugLog(&log)})), time.Hour)
	if n := len(s.Requests()); n != 4 || log.Len() > 0 {
		t.Errorf("%d requests for two documents, logged %s", n, &log)
	}
}

func TestTarget_OfAMockIsMadeUp(t *testing.T) {
	s := withTarget(t)
	spec := targetSpec()
	spec.Mock, spec.Duration = true, 6*time.Hour
	c, err := NewProvider(spec, Options{}).Retrieve(t.Context())
	if err != nil || c.ARN != targetSession || c.AccountID != "210987654321" || len(s.Requests()) > 0 {
		t.Errorf("got %v, %v after %d requests", c, err, len(s.Requests()))
	}
	expectLeft(t, c, time.Hour)
}

func TestTarget_AHundredFirstRequestsAreTwoCalls(t *testing.T) {
	s := withTarget(t)
	s.AddRole(roleARN)
	dir := t.TempDir()
	spec := targetSpec()
	spec.Cache = true
	pool := func(ctx context.Context) *credentials.Pool {
		p := credentials.NewPool(credentials.PoolOptions{
			Provide: func(s credentials.Spec) credentials.Provider { return NewProvider(s, Options{}) }, CacheDir: dir,
		})
		p.Start(ctx)
		return p
	}
	ask := func(p *credentials.Pool) {
		var clients sync.WaitGroup
		for range 100 {
			clients.Go(func() {
				for {
					c, err := p.Keeper(spec).Get(t.Context())
					if e, ok := errors.AsType[*credentials.Error](err); ok && e.Temporary {
						continue // this machine is busy; Get has waited
					}
					if err != nil || c.ARN != targetSession {
						t.Errorf("got %v, %v", c, err)
					}
					return
				}
			})
		}
		clients.Wait()
	}
	for run := range 2 { // the second has the credentials of the first on disk
		p := pool(t.Context())
		ask(p)
		p.Close()
		// In the second run, the renewal in the background may have begun before the pool closes.
		if n := len(s.Requests()); n < 2 || n > 2+2*run {
			t.Errorf("run %d: %d requests", run, n)
		}
	}
}

func TestTarget_ErrorsSayWhichRoleFailed(t *testing.T) {
	const (
		first  = "User: " + userARN + " is not authorized to perform: "
		second = "User: " + sessionARN + " is not authorized to perform: "
	)
	noTags := func(s *credentials.Spec) {
		s.SessionTags, s.TransitiveTagKeys = map[string]string{"pod": "x"}, []string{"pod"}
	}
	// fail lets the second call fail only.
	fail := func(f stsfake.Fault) func(*stsfake.Server) {
		return func(s *stsfake.Server) { s.Fail(f, targetARN) }
	}
	for _, tt := range []struct {
		name      string
		prepare   func(*stsfake.Server)
		spec      func(*credentials.Spec)
		want      failure
		calls     int
		throttled bool
	}{
		{
			name: "first denied", prepare: func(s *stsfake.Server) { s.AddRole(roleARN, stsfake.Callers("999999999999")) }, calls: 1,
			want: failure{credentials.CodeUnauthorized, `profile "default" may not assume ` + roleARN + ` (AccessDenied: ` + first + `sts:AssumeRole on resource: ` + roleARN + `); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it; if it asks for MFA, set credentials.mfa_serial`, false},
		},
		{
			name: "first takes no tags", prepare: func(s *stsfake.Server) { s.AddRole(roleARN, stsfake.DenyTagSession()) }, spec: noTags, calls: 1,
			want: failure{credentials.CodeUnauthorized, `profile "default" may not assume ` + roleARN + ` (AccessDenied: ` + first + `sts:TagSession on resource: ` + roleARN + `); the role's trust policy must allow sts:TagSession to the caller, and the caller needs it on the role`, false},
		},
		{
			name: "target does not trust the first", prepare: func(s *stsfake.Server) { s.AddRole(targetARN, stsfake.Callers(userARN)) }, calls: 2,
			want: failure{credentials.CodeUnauthorized, roleARN + ` may not assume its target role ` + targetARN + ` (AccessDenied: ` + second + `sts:AssumeRole on resource: ` + targetARN + `); the target must exist, its trust policy must name that role and ask for no other external id than target_external_id, and that role needs sts:AssumeRole on it`, false},
		},
		{
			name: "another external id", spec: func(s *credentials.Spec) { s.Target.ExternalID = "hunter2-other" }, calls: 2,
			want: failure{credentials.CodeUnauthorized, roleARN + ` may not assume its target role ` + targetARN + ` (AccessDenied: ` + second + `sts:AssumeRole on resource: ` + targetARN + `); the target must exist, its trust policy must name that role and ask for no other external id than target_external_id, and that role needs sts:AssumeRole on it`, false},
		},
		{
			name: "target takes no tags", prepare: func(s *stsfake.Server) { s.AddRole(targetARN, stsfake.DenyTagSession()) }, spec: noTags, calls: 2,
			want: failure{credentials.CodeUnauthorized, roleARN + ` may not assume its target role ` + targetARN + ` (AccessDenied: ` + second + `sts:TagSession on resource: ` + targetARN + `); the target's trust policy must allow sts:TagSession to that role, and that role needs it on the target`, false},
		},
		{
			name: "malformed policy", spec: func(s *credentials.Spec) { s.Target.Policy = "{" }, calls: 2,
			want: failure{credentials.CodeFailed, `AssumeRole of the target role ` + targetARN + ` with ` + roleARN + ` was refused (MalformedPolicyDocument: This policy contains invalid Json)`, false},
		},
		{
			name: "malformed external id", spec: func(s *credentials.Spec) { s.Target.ExternalID = "hunter2 !" }, calls: 2,
			want: failure{credentials.CodeFailed, `AssumeRole of the target role ` + targetARN + ` with ` + roleARN + ` was refused (ValidationError: 1 validation error detected: Value '[redacted]' at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@:\/-]*)`, false},
		},
		{
			name: "refused session", prepare: fail(stsfake.InvalidClientTokenID), calls: 2,
			want: failure{credentials.CodeFailed, `STS refuses the session that it has just issued of ` + roleARN + `, which is to assume its target role ` + targetARN + ` (InvalidClientTokenId: The security token included in the request is invalid.); check AWS_ENDPOINT_URL_STS`, true},
		},
		{
			name: "throttled", prepare: fail(stsfake.Throttled), calls: 2, throttled: true,
			want: failure{credentials.CodeFailed, `STS throttles calls (Throttling: Rate exceeded); retrying`, true},
		},
		{
			name: "outage", prepare: fail(stsfake.InternalFailure), calls: 2,
			want: failure{credentials.CodeFailed, `STS is failing (InternalFailure: The request processing has failed because of an unknown error, exception or failure.); retrying`, true},
		},
		{
			name: "no role", spec: func(s *credentials.Spec) { s.RoleARN = "" },
			want: failure{credentials.CodeFailed, "a target role needs a role that assumes it, and its external id and policy need a target role; set role and target_role", false},
		},
		{
			name: "no target role", spec: func(s *credentials.Spec) { s.Target.RoleARN = "" },
			want: failure{credentials.CodeFailed, "a target role needs a role that assumes it, and its external id and policy need a target role; set role and target_role", false},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := withTarget(t)
			s.AddRole(roleARN)
			if tt.prepare != nil {
				tt.prepare(s)
			}
			spec := targetSpec()
			if tt.spec != nil {
				tt.spec(&spec)
			}
			_, err := provider(spec).Retrieve(t.Context())
			expectFailure(t, err, tt.want)
			if e, _ := errors.AsType[*credentials.Error](err); e.Throttled != tt.throttled {
				t.Errorf("throttled: %v", e.Throttled)
			}
			if n := len(s.Requests()); n != tt.calls {
				t.Errorf("%d requests, want %d", n, tt.calls)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the external id is in %v", err)
			}
		})
	}
}
