package control

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestDirectory_IsTheRuntimeDirectorys(t *testing.T) {
	t.Setenv("TMPDIR", "/scratch")
	fallback := "/run/mock-ec2-metadata"
	if os.Geteuid() != 0 {
		fallback = "/scratch/mock-ec2-metadata-" + uid()
	}
	for _, tt := range []struct{ name, runtimeDir, want string }{
		{"set", "/run/user/1000", "/run/user/1000/mock-ec2-metadata"},
		{"relative, which the specification forbids", "run", fallback},
		{"not set", "", fallback},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_RUNTIME_DIR", tt.runtimeDir)
			if got := Directory(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestDirectory_FallsBackToOneOfTheUsers runs as another user, who cannot make a directory in /run.
func TestDirectory_FallsBackToOneOfTheUsers(t *testing.T) {
	if got, want := output(t, asNobody(t, "directory", "TMPDIR=/scratch")), "/scratch/mock-ec2-metadata-65534"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDirectories_AreAllPlacesOfThisUsersDaemons(t *testing.T) {
	t.Setenv("TMPDIR", "/scratch")
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	got := directories()
	want := []string{
		"/run/user/1000/mock-ec2-metadata", "/run/user/" + uid() + "/mock-ec2-metadata", "/run/mock-ec2-metadata", "/scratch/mock-ec2-metadata-" + uid(),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/"+uid())
	if got := directories(); !slices.Equal(got, want[1:]) {
		t.Errorf("in the login session of this user: %q, want no place twice: %q", got, want[1:])
	}
}

func TestMakePrivate_OnlyTheUserCanEnter(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
	}{
		{name: "new", prepare: func(*testing.T, string) {}},
		{name: "of an earlier daemon", prepare: func(t *testing.T, dir string) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "above", "dir")
			tt.prepare(t, dir)
			if err := makePrivate(dir); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|0o700 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestMakePrivate_RefusesWhatIsNoDirectoryOfTheUsers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    string // {DIR} stands for the path
	}{
		{
			name: "file", prepare: func(t *testing.T, dir string) { testutil.Write(t, dir, "content") },
			want: "{DIR} is not a directory; remove it",
		},
		{
			name: "link to a directory",
			prepare: func(t *testing.T, dir string) {
				if err := os.Symlink(t.TempDir(), dir); err != nil {
					t.Fatal(err)
				}
			},
			want: "{DIR} is not a directory; remove it",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			tt.prepare(t, dir)
			if err := makePrivate(dir); err == nil || err.Error() != dir+tt.want[len("{DIR}"):] {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// TestMakePrivate_RefusesAnotherUsersDirectory has one of the user 65533 in a directory that everybody can enter.
func TestMakePrivate_RefusesAnotherUsersDirectory(t *testing.T) {
	above := shortDir(t)
	if err := os.Chmod(above, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(above, "dir")
	cmd := asNobody(t, "private "+dir)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody-1, nobody-1); err != nil {
		t.Fatal(err)
	}
	if got, want := output(t, cmd), "error: "+dir+" belongs to another user; set server.control to a path of your own"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMakePrivate_NamesTheFixWhereItCannotWrite(t *testing.T) {
	above := shortDir(t)
	if err := os.Chmod(above, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, why string }{
		{"directory", filepath.Join(above, "dir"), "mkdir " + above + "/dir: permission denied"},
		{"directory above", filepath.Join(above, "above", "dir"), "mkdir " + above + "/above: permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := "error: " + tt.why + "; set server.control to a path that the daemon's user can write"
			if got := output(t, asNobody(t, "private "+tt.dir)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestPrepare_GivesTheDirectoryAway prepares for a user that root is about to become.
func TestPrepare_GivesTheDirectoryAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	dir := filepath.Join(t.TempDir(), "dir")
	if err := Prepare(dir, nobody, nobody-1); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != nobody || stat.Gid != nobody-1 || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("%+v, mode %v", info.Sys(), info.Mode())
	}
}
