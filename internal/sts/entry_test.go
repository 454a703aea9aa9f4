package sts

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/test/stsfake"
)

// TestRetrieve_ErrorsNameTheKeysOfTheEntry has an entry of roles, the file's own credentials, and a role that a container names.
func TestRetrieve_ErrorsNameTheKeysOfTheEntry(t *testing.T) {
	const temporaryKeys = "[default]\naws_access_key_id = ASIA\naws_secret_access_key = hunter2\naws_session_token = hunter2\n"
	denied := func(s *stsfake.Server) { s.Fail(stsfake.Fault{Status: 403, Code: "AccessDenied", Message: "no"}) }
	for _, tt := range []struct {
		name        string
		spec        credentials.Spec
		credentials string // KEYS stands for the user's
		prepare     func(*stsfake.Server)
		want        string // the end of the message; KEY. stands for the entry's keys
	}{
		{
			name: "the role is denied", spec: roleSpec(), credentials: "KEYS",
			want: "; if it asks for MFA, set KEY.mfa_serial",
		},
		{
			name: "no session", spec: ownSpec(), credentials: "KEYS", prepare: denied,
			want: "; set KEY.iam_role to a role that it may assume",
		},
		{
			name: "temporary keys without an end", spec: ownSpec(), credentials: temporaryKeys,
			want: ", or set KEY.iam_role to a role that they may assume",
		},
		{
			name: "temporary keys take no code", spec: credentials.Spec{Profile: "default", MFASerial: mfaDevice}, credentials: temporaryKeys,
			want: `; set KEY.mfa_serial to "", or set KEY.iam_role to a role that they may assume`,
		},
		{
			name: "no profile", spec: credentials.Spec{Profile: "lost", RoleARN: roleARN}, credentials: "KEYS",
			want: " or name another one in KEY.source_profile",
		},
	} {
		for _, entry := range [][2]string{{"", "credentials."}, {"roles.web", "roles.web."}, {"containers", "credentials."}} {
			t.Run(tt.name+" "+entry[0], func(t *testing.T) {
				sts := stsfake.Start(t)
				if tt.prepare != nil {
					tt.prepare(sts)
				}
				home(t, sts, "", strings.Replace(tt.credentials, "KEYS", keys("default", sts.AddUser("developer")), 1))
				tt.spec.Entry = entry[0]
				_, err := provider(tt.spec).Retrieve(t.Context())
				if err == nil {
					t.Fatal("there are credentials")
				}
				if want := strings.ReplaceAll(tt.want, "KEY.", entry[1]); !strings.HasSuffix(err.Error(), want) {
					t.Errorf("%v\nwant %s", err, want)
				}
			})
		}
	}
}
