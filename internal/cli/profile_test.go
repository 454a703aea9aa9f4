package cli

import (
	"os"
	"path/filepath"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

func TestReadProfile_OfRootIsThatOfTheUserToBecome(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	root := testutil.IsolateHome(t)
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "")
	}
	user := t.TempDir()
	testutil.Write(t, filepath.Join(user, ".aws/config"), "[profile work]\nregion = us-gov-east-1\nrole_arn = arn:aws-us-gov:iam::1:role/r\n")
	t.Setenv("SUDO_UID", "4711")
	t.Setenv("SUDO_GID", "4711")
	t.Setenv("SUDO_HOME", user)

	ofUser := config.Profile{Found: true, From: "profile work (~/.aws/config)", Region: "us-gov-east-1", RoleARN: "arn:aws-us-gov:iam::1:role/r"}
	none := config.Profile{From: "profile work ()"}
	for _, tt := range []struct {
		name  string
		flags flags
		user  string
		want  config.Profile
	}{
		{name: "the user who called sudo", want: ofUser},
		{name: "server.user is root", user: "root", want: none},
		{name: "exec, which stays root", flags: flags{staysRoot: true}, want: none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.flags.readProfile("work", tt.user); got != tt.want {
				t.Errorf("got %+v, want %+v; root's home is %s", got, tt.want, root)
			}
		})
	}
}
