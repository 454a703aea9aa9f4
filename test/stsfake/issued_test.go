package stsfake_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

func TestIssued_ReturnsSessionsOnly(t *testing.T) {
	s := stsfake.Start(t)
	s.AddRole(appRole)
	key := s.AddUser("dev")
	out, err := assume(t, client(s, key), sts.AssumeRoleInput{RoleArn: aws.String(appRole), RoleSessionName: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	got, ok := s.Issued(*c.AccessKeyId)
	if !ok || got.SecretAccessKey != *c.SecretAccessKey || got.SessionToken != *c.SessionToken || !got.Expires.Equal(*c.Expiration) {
		t.Error("not the issued session")
	}
	for _, id := range []string{key.AccessKeyID, "ASIANEVERISSUED00000"} {
		if _, ok := s.Issued(id); ok {
			t.Errorf("%s is not a session", id)
		}
	}
}

func TestSecrets_AreAllThatWereIssued(t *testing.T) {
	s := stsfake.Start(t)
	s.AddRole(appRole)
	key := s.AddUser("dev")
	c := mustAssume(t, client(s, key), sts.AssumeRoleInput{}).Credentials
	s.AddWebIdentity("web-identity", appRole)
	s.AddPermissionSet("123456789012", "PowerUser")
	login := s.ExpireSSO(s.LoginSSO("alice"))
	cache := ssoHome(t, s)
	file, err := login.WriteSession(cache, "corp")
	if err != nil {
		t.Fatal(err)
	}
	sso, err := profile(t, "new").Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refreshed, err := stsfake.ReadLogin(file)
	if err != nil || !refreshed.ExpiresAt.After(time.Now()) {
		t.Fatalf("not refreshed: %v", err)
	}
	want := []string{
		key.SecretAccessKey, *c.SecretAccessKey, *c.SessionToken, "web-identity", sso.SecretAccessKey, sso.SessionToken,
		login.AccessToken, login.RefreshToken, login.ClientSecret, refreshed.AccessToken, refreshed.RefreshToken,
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(s.Secrets()))); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}
