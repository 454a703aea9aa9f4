package stsfake_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mock-ec2-metadata/test/stsfake"
)

func match(t *testing.T, what, pattern, got string) {
	t.Helper()
	if !regexp.MustCompile("^(?:" + pattern + ")$").MatchString(got) {
		t.Errorf("%s: %q does not match %s", what, got, pattern)
	}
}

func TestAssumeRole_IssuesCredentialsOfTheRole(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	key := s.AddUser("dev")
	match(t, "key", `AKIA[A-Z2-7]{16}`, key.AccessKeyID)
	match(t, "secret", `[A-Za-z0-9+/]{40}`, key.SecretAccessKey)
	s.AddRole(appRole)

	out := mustAssume(t, client(s, key), sts.AssumeRoleInput{})
	match(t, "session key", `ASIA[A-Z2-7]{16}`, *out.Credentials.AccessKeyId)
	match(t, "session secret", `[A-Za-z0-9+/]{40}`, *out.Credentials.SecretAccessKey)
	match(t, "token", `IQoJb3JpZ2luX2Vj[A-Za-z0-9+/=]{600,1000}`, *out.Credentials.SessionToken)
	if got := aws.ToInt32(out.SessionTokenSize); int(got) != len(*out.Credentials.SessionToken) {
		t.Errorf("token size %d", got)
	}
	match(t, "role id", `AROA[A-Z2-7]{17}:i-0123456789abcdef0`, *out.AssumedRoleUser.AssumedRoleId)
	if got, want := *out.Credentials.Expiration, now.Now().Add(time.Hour).Truncate(time.Second); !got.Equal(want) {
		t.Errorf("expires %v, want %v", got, want)
	}
	want := "arn:aws:sts::123456789012:assumed-role/app/i-0123456789abcdef0" // the path is dropped
	if *out.AssumedRoleUser.Arn != want {
		t.Errorf("got %s, want %s", *out.AssumedRoleUser.Arn, want)
	}

	id, err := client(s, session(out.Credentials)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	diff := cmp.Diff(&sts.GetCallerIdentityOutput{
		Account: aws.String("123456789012"), Arn: aws.String(want), UserId: out.AssumedRoleUser.AssumedRoleId,
	}, id, cmpopts.IgnoreFields(sts.GetCallerIdentityOutput{}, "ResultMetadata"), cmpopts.IgnoreUnexported(*id))
	if diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestAssumeRole_RecordsTheWholeRequest(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	key := s.AddUser("dev")
	serial := s.SetMFA("dev", "123456")
	s.AddRole(appRole, stsfake.MaxSession(12*time.Hour), stsfake.ExternalID("tenant-7"), stsfake.MFA())

	out := mustAssume(t, client(s, key), sts.AssumeRoleInput{
		RoleSessionName: aws.String("web"), DurationSeconds: aws.Int32(43200), ExternalId: aws.String("tenant-7"),
		SourceIdentity: aws.String("alice"), SerialNumber: &serial, TokenCode: aws.String("123456"),
		Policy:            aws.String(`{"Version":"2012-10-17"}`),
		PolicyArns:        []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}},
		Tags:              []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}},
		TransitiveTagKeys: []string{"team"},
	})
	if got := aws.ToString(out.SourceIdentity); got != "alice" {
		t.Errorf("source identity %q", got)
	}
	if got := aws.ToInt32(out.PackedPolicySize); got != 2 { //nolint:staticcheck // older SDKs still read it
		t.Errorf("packed policy size %d", got)
	}

	got := s.Requests()
	want := []stsfake.Request{{
		Action: "AssumeRole", CallerARN: "arn:aws:iam::123456789012:user/dev", AccessKeyID: key.AccessKeyID,
		Region: "eu-central-1", Time: now.Now(),
		Form: url.Values{
			"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {appRole}, "RoleSessionName": {"web"},
			"DurationSeconds": {"43200"}, "ExternalId": {"tenant-7"}, "SourceIdentity": {"alice"},
			"SerialNumber": {serial}, "TokenCode": {"123456"}, "Policy": {`{"Version":"2012-10-17"}`},
			"PolicyArns.member.1.arn": {"arn:aws:iam::aws:policy/ReadOnlyAccess"},
			"Tags.member.1.Key":       {"team"}, "Tags.member.1.Value": {"blue"}, "TransitiveTagKeys.member.1": {"team"},
		},
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(stsfake.Request{}, "UserAgent")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got[0].UserAgent, "aws-sdk-go-v2/") {
		t.Errorf("user agent %q", got[0].UserAgent)
	}
	got[0].Form.Set("RoleArn", "changed")
	if s.Requests()[0].Form.Get("RoleArn") != appRole {
		t.Error("Requests returns no copy of the form")
	}
}

func TestAssumeRole_ChecksTheTrustPolicy(t *testing.T) {
	const dev = "arn:aws:iam::123456789012:user/dev"
	denied := func(role string) answer {
		return answer{403, "AccessDenied", "User: " + dev + " is not authorized to perform: sts:AssumeRole on resource: " + role}
	}
	for _, tt := range []struct {
		name  string
		trust []stsfake.Trust
		in    sts.AssumeRoleInput
		want  answer
	}{
		{name: "no condition"},
		{name: "user", trust: []stsfake.Trust{stsfake.Callers(dev)}},
		{name: "account", trust: []stsfake.Trust{stsfake.Callers("123456789012")}},
		{name: "root", trust: []stsfake.Trust{stsfake.Callers("arn:aws:iam::123456789012:root")}},
		{name: "another user", trust: []stsfake.Trust{stsfake.Callers(dev + "eloper")}, want: denied(appRole)},
		{name: "no such role", in: sts.AssumeRoleInput{RoleArn: aws.String(nextRole)}, want: denied(nextRole)},
		{
			name: "ARN without its path", in: sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/app")},
			want: denied("arn:aws:iam::123456789012:role/app"),
		},
		{name: "no external id", trust: []stsfake.Trust{stsfake.ExternalID("tenant")}, want: denied(appRole)},
		{
			name: "wrong external id", trust: []stsfake.Trust{stsfake.ExternalID("tenant")},
			in: sts.AssumeRoleInput{ExternalId: aws.String("other")}, want: denied(appRole),
		},
		{
			name: "external id that is not required", in: sts.AssumeRoleInput{ExternalId: aws.String("other")},
		},
		{name: "no MFA", trust: []stsfake.Trust{stsfake.MFA()}, want: denied(appRole)},
		{
			name: "code without device", in: sts.AssumeRoleInput{TokenCode: aws.String("123456")},
			want: answer{403, "AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code. "},
		},
		{
			name: "wrong code", in: sts.AssumeRoleInput{
				SerialNumber: aws.String("arn:aws:iam::123456789012:mfa/dev"), TokenCode: aws.String("000000"),
			},
			want: answer{403, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. "},
		},
		{
			name: "wrong device", in: sts.AssumeRoleInput{
				SerialNumber: aws.String("arn:aws:iam::123456789012:mfa/eve"), TokenCode: aws.String("123456"),
			},
			want: answer{403, "AccessDenied", "MultiFactorAuthentication failed, unable to validate MFA code.  " +
				"Please verify your MFA serial number is valid and associated with this user. "},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := stsfake.Start(t)
			key := s.AddUser("dev")
			s.SetMFA("dev", "123456")
			s.AddRole(appRole, tt.trust...)
			_, err := assume(t, client(s, key), tt.in)
			if tt.want != (answer{}) {
				wantFault(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGetSessionToken_IssuesCredentialsOfTheUser(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	key := s.AddUser("dev")
	serial := s.SetMFA("dev", "123456")
	s.AddRole(appRole, stsfake.MFA(), stsfake.MaxSession(12*time.Hour))

	out, err := client(s, key).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{
		SerialNumber: &serial, TokenCode: aws.String("123456"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *out.Credentials.Expiration, now.Now().Add(12*time.Hour).Truncate(time.Second); !got.Equal(want) {
		t.Errorf("expires %v, want %v", got, want)
	}
	c := client(s, session(out.Credentials))
	if got, err := whoami(t, c); err != nil || got != key.UserARN {
		t.Errorf("got %q, %v; want %s", got, err, key.UserARN)
	}
	// MFA of the session counts, and assuming a role with it is not role chaining.
	mustAssume(t, c, sts.AssumeRoleInput{DurationSeconds: aws.Int32(43200)})
}

func TestGetSessionToken_RefusesCredentialsOfSessions(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	s.AddRole(appRole)
	out, err := client(s, key).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	role := mustAssume(t, client(s, key), sts.AssumeRoleInput{})
	for name, c := range map[string]*sts.Client{"user session": client(s, session(out.Credentials)), "role session": client(s, session(role.Credentials))} {
		t.Run(name, func(t *testing.T) {
			_, err := c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
			wantFault(t, err, answer{403, "AccessDenied", "Cannot call GetSessionToken with session credentials"})
		})
	}
}

func TestGetSessionToken_LimitsTheDuration(t *testing.T) {
	s := stsfake.Start(t)
	_, err := client(s, s.AddUser("dev")).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(129601)})
	wantFault(t, err, answer{400, "ValidationError", "1 validation error detected: Value '129601' at 'durationSeconds' " +
		"failed to satisfy constraint: Member must have value less than or equal to 129600"})
}

func TestGetCallerIdentity_AnswersWithTheXMLOfSTS(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	resp := send(t, s, key, time.Now(), "Action=GetCallerIdentity&Version=2011-06-15")
	id := resp.header.Get("x-amzn-RequestId")
	match(t, "request id", `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`, id)
	if got := resp.header.Get("Content-Type"); resp.status != http.StatusOK || got != "text/xml" {
		t.Errorf("%d %s", resp.status, got)
	}
	got := regexp.MustCompile(`AIDA[A-Z2-7]{17}<`).ReplaceAllString(string(resp.body), "AIDA<")
	want := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::123456789012:user/dev</Arn>
    <UserId>AIDA</UserId>
    <Account>123456789012</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>` + id + `</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}
