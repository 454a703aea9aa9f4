package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestUserData_IsThatOfTheKeyThatHasIt(t *testing.T) {
	for content, want := range map[string]string{
		"": "",
		"ec2: {user_data: '', user_data_base64: ~}":         "",
		"ec2: {user_data_base64: \"\\n\"}":                  "",
		"ec2: {user_data: \"#!/bin/sh\\n\"}":                "#!/bin/sh\n",
		"ec2:\n  user_data: |\n    a\n    b\n":              "a\nb\n",
		"ec2: {user_data_base64: H4sIAAA=}":                 "\x1f\x8b\x08\x00\x00",
		"ec2:\n  user_data_base64: |\n    H4sI\n    AAA=\n": "\x1f\x8b\x08\x00\x00",
	} {
		t.Run(content, func(t *testing.T) {
			l := mustLoad(t, content, nil, nil)
			if string(l.UserData) != want || (l.UserData == nil) != (want == "") {
				t.Errorf("got %q, want %q", l.UserData, want)
			}
			if len(l.Files) > 0 {
				t.Errorf("files %q", l.Files)
			}
		})
	}
}

// inDirectories makes a file called user-data in the working directory and another one beside the configuration.
func inDirectories(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Chdir(dir)
	testutil.Write(t, "user-data", "working directory")
	testutil.Write(t, "conf/user-data", "directory of the configuration")
	return dir
}

func TestPaths_InAFileAreRelativeToItsDirectory(t *testing.T) {
	dir := inDirectories(t)
	for _, tt := range []struct{ path, want string }{
		{"user-data", "conf/user-data"},
		{"./x/../user-data", "conf/user-data"},
		{"../user-data", "user-data"},
		{dir + "/user-data", "user-data"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			testutil.Write(t, DefaultFile, "ec2: {user_data_file: "+tt.path+"}")
			checkUserDataFile(t, Sources{}, filepath.Join(dir, tt.want))
			checkUserDataFile(t, Sources{File: filepath.Join(dir, DefaultFile)}, filepath.Join(dir, tt.want))
		})
	}
}

func TestPaths_InFlagsAndVariablesAreRelativeToTheWorkingDirectory(t *testing.T) {
	dir := inDirectories(t)
	testutil.Write(t, DefaultFile, "{}")
	for name, src := range map[string]Sources{
		"flag":     {Set: []string{"ec2.user_data_file=user-data"}},
		"variable": {Environ: []string{"MOCK_EC2_METADATA__EC2__USER_DATA_FILE=user-data"}},
	} {
		t.Run(name, func(t *testing.T) { checkUserDataFile(t, src, filepath.Join(dir, "user-data")) })
	}
}

// checkUserDataFile requires that the file at path is read, watched and printed.
func checkUserDataFile(t *testing.T, src Sources, path string) {
	t.Helper()
	l, err := Load(src)
	must(t, err)
	want := read(t, path)
	if string(l.UserData) != want || l.Config.EC2.UserDataFile != path {
		t.Errorf("got %q from %s; want %q from %s", l.UserData, l.Config.EC2.UserDataFile, want, path)
	}
	if diff := cmp.Diff([]string{path}, l.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(l.YAML()), "  user_data_file: "+path+" # ") {
		t.Errorf("no %s in\n%s", path, l.YAML())
	}
}

func TestPaths_HomeAndVariablesAreReplaced(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDIR", home)
	for _, tt := range []struct{ path, want string }{
		{"~/x", home + "/x"},
		{"$HOME/x", home + "/x"},
		{"${HOME}/x", home + "/x"},
		{"$XDIR/x", home + "/x"},
		{"$UNSET_OF_THIS_NAME/x", "/conf/$UNSET_OF_THIS_NAME/x"},
		{"a~/x", "/conf/a~/x"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			content := "identity:\n  key_file: " + tt.path + "\n  cert_file: '" + tt.path + "'\n"
			l, err := load("/conf/f.yaml", []byte(content), Sources{}, "linux")
			must(t, err)
			if diff := cmp.Diff(Identity{KeyFile: tt.want, CertFile: tt.want}, l.Config.Identity); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{tt.want, tt.want}, l.Files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
	testutil.Write(t, filepath.Join(home, "user-data"), "home")
	for name, src := range map[string]Sources{
		"flag":     {Set: []string{"ec2.user_data_file=~/user-data"}},
		"variable": {Environ: []string{"MOCK_EC2_METADATA__EC2__USER_DATA_FILE=$HOME/user-data"}},
	} {
		t.Run(name, func(t *testing.T) { checkUserDataFile(t, src, filepath.Join(home, "user-data")) })
	}
	l := mustLoad(t, "", nil, []string{"identity.state_dir=~/state"})
	if l.Config.Identity.StateDir != home+"/state" {
		t.Errorf("state_dir is %s", l.Config.Identity.StateDir)
	}
}

// Started as root, the daemon reads these files as the user that it becomes, also at a reload.
func TestPaths_HomeIsThatOfTheUserToBecome(t *testing.T) {
	t.Setenv("HOME", "/root")
	src := Sources{Home: func(user string) string { return "/home/" + user }}
	l, err := load("/conf/f.yaml", []byte("server: {user: u}\nidentity: {key_file: ~/k, cert_file: $HOME/c}"), src, "linux")
	must(t, err)
	if diff := cmp.Diff(Identity{KeyFile: "/home/u/k", CertFile: "/home/u/c"}, l.Config.Identity); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUserDataFile_MayHave16384Bytes(t *testing.T) {
	path := testutil.WriteTemp(t, "user-data", strings.Repeat("x", maxUserData))
	if l := mustLoad(t, "ec2: {user_data_file: "+path+"}", nil, nil); len(l.UserData) != maxUserData {
		t.Errorf("got %d bytes", len(l.UserData))
	}
}

func TestUserDataFile_EmptyIsNoUserData(t *testing.T) {
	path := testutil.WriteTemp(t, "user-data", "")
	if l := mustLoad(t, "ec2: {user_data_file: "+path+"}", nil, nil); l.UserData != nil {
		t.Errorf("got %q", l.UserData)
	}
}

func TestUserDataFile_RefusesUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	large := testutil.WriteTemp(t, "large", strings.Repeat("x", maxUserData+1))
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	missing := filepath.Join(dir, "missing")
	tests := map[string]string{
		missing:      missing + ": no such file",
		dir:          dir + ": is a directory; name a file in it",
		large:        large + ": more than 16384 bytes; EC2 takes no more",
		pipe:         pipe + ": not a regular file",
		large + "/x": large + "/x: cannot be read: not a directory",
	}
	if os.Getuid() > 0 {
		locked := testutil.WriteTemp(t, "locked", "")
		must(t, os.Chmod(locked, 0))
		tests[locked] = locked + ": cannot be read: permission denied"
	}
	for path, want := range tests {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := loadText("ec2: {user_data_file: "+path+"}\nlog: {level: x}\n", nil, nil)
			expectError(t, err, "f.yaml:1: ec2.user_data_file: "+want+"\nf.yaml:2: log.level: \"x\" is not one of debug, info, warn, error")
		})
	}
	_, err := loadText("", nil, []string{"ec2.user_data_file=" + missing})
	expectError(t, err, "--set ec2.user_data_file: "+missing+": no such file")
}

func TestIdentityFiles_AreAbsoluteAndWatched(t *testing.T) {
	dir := t.TempDir()
	content := "identity: {key_file: key.pem, cert_file: /etc/cert.pem}"
	l, err := load(filepath.Join(dir, "f.yaml"), []byte(content), Sources{}, "linux")
	must(t, err)
	want := Identity{KeyFile: filepath.Join(dir, "key.pem"), CertFile: "/etc/cert.pem"}
	if diff := cmp.Diff(want, l.Config.Identity); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{want.KeyFile, want.CertFile}, l.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestStateDir_IsAbsoluteAndNotWatched(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	l := mustLoad(t, "", nil, []string{"identity.state_dir=state"})
	if diff := cmp.Diff(Identity{StateDir: filepath.Join(dir, "state")}, l.Config.Identity); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(l.Files) > 0 {
		t.Errorf("files %q", l.Files)
	}
}
