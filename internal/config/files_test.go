package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestUserData(t *testing.T) {
	tests := map[string]string{
		"": "",
		"ec2: {user_data: '', user_data_base64: ~}":         "",
		"ec2: {user_data_base64: \"\\n\"}":                  "",
		"ec2: {user_data: \"#!/bin/sh\\n\"}":                "#!/bin/sh\n",
		"ec2:\n  user_data: |\n    a\n    b\n":              "a\nb\n",
		"ec2: {user_data_base64: H4sIAAA=}":                 "\x1f\x8b\x08\x00\x00",
		"ec2:\n  user_data_base64: |\n    H4sI\n    AAA=\n": "\x1f\x8b\x08\x00\x00",
	}
	for content, want := range tests {
		l := mustLoad(t, content, nil, nil)
		if string(l.UserData) != want || (l.UserData == nil) != (want == "") {
			t.Errorf("%s: got %q, want %q", content, l.UserData, want)
		}
		if len(l.Files) > 0 {
			t.Errorf("%s: files %q", content, l.Files)
		}
	}
}

// TestFilesStartFromWhereTheyAreNamed has a file that is there twice, with different content.
func TestFilesStartFromWhereTheyAreNamed(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	must(t, os.Mkdir("conf", 0o700))
	testutil.Write(t, "user-data", "working directory")
	testutil.Write(t, "conf/user-data", "directory of the configuration")
	for _, tt := range []struct{ file, path string }{
		{"ec2: {user_data_file: user-data}", "conf/user-data"},
		{"ec2: {user_data_file: ./x/../user-data}", "conf/user-data"},
		{"ec2: {user_data_file: ../user-data}", "user-data"},
		{"ec2: {user_data_file: " + dir + "/user-data}", "user-data"},
	} {
		must(t, os.WriteFile(DefaultFile, []byte(tt.file), 0o600))
		checkUserDataFile(t, Sources{}, filepath.Join(dir, tt.path))
		checkUserDataFile(t, Sources{File: filepath.Join(dir, DefaultFile)}, filepath.Join(dir, tt.path))
	}
	for _, src := range []Sources{
		{Set: []string{"ec2.user_data_file=user-data"}},
		{Environ: []string{"MOCK_EC2_METADATA__EC2__USER_DATA_FILE=user-data"}},
	} {
		checkUserDataFile(t, src, filepath.Join(dir, "user-data"))
	}
}

// checkUserDataFile wants the file at path to be read, watched and printed.
func checkUserDataFile(t *testing.T, src Sources, path string) {
	t.Helper()
	l, err := Load(src)
	if err != nil {
		t.Errorf("%+v: %v", src, err)
		return
	}
	want := read(t, path)
	if string(l.UserData) != want || l.Config.EC2.UserDataFile != path {
		t.Errorf("%+v: got %q from %s; want %q from %s", src, l.UserData, l.Config.EC2.UserDataFile, want, path)
	}
	if diff := cmp.Diff([]string{path}, l.Files); diff != "" {
		t.Errorf("%+v: files (-want +got):\n%s", src, diff)
	}
	if !strings.Contains(string(l.YAML()), "  user_data_file: "+path+" # ") {
		t.Errorf("%+v: no %s in\n%s", src, path, l.YAML())
	}
}

func TestUserDataFileLimit(t *testing.T) {
	path := write(t, "user-data", strings.Repeat("x", maxUserData))
	if l := mustLoad(t, "ec2: {user_data_file: "+path+"}", nil, nil); len(l.UserData) != maxUserData {
		t.Errorf("got %d bytes", len(l.UserData))
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if l := mustLoad(t, "ec2: {user_data_file: "+path+"}", nil, nil); l.UserData != nil {
		t.Errorf("an empty file: got %q", l.UserData)
	}
}

func TestBadUserDataFiles(t *testing.T) {
	dir := t.TempDir()
	large := write(t, "large", strings.Repeat("x", maxUserData+1))
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
		locked := write(t, "locked", "")
		must(t, os.Chmod(locked, 0))
		tests[locked] = locked + ": cannot be read: permission denied"
	}
	for path, want := range tests {
		_, err := loadText("ec2: {user_data_file: "+path+"}\nlog: {level: x}\n", nil, nil)
		want = "f.yaml:1: ec2.user_data_file: " + want + "\nf.yaml:2: log.level: \"x\" is not one of debug, info, warn, error"
		if err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	_, err := loadText("", nil, []string{"ec2.user_data_file=" + missing})
	if want := "--set ec2.user_data_file: " + missing + ": no such file"; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestIdentityFiles(t *testing.T) {
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

	t.Chdir(dir)
	l = mustLoad(t, "", nil, []string{"identity.state_dir=state"})
	if diff := cmp.Diff(Identity{StateDir: filepath.Join(dir, "state")}, l.Config.Identity); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(l.Files) > 0 {
		t.Errorf("files %q", l.Files)
	}
}

func TestProblem(t *testing.T) {
	l := mustLoad(t, `
ec2:
  network_interfaces:
  - mac: 0a:1b:2c:3d:4e:5f
metadata:
  meta-data/a.b: x
`, []string{"MOCK_EC2_METADATA__EC2__HOSTNAME=a"}, []string{"metadata.meta-data/c=x"})
	for path, want := range map[string]string{
		"metadata.meta-data/a.b":           "f.yaml:6: metadata.meta-data/a.b: is 100% wrong",
		"metadata.meta-data/c":             "--set metadata.meta-data/c: is 100% wrong",
		"ec2.hostname":                     "MOCK_EC2_METADATA__EC2__HOSTNAME: ec2.hostname: is 100% wrong",
		"ec2.local_ipv4":                   "default: ec2.local_ipv4: is 100% wrong",
		"ec2.network_interfaces[0].mac":    "f.yaml:4: ec2.network_interfaces[0].mac: is 100% wrong",
		"ec2.network_interfaces[0].vpc_id": "f.yaml:4: ec2.network_interfaces[0].vpc_id: is 100% wrong",
		"ec2.network_interfaces":           "f.yaml:3: ec2.network_interfaces: is 100% wrong",
	} {
		if got := l.Problem(path, "is %d%% wrong", 100).Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if err := l.Problem("identity.key_file", "%w", fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap its cause", err)
	}
}
