package stsfake_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mock-ec2-metadata/test/stsfake"
)

const webToken = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"

func assumeWeb(t *testing.T, s *stsfake.Server, in sts.AssumeRoleWithWebIdentityInput) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	t.Helper()
	if in.RoleArn == nil {
		in.RoleArn = aws.String(appRole)
	}
	if in.WebIdentityToken == nil {
		in.WebIdentityToken = aws.String(webToken)
	}
	in.RoleSessionName = aws.String("web")
	return client(s, aws.AnonymousCredentials{}).AssumeRoleWithWebIdentity(t.Context(), &in)
}

func TestWebIdentity_IssuesCredentialsOfTheRole(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	s.AddRole(appRole, stsfake.MaxSession(12*time.Hour), stsfake.Callers("999999999999"), stsfake.ExternalID("x"), stsfake.MFA())
	s.AddRole(nextRole, stsfake.MaxSession(12*time.Hour), stsfake.Callers(appRole))
	s.AddWebIdentity(webToken, appRole)

	out, err := assumeWeb(t, s, sts.AssumeRoleWithWebIdentityInput{DurationSeconds: aws.Int32(43200)})
	if err != nil {
		t.Fatal(err)
	}
	const want = "arn:aws:sts::123456789012:assumed-role/app/web"
	if got, want := *out.Credentials.Expiration, now.Now().Add(12*time.Hour); !got.Equal(want) {
		t.Errorf("expires %v, want %v", got, want)
	}
	got := []string{*out.AssumedRoleUser.Arn, *out.Provider, *out.Audience, *out.SubjectFromWebIdentityToken}
	if diff := cmp.Diff([]string{
		want, "arn:aws:iam::123456789012:oidc-provider/oidc.example.com", "sts.amazonaws.com",
		"system:serviceaccount:default:app",
	}, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]stsfake.Request{{
		Action: "AssumeRoleWithWebIdentity", Time: now.Now(),
		Form: url.Values{
			"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {appRole},
			"RoleSessionName": {"web"}, "WebIdentityToken": {webToken}, "DurationSeconds": {"43200"},
		},
	}}, s.Requests(), cmpopts.IgnoreFields(stsfake.Request{}, "UserAgent")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	// Assuming another role with this session is role chaining.
	c := client(s, session(out.Credentials))
	if got, err := whoami(t, c); err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = assume(t, c, sts.AssumeRoleInput{RoleArn: aws.String(nextRole), DurationSeconds: aws.Int32(3601)})
	wantFault(t, err, answer{
		400, "ValidationError",
		"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
	})
	mustAssume(t, c, sts.AssumeRoleInput{RoleArn: aws.String(nextRole)})
}

func TestWebIdentity_ChecksTokenAndRole(t *testing.T) {
	now := newClock()
	s := stsfake.Start(t, stsfake.WithNow(now.Now))
	s.AddRole(appRole)
	s.AddRole(nextRole)
	for _, token := range []string{webToken, "expired", "again"} {
		s.AddWebIdentity(token, appRole)
	}
	s.AddWebIdentity("gone", appRole+"/gone")
	now.Add(time.Hour)
	s.ExpireWebIdentity("expired")
	s.ExpireWebIdentity("again")
	s.AddWebIdentity("again", nextRole)
	unix := strconv.FormatInt(now.Now().Unix(), 10)
	for _, tt := range []struct {
		name string
		in   sts.AssumeRoleWithWebIdentityInput
		want answer
	}{
		{name: "valid"},
		{name: "valid again", in: sts.AssumeRoleWithWebIdentityInput{WebIdentityToken: aws.String("again")}},
		{name: "for another role too", in: sts.AssumeRoleWithWebIdentityInput{WebIdentityToken: aws.String("again"), RoleArn: aws.String(nextRole)}},
		{
			name: "unknown", in: sts.AssumeRoleWithWebIdentityInput{WebIdentityToken: aws.String("forged")},
			want: answer{400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.example.com"},
		},
		{
			name: "expired", in: sts.AssumeRoleWithWebIdentityInput{WebIdentityToken: aws.String("expired")},
			want: answer{400, "ExpiredTokenException", strings.ReplaceAll(
				"Token expired: current date/time N must be before the expiration date/time N", "N", unix)},
		},
		{
			name: "role without the token", in: sts.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(nextRole)},
			want: answer{403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		},
		{
			name: "no such role", in: sts.AssumeRoleWithWebIdentityInput{WebIdentityToken: aws.String("gone"), RoleArn: aws.String(appRole + "/gone")},
			want: answer{403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		},
		{
			name: "longer than the role allows", in: sts.AssumeRoleWithWebIdentityInput{DurationSeconds: aws.Int32(3601)},
			want: answer{400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		},
		{
			name: "short token", in: sts.AssumeRoleWithWebIdentityInput{WebIdentityToken: aws.String("abc")},
			want: answer{400, "ValidationError", "1 validation error detected: Value 'abc' at 'webIdentityToken' failed to " +
				"satisfy constraint: Member must have length greater than or equal to 4"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := assumeWeb(t, s, tt.in)
			if tt.want != (answer{}) {
				wantFault(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWebIdentity_FailHasTheMessageOfTheAction(t *testing.T) {
	s := stsfake.Start(t)
	s.Fail(stsfake.AccessDenied, "AssumeRoleWithWebIdentity")
	_, err := assumeWeb(t, s, sts.AssumeRoleWithWebIdentityInput{})
	wantFault(t, err, answer{403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"})
}
