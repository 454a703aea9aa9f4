package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestFind_TakesOnlyLivingSocketsOfItsDirectories(t *testing.T) {
	none := "no running daemon was found in {ONE} or {TWO}; start it (mock-ec2-metadata serve), or name its socket with --control or its address with --listen"
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, one, two string)
		want    string // {ONE} and {TWO} stand for the directories
		err     string
	}{
		{name: "no directories", prepare: func(*testing.T, string, string) {}, err: none},
		{
			name: "nothing alive",
			prepare: func(t *testing.T, one, two string) {
				testutil.Write(t, filepath.Join(one, "5000.sock"), "a file")
				testutil.Write(t, filepath.Join(two, "other"), "")
				leave(t, filepath.Join(one, "5001.sock"))
				serve(t, filepath.Join(one, "other-name"), "")
			},
			err: none,
		},
		{
			name: "one",
			prepare: func(t *testing.T, one, two string) {
				if err := os.Mkdir(one, 0o700); err != nil {
					t.Fatal(err)
				}
				leave(t, filepath.Join(one, "4999.sock"))
				serve(t, Auto, two)
			},
			want: "{TWO}/5000.sock",
		},
		{
			name: "another user may write to the directory",
			prepare: func(t *testing.T, one, _ string) {
				serve(t, Auto, one)
				if err := os.Chmod(one, 0o777); err != nil {
					t.Fatal(err)
				}
			},
			err: none,
		},
		{
			name: "a link to a directory of sockets",
			prepare: func(t *testing.T, one, two string) {
				target := filepath.Join(filepath.Dir(two), "real")
				serve(t, Auto, target)
				if err := os.Symlink(target, one); err != nil {
					t.Fatal(err)
				}
			},
			err: none,
		},
		{
			name: "several",
			prepare: func(t *testing.T, one, two string) {
				serve(t, Auto, two)
				serve(t, Auto, one)
			},
			err: "several daemons run; name one with --control:\n  {ONE}/5000.sock\n  {TWO}/5000.sock",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := shortDir(t)
			one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
			tt.prepare(t, one, two)
			names := strings.NewReplacer("{ONE}", one, "{TWO}", two)
			got, err := find([]string{one, two})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != names.Replace(tt.want) || text != names.Replace(tt.err) {
				t.Errorf("got %q, error %s\nwant %q, error %s", got, text, tt.want, tt.err)
			}
		})
	}
}

// TestFind_IgnoresDirectoriesOfOtherUsers: such a socket would get the MFA code.
func TestFind_IgnoresDirectoriesOfOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	dir := filepath.Join(shortDir(t), "theirs")
	serve(t, Auto, dir)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if got, err := find([]string{dir}); err == nil {
		t.Errorf("found %s", got)
	}
}
