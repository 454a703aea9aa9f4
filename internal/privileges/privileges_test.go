package privileges

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"testing"
)

// homes makes a directory with homes in it; those with a slash at the end have an .aws.
func homes(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if name[len(name)-1] == '/' {
			path = profiles(path)
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestHome(t *testing.T) {
	for _, tt := range []struct {
		name    string
		homes   []string
		current string
		user    string
		sudo    bool
		want    string
	}{
		{"root's has profiles", []string{"root/", "alice/"}, "root", "alice", false, "root"},
		{"root's has profiles, but sudo set it", []string{"root/", "alice/"}, "root", "alice", true, "alice"},
		{"root's has the only profiles", []string{"root/", "alice"}, "root", "alice", true, "root"},
		{"root's has none", []string{"root", "alice/"}, "root", "alice", false, "alice"},
		{"nobody has any yet", []string{"root", "alice"}, "root", "alice", false, "alice"},
		{"not set", []string{"root/", "alice"}, "", "alice", false, "alice"},
		{"not set, and the user has none", []string{"root/"}, "", "alice", false, ""},
		{"the user's is not there", []string{"root"}, "root", "alice", true, "root"},
		{"the user has no account", []string{"root"}, "root", "", true, "root"},
		{"chosen, with profiles", []string{"chosen/", "alice/"}, "chosen", "alice", true, "chosen"},
		{"chosen, without", []string{"chosen", "alice/"}, "chosen", "alice", true, "alice"},
		{"chosen, and nobody has any yet", []string{"chosen", "alice"}, "chosen", "alice", true, "chosen"},
		{"the user's already", []string{"alice/"}, "alice", "alice", true, "alice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := homes(t, tt.homes...)
			at := func(name string) string {
				if name == "" {
					return ""
				}
				return filepath.Join(dir, name)
			}
			u := &User{Home: at(tt.user)}
			if got := u.home(at(tt.current), at("root"), tt.sudo); got != at(tt.want) {
				t.Errorf("got %q, want %q", got, at(tt.want))
			}
		})
	}
}

func TestAdoptEnvironment(t *testing.T) {
	dir := homes(t, "root", "alice/", "chosen/")
	at := func(name string) string { return filepath.Join(dir, name) }
	const unset = "unset"
	for _, tt := range []struct{ name, home, runtimeDir, wantHome, wantRuntimeDir string }{
		{"root's", "root", "/run/user/0", "alice", unset},
		{"chosen, and the user's", "chosen", "/run/user/1000", "chosen", "/run/user/1000"},
		{"one that is not there", "root", "/run/user/2", "alice", unset},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range map[string]string{"HOME": at(tt.home), "XDG_RUNTIME_DIR": tt.runtimeDir, "SUDO_UID": ""} {
				t.Setenv(name, value)
			}
			m := village(nil, map[string]int{"/run/user/0": 0, "/run/user/1000": 1000})
			m.getenv = os.Getenv
			m.byID = func(string) (*user.User, error) { return &user.User{HomeDir: at("root")}, nil }
			if err := (&User{UID: 1000, Home: at("alice")}).adoptEnvironment(m); err != nil {
				t.Fatal(err)
			}
			if got := os.Getenv("HOME"); got != at(tt.wantHome) {
				t.Errorf("HOME is %s, want %s", got, at(tt.wantHome))
			}
			got, set := os.LookupEnv("XDG_RUNTIME_DIR")
			if !set {
				got = unset
			}
			if got != tt.wantRuntimeDir {
				t.Errorf("XDG_RUNTIME_DIR is %q, want %q", got, tt.wantRuntimeDir)
			}
		})
	}
}

func TestRegular(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", "link"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("directory/below", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("directory/in it", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := regular([]string{"file", filepath.Join(dir, "file"), "link", "none", "directory", os.DevNull})
	if want := []string{filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "directory/in it")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
