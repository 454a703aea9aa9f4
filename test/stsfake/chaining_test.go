package stsfake_test

import (
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"mock-ec2-metadata/test/stsfake"
)

// chain is a client with a session of appRole, which has a source identity and a transitive tag, and may assume nextRole.
func chain(t *testing.T) (s *stsfake.Server, key stsfake.Key, first *sts.AssumeRoleOutput, chained *sts.Client) {
	t.Helper()
	s = stsfake.Start(t)
	key = s.AddUser("dev")
	s.AddRole(appRole)
	s.AddRole(nextRole, stsfake.MaxSession(12*time.Hour), stsfake.Callers(appRole))
	first = mustAssume(t, client(s, key), sts.AssumeRoleInput{
		SourceIdentity: aws.String("alice"), TransitiveTagKeys: []string{"team"}, Tags: tag("team", "blue"),
	})
	return s, key, first, client(s, session(first.Credentials))
}

func tag(key, value string) []types.Tag { return []types.Tag{{Key: &key, Value: &value}} }

func TestRoleChaining_IsLimitedToOneHour(t *testing.T) {
	_, _, _, chained := chain(t)
	_, err := assume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole), DurationSeconds: aws.Int32(3601)})
	wantFault(t, err, answer{
		400, "ValidationError",
		"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
	})
	out := mustAssume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole), DurationSeconds: aws.Int32(3600)})
	if got, want := *out.AssumedRoleUser.Arn, "arn:aws:sts::210987654321:assumed-role/next/i-0123456789abcdef0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRoleChaining_InheritsTheSourceIdentity(t *testing.T) {
	_, _, first, chained := chain(t)
	_, err := assume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole), SourceIdentity: aws.String("mallory")})
	wantFault(t, err, answer{403, "AccessDenied", "User: " + *first.AssumedRoleUser.Arn +
		" is not authorized to perform: sts:SetSourceIdentity on resource: " + nextRole})
	out := mustAssume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole)})
	if got := aws.ToString(out.SourceIdentity); got != "alice" {
		t.Errorf("source identity %q, want alice", got)
	}
}

func TestRoleChaining_InheritsTransitiveTags(t *testing.T) {
	s, _, _, chained := chain(t)
	_, err := assume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole), Tags: tag("Team", "red")})
	wantFault(t, err, answer{Status: 400, Code: "InvalidParameterValue"})
	out := mustAssume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole)})
	_, err = assume(t, client(s, session(out.Credentials)), sts.AssumeRoleInput{Tags: tag("team", "red")})
	wantFault(t, err, answer{Status: 400, Code: "InvalidParameterValue"}) // inherited twice
}

func TestRoleChaining_CallersByRoleExcludesUsers(t *testing.T) {
	s, key, _, _ := chain(t)
	_, err := assume(t, client(s, key), sts.AssumeRoleInput{RoleArn: aws.String(nextRole)})
	wantFault(t, err, answer{Status: 403, Code: "AccessDenied"})
}

func TestRoleChaining_ChecksTheExternalIDOfTheSecondRole(t *testing.T) {
	s, key, first, chained := chain(t)
	s.AddRole(nextRole, stsfake.Callers(appRole), stsfake.ExternalID("tenant-7"))
	wantDenied := answer{403, "AccessDenied", "User: " + *first.AssumedRoleUser.Arn + " is not authorized to perform: sts:AssumeRole on resource: " + nextRole}
	for _, id := range []*string{nil, aws.String("tenant-8")} {
		_, err := assume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole), ExternalId: id})
		wantFault(t, err, wantDenied)
	}
	right := sts.AssumeRoleInput{RoleArn: aws.String(nextRole), ExternalId: aws.String("tenant-7")}
	mustAssume(t, chained, right)
	if last := s.Requests()[len(s.Requests())-1]; last.CallerARN != *first.AssumedRoleUser.Arn || last.AccessKeyID != *first.Credentials.AccessKeyId {
		t.Errorf("signed by %s of %s", last.AccessKeyID, last.CallerARN)
	}
	_, err := assume(t, client(s, key), right) // the id alone does not help a user
	wantFault(t, err, answer{Status: 403, Code: "AccessDenied"})
}

func TestRoleChaining_RecordsTheTagsOfEachSession(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	s.AddRole(appRole)
	s.AddRole(nextRole)
	first := mustAssume(t, client(s, key), sts.AssumeRoleInput{
		Tags: append(tag("team", "blue"), tag("stage", "test")...), TransitiveTagKeys: []string{"team"},
	})
	second := mustAssume(t, client(s, session(first.Credentials)), sts.AssumeRoleInput{RoleArn: aws.String(nextRole), Tags: tag("own", "1")})
	for _, tt := range []struct {
		name, id        string
		all, transitive map[string]string
	}{
		{"first", *first.Credentials.AccessKeyId, map[string]string{"team": "blue", "stage": "test"}, map[string]string{"team": "blue"}},
		{"second", *second.Credentials.AccessKeyId, map[string]string{"team": "blue", "own": "1"}, map[string]string{"team": "blue"}},
		{"user", key.AccessKeyID, nil, nil},
		{"nobody", "ASIANEVERISSUED00000", nil, nil},
	} {
		all, transitive := s.Tags(tt.id)
		if !maps.Equal(all, tt.all) || !maps.Equal(transitive, tt.transitive) {
			t.Errorf("%s: got %v and %v, want %v and %v", tt.name, all, transitive, tt.all, tt.transitive)
		}
		if all != nil {
			all["team"] = "changed"
		}
	}
	if all, _ := s.Tags(*first.Credentials.AccessKeyId); all["team"] != "blue" {
		t.Error("Tags returns no copy")
	}
}

func TestRoleChaining_InheritedTagsNeedTagSession(t *testing.T) {
	s, key, first, chained := chain(t)
	s.AddRole(nextRole, stsfake.DenyTagSession())
	denied := func(caller string) answer {
		return answer{403, "AccessDenied", "User: " + caller + " is not authorized to perform: sts:TagSession on resource: " + nextRole}
	}
	_, err := assume(t, chained, sts.AssumeRoleInput{RoleArn: aws.String(nextRole)})
	wantFault(t, err, denied(*first.AssumedRoleUser.Arn))
	_, err = assume(t, client(s, key), sts.AssumeRoleInput{RoleArn: aws.String(nextRole), Tags: tag("team", "red")})
	wantFault(t, err, denied(key.UserARN))
	mustAssume(t, client(s, key), sts.AssumeRoleInput{RoleArn: aws.String(nextRole)})
}
