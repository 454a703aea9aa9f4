package lifecycle

import (
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/tree"
)

const (
	roleList  = "iam/security-credentials"
	credsPath = "iam/security-credentials/"
	longPath  = "iam/security-credentials-extended/"
	docs      = "Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."
)

// wantNoProfile requires that nothing of an instance profile is there.
func wantNoProfile(t *testing.T, s *tree.Snapshot) {
	t.Helper()
	wantLeaves(t, s, map[string]string{"iam": absent, "iam/info": absent, roleList: absent, credsPath + role: absent, longPath + role: absent})
	for line := range strings.Lines(body(s, "")) {
		if strings.TrimSpace(line) == "iam/" {
			t.Error("iam/ is listed")
		}
	}
	if body(s, "identity-credentials/ec2/info") == absent {
		t.Error("identity-credentials has changed")
	}
}

// wantProfile requires that the profile of a role is there, with its credentials.
func wantProfile(t *testing.T, s *tree.Snapshot, name string) {
	t.Helper()
	wantLeaves(t, s, map[string]string{"iam": "info\nsecurity-credentials/", roleList: name, "iam/security-credentials-extended": name})
	if info := body(s, "iam/info"); !strings.Contains(info, `"InstanceProfileArn" : "arn:aws:iam::123456789012:instance-profile/`+name+`"`) {
		t.Error(info)
	}
	if n := s.Lookup("/latest/meta-data/" + credsPath + name); n == nil || n.Kind != tree.Credentials {
		t.Error("no credentials")
	}
}

func TestProfile_DetachAndAttachFollowEachOther(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Profile: "detach"}, b)
	wantNoProfile(t, treeAt(t, s, b, 0))
	at := 10 * time.Second
	s = mustAdd(t, s, "e2", config.Event{Profile: "attach", Lag: 5 * time.Second}, b, start.Add(at))
	if got := s.Events()[1].PhaseAt(start.Add(at)).Name; got != Lag {
		t.Errorf("phase %s", got)
	}
	wantNoProfile(t, treeAt(t, s, b, at+5*time.Second-1))
	wantProfile(t, treeAt(t, s, b, at+5*time.Second), role)
	if s = s.Advance(start.Add(at + 5*time.Second)); len(s.Events()) != 1 || s.Find("e2") == nil {
		t.Error("detach is left")
	}
	wantProfile(t, treeAt(t, s, b, time.Hour), role)
}

func TestProfile_OldStateShowsWhileItLags(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Profile: "replace", Role: "second"}, b)
	wantProfile(t, treeAt(t, s, b, 0), "second")
	s = mustAdd(t, s, "e2", config.Event{Profile: "replace", Role: "third", Lag: time.Minute}, b, start)
	wantProfile(t, treeAt(t, s.Advance(start), b, time.Minute-1), "second")
	wantProfile(t, treeAt(t, s.Advance(start.Add(time.Minute)), b, time.Minute), "third")
	s = mustAdd(t, s, "e3", config.Event{Profile: "detach", Lag: time.Minute}, b, start.Add(time.Hour))
	wantProfile(t, treeAt(t, s, b, time.Hour+time.Minute-1), "third")
	wantNoProfile(t, treeAt(t, s, b, time.Hour+time.Minute))
}

func TestProfile_AttachIsAbsentWhileItLags(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Profile: "attach", Lag: time.Minute}, b)
	wantNoProfile(t, treeAt(t, s, b, 0))
	wantProfile(t, treeAt(t, s, b, time.Minute), role)
}

func TestProfile_ReplaceRenamesOwnCredentials(t *testing.T) {
	b := valid()
	b.Instance.Credentials = config.Credentials{SourceProfile: "dev"}
	s := one(t, config.Event{Profile: "replace", Role: "second"}, b)
	wantProfile(t, treeAt(t, s, b, 0), "second")
}

func TestProfile_Breaks(t *testing.T) {
	b := valid()
	t.Run("profile not found", func(t *testing.T) {
		s := treeAt(t, one(t, config.Event{Profile: "break", Code: "InstanceProfileNotFound"}, b), b, 0)
		id := instanceAt(Set{}, b, 0).ProfileID
		wantLeaves(t, s, map[string]string{
			"iam/info": "{\n  \"Code\" : \"InstanceProfileNotFound\",\n  \"Message\" : \"Instance Profile with Id " + id + " cannot be found.  " + docs +
				"\",\n  \"LastUpdated\" : \"2026-11-29T12:00:00Z\"\n}",
			roleList: role,
		})
		if n := s.Lookup("/latest/meta-data/" + credsPath + role); n == nil || n.Kind != tree.Credentials {
			t.Error("the old document is gone")
		}
	})
	t.Run("profile without role", func(t *testing.T) {
		s := treeAt(t, one(t, config.Event{Profile: "break", Code: "NoRole"}, b), b, 0)
		in := instanceAt(Set{}, b, 0)
		wantLeaves(t, s, map[string]string{
			"iam": "info", roleList: absent, credsPath + role: absent, longPath + role: absent,
			"iam/info": "{\n  \"Code\" : \"Success\",\n  \"Message\" : \"Instance Profile does not contain a role.  " + docs +
				"\",\n  \"LastUpdated\" : \"2026-11-29T12:00:00Z\",\n  \"InstanceProfileArn\" : \"" + in.ProfileARN + "\",\n  \"InstanceProfileId\" : \"" + in.ProfileID + "\"\n}",
		})
	})
	for _, code := range []string{"AssumeRoleUnauthorizedAccess", "Failed"} {
		t.Run(code, func(t *testing.T) {
			want := "{\n  \"Code\" : \"" + code + "\",\n  \"Message\" : \"EC2 cannot assume the role app-role.  " + docs + "\",\n  \"LastUpdated\" : \"2026-11-29T12:00:05Z\"\n}"
			events := one(t, config.Event{Profile: "break", Code: code, Lag: 5 * time.Second}, b)
			wantProfile(t, treeAt(t, events, b, 0), role)
			s := treeAt(t, events, b, time.Minute)
			wantLeaves(t, s, map[string]string{credsPath + role: want, longPath + role: want, roleList: role, "iam/info": body(baseTree(t, b), "iam/info")})
			if n := s.Lookup("/latest/meta-data/" + credsPath + role); n.Kind != tree.Value {
				t.Error("it still answers with credentials")
			}
		})
	}
}

func TestProfile_LaterOneForAllOverridesThatOfSome(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Profile: "break", Code: "NoRole", Clients: []string{"127.0.0.2"}}, b)
	s = mustAdd(t, s, "e2", config.Event{Profile: "attach"}, b, start)
	if len(s.Events()) != 2 {
		t.Fatal("an event of other clients has ended")
	}
	r := s.Apply(Selection{1}, b.Instance, nil, start)
	wantProfile(t, treeOf(t, r), role)
}

func TestProfile_Refuses(t *testing.T) {
	b := valid()
	for _, tt := range []struct {
		spec config.Event
		want string
	}{
		{config.Event{Profile: "replace"}, "role: is missing; name the role to list"},
		{config.Event{Profile: "break"}, "code: is missing; write e.g. AssumeRoleUnauthorizedAccess"},
	} {
		_, _, err := Set{}.Add("e1", tt.spec, b, start)
		refused(t, err, false, tt.want)
	}
	b.Instance.Credentials.IAMRole = ""
	_, _, err := Set{}.Add("e1", config.Event{Profile: "attach"}, b, start)
	refused(t, err, false, "profile: attach needs a role; set credentials.iam_role")
	wantNoProfile(t, treeAt(t, one(t, config.Event{Profile: "detach"}, b), b, 0))
}

func TestCredentials_RotateChangesNothing(t *testing.T) {
	b := valid()
	r := one(t, config.Event{Credentials: "rotate"}, b).Apply(Selection{}, b.Instance, b.UserData, start)
	wantEqual(t, bodies(baseTree(t, b)), bodies(treeOf(t, r)))
}
