package privileges

import (
	"errors"
	"os/user"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// village is a machine with these accounts, groups of theirs, and owners of files.
func village(environ map[string]string, owners map[string]int) machine {
	accounts := []user.User{
		{Username: "root", Uid: "0", Gid: "0", HomeDir: "/root"},
		{Username: "toor", Uid: "0", Gid: "0", HomeDir: "/root"},
		{Username: "alice", Uid: "1000", Gid: "100", HomeDir: "/home/alice"},
		{Username: "1bob", Uid: "1001", Gid: "1001", HomeDir: "/home/bob"},
		{Username: "broken", Uid: "4294967295", Gid: "x"},
	}
	find := func(text string, field func(user.User) string) (*user.User, error) {
		for _, u := range accounts {
			if field(u) == text {
				return &u, nil
			}
		}
		return nil, errors.New("unknown")
	}
	return machine{
		getenv: func(name string) string { return environ[name] },
		byName: func(name string) (*user.User, error) {
			return find(name, func(u user.User) string { return u.Username })
		},
		byID: func(uid string) (*user.User, error) { return find(uid, func(u user.User) string { return u.Uid }) },
		groups: func(u *user.User) ([]string, error) {
			if u.Username == "alice" {
				return []string{"100", "27", "odd"}, nil
			}
			return nil, errors.New("no /etc/group")
		},
		owner: func(path string) (int, bool) { uid, known := owners[path]; return uid, known },
	}
}

func TestChoose(t *testing.T) {
	files := []string{"config", "credentials", ".aws"}
	alice := func(reason string) *User {
		return &User{Name: "alice", UID: 1000, GID: 100, Groups: []int{100, 27}, Home: "/home/alice", Reason: reason}
	}
	root := &User{Name: "root"}
	sudo := map[string]string{"SUDO_UID": "1000", "SUDO_GID": "7", "SUDO_HOME": "/elsewhere"}
	for _, tt := range []struct {
		name    string
		wanted  string
		environ map[string]string
		owners  map[string]int
		want    *User
		err     string
	}{
		{name: "a name", wanted: "alice", environ: map[string]string{"SUDO_UID": "1001"}, owners: map[string]int{"config": 1001}, want: alice("server.user")},
		{name: "a name that begins with a digit", wanted: "1bob", want: &User{Name: "1bob", UID: 1001, GID: 1001, Home: "/home/bob", Reason: "server.user"}},
		{name: "a number", wanted: "1000", want: alice("server.user")},
		{name: "a number without an account", wanted: "65532", want: &User{UID: 65532, GID: 65532, Reason: "server.user"}},
		{name: "a large number", wanted: "2147483647", want: &User{UID: 2147483647, GID: 2147483647, Reason: "server.user"}},
		{name: "root", wanted: "root", environ: sudo, owners: map[string]int{"config": 1000}, want: &User{Name: "root", Reason: "server.user"}},
		{name: "another root", wanted: "toor", want: &User{Name: "toor", Home: "/root", Reason: "server.user"}},
		{name: "number 0", wanted: "0", environ: sudo, want: &User{Name: "root", Home: "/root", Reason: "server.user"}},

		{name: "unknown", wanted: "carol", err: `there is no user "carol" here; name another, or give the number (id -u carol)`},
		{name: "no number", wanted: "4294967295", err: "4294967295 is not a uid; the largest is 4294967294"},
		{name: "far too large a number", wanted: "99999999999999999999", err: "99999999999999999999 is not a uid; the largest is 4294967294"},
		{name: "a broken account", wanted: "broken", err: `the account broken has the numbers "4294967295" and "x", which no user and no group can have; fix the account, or give a number`},

		{name: "sudo", environ: sudo, owners: map[string]int{"config": 1001}, want: alice("SUDO_UID")},
		{
			name: "sudo of somebody without an account here", environ: map[string]string{"SUDO_UID": "5000", "SUDO_GID": "7", "SUDO_HOME": "/elsewhere"},
			want: &User{UID: 5000, GID: 7, Home: "/elsewhere", Reason: "SUDO_UID"},
		},
		{name: "root's own sudo", environ: map[string]string{"SUDO_UID": "0"}, owners: map[string]int{".aws": 1000}, want: alice("owner of .aws")},
		{name: "no number of sudo's", environ: map[string]string{"SUDO_UID": "-1"}, want: root},
		{name: "not even one that fits", environ: map[string]string{"SUDO_UID": "4294967295"}, want: root},

		{name: "the owner of the first file", owners: map[string]int{"config": 1000, "credentials": 1001}, want: alice("owner of config")},
		{name: "the owner of the file that is not root's", owners: map[string]int{"config": 0, "credentials": 1000}, want: alice("owner of credentials")},
		{name: "the owner of the directory", owners: map[string]int{"config": 0, ".aws": 5000}, want: &User{UID: 5000, GID: 5000, Reason: "owner of .aws"}},
		{name: "root's files", owners: map[string]int{"config": 0, "credentials": 0, ".aws": 0}, want: root},
		{name: "files of somebody outside the container", owners: map[string]int{"config": 65534, "credentials": 0}, want: root},
		{name: "nothing", want: root},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := choose(village(tt.environ, tt.owners), tt.wanted, files)
			if err != nil && err.Error() != tt.err || err == nil && tt.err != "" {
				t.Fatalf("got %v\nwant %s", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("got instead of wanted\n%s", diff)
			}
		})
	}
}

func TestString(t *testing.T) {
	for want, u := range map[string]*User{"alice (1000)": {Name: "alice", UID: 1000}, "65532": {UID: 65532}} {
		if got := u.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
