//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// stranger is a user without an account. It has no files but those that a test gives it.
const stranger = 64321

// buildStaticOnce builds the daemon as make build and the Dockerfile do.
var buildStaticOnce = sync.OnceValues(func() (string, error) { return goBuild("mock-ec2-metadata-static", "CGO_ENABLED=0") })

func buildStatic(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can become another user: run this as root")
	}
	bin, err := buildStaticOnce()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// startIn runs a binary of the daemon as root in its home, and returns its process id, too.
func startIn(t *testing.T, bin, home string, env []string, args ...string) (d *local, pid int) {
	t.Helper()
	cmd := inHome(bin, home, env, args...)
	d = follow(t, cmd)
	return d, cmd.Process.Pid
}

// inHome prepares a command of root's. A daemon makes no control socket, which would be in this machine's /run.
func inHome(bin, home string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(bin, append([]string{"--log-format", "json"}, args...)...)
	cmd.Dir = home
	cmd.Env = append([]string{"PATH=" + systemPath, "HOME=" + home, "MOCK_EC2_METADATA__SERVER__CONTROL=off"}, env...)
	return cmd
}

// open lets every user enter a directory.
func open(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// give gives a directory and all in it to a user, who can reach it.
func give(t *testing.T, dir string, uid int) {
	t.Helper()
	open(t, filepath.Dir(dir))
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, uid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantLine waits for a message in the log and compares its level and attributes.
func wantLine(t *testing.T, d *local, level, msg string, attrs map[string]string) {
	t.Helper()
	quoted, _ := json.Marshal(msg)
	line := d.waitFor(t, `"msg":`+string(quoted))
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if got["level"] != level {
		t.Errorf("%s has level %v, want %s", msg, got["level"], level)
	}
	for name, want := range attrs {
		if got[name] != want {
			t.Errorf("%s: %s is %q, want %q", msg, name, got[name], want)
		}
	}
}

// lowPort is a free address on the loopback that only root can listen on.
func lowPort(t *testing.T) string {
	t.Helper()
	for port := 1023; port > 0; port-- {
		address := "127.0.0.1:" + strconv.Itoa(port)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port below 1024 is free")
	return ""
}

// TestPrivileges_DaemonKeepsNoneOfRootsRights starts the daemon as root at a port that only root can bind. One of its profiles runs
// a program, which has no right of root's either.
func TestPrivileges_DaemonKeepsNoneOfRootsRights(t *testing.T) {
	bin := buildStatic(t)
	fake := stsfake.Start(t)
	user := "server: {user: " + strconv.Itoa(stranger) + "}\n"
	home := newHome(t, fake, user)
	key := fake.AddUser("another")
	shared := t.TempDir()
	open(t, shared)
	if err := os.Chmod(shared, 0o1777); err != nil {
		t.Fatal(err)
	}
	seen, program := filepath.Join(shared, "status"), filepath.Join(shared, "program")
	testutil.Write(t, program, "#!/bin/sh\ncat /proc/self/status >"+seen+".new && mv "+seen+".new "+seen+"\necho '"+
		fmt.Sprintf(`{"Version": 1, "AccessKeyId": %q, "SecretAccessKey": %q}`, key.AccessKeyID, key.SecretAccessKey)+"'\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, filepath.Join(home, ".aws/config"), "[profile program]\ncredential_process = "+program+"\n")
	profiles, configuration := filepath.Join(home, ".aws/credentials"), filepath.Join(home, "conf/config.yaml")
	good, err := os.ReadFile(profiles)
	if err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, profiles, "[default]\naws_access_key_id = AKIAUNKNOWNUNKNOWN00\naws_secret_access_key = unknown\n")
	give(t, home, stranger)

	address := lowPort(t)
	d, pid := startIn(t, bin, home, []string{"AWS_ENDPOINT_URL_STS=" + fake.URL()}, "--listen", address)
	if d.url != "http://"+address+"/" {
		t.Errorf("it serves %s, want %s", d.url, address)
	}
	wantThreads(t, pid)
	wantLine(t, d, "INFO", "no longer root", map[string]string{"user": strconv.Itoa(stranger), "why": "server.user", "home": home})
	wantLine(t, d, "WARN", "cannot get credentials", nil)

	// The daemon reads a corrected profile and a changed configuration at once, which an editor saves by renaming.
	replace := func(file, content string) {
		t.Helper()
		err := errors.Join(os.Lchown(testutil.Write(t, file+".new", content), stranger, stranger), os.Rename(file+".new", file))
		if err != nil {
			t.Fatal(err)
		}
	}
	replace(profiles, string(good))
	testutil.Eventually(t, "the corrected profile gives credentials", func() bool { return d.credentials(t) == "valid" })
	config, err := os.ReadFile(configuration)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer("source_profile: default", "source_profile: program", user, "server: {user: nobody}\nec2: {hostname: changed}\n").Replace(string(config))
	replace(configuration, changed)
	d.waitFor(t, `"msg":"configuration reloaded"`)
	wantLine(t, d, "WARN", "a changed key takes effect only after a restart", map[string]string{"key": "server.user"})
	if _, body := fetch(t, d.url+"latest/meta-data/hostname"); body != "changed" {
		t.Errorf("hostname is %q after a reload", body)
	}
	testutil.Eventually(t, "the program has run", func() bool { _, err := os.Stat(seen); return err == nil && d.credentials(t) == "valid" })
	status, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	wantRights(t, "the credential_process", string(status))
	wantThreads(t, pid)
}

// credentials is the state of the daemon's credentials.
func (d *local) credentials(t *testing.T) string {
	t.Helper()
	_, body := fetch(t, d.url+"status")
	var s struct{ Credentials struct{ State string } }
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return s.Credentials.State
}

// TestPrivileges_DefaultUserOwnsTheFilesOrCalledSudo sets no server.user.
func TestPrivileges_DefaultUserOwnsTheFilesOrCalledSudo(t *testing.T) {
	static := buildStatic(t)
	t.Run("owner", func(t *testing.T) {
		for name, bin := range map[string]string{"static": static, "cgo": buildDaemon(t)} {
			t.Run(name, func(t *testing.T) {
				fake := stsfake.Start(t)
				home := newHome(t, fake, "")
				give(t, home, stranger)
				d, pid := startIn(t, bin, home, []string{"AWS_ENDPOINT_URL_STS=" + fake.URL()}, "--listen", "127.0.0.1:0")
				wantThreads(t, pid)
				wantLine(t, d, "INFO", "no longer root", map[string]string{
					"user": strconv.Itoa(stranger), "why": "owner of " + filepath.Join(home, ".aws/credentials"), "home": home,
				})
				testutil.Eventually(t, "credentials are valid", func() bool { return d.credentials(t) == "valid" })
				_, signature := fetch(t, d.url+"latest/dynamic/instance-identity/rsa2048")
				if len(signature) < 500 {
					t.Errorf("signature %q", signature)
				}
				wantWritten(t, filepath.Join(home, ".local"), stranger)

				// Root's identity cert reads the file of the daemon.
				if r := finish(t, inHome(bin, home, nil, "identity", "cert")); r.code != 0 || !strings.HasPrefix(r.stdout, "-----BEGIN CERTIFICATE-----\n") {
					t.Errorf("identity cert: exit %d\n%s%s", r.code, r.stdout, r.stderr)
				}
				wantWritten(t, filepath.Join(home, ".local"), stranger)
			})
		}
	})
	t.Run("sudo", func(t *testing.T) {
		fake := stsfake.Start(t)
		home, empty := newHome(t, fake, ""), t.TempDir()
		give(t, home, stranger)
		open(t, empty)
		env := []string{
			"AWS_ENDPOINT_URL_STS=" + fake.URL(), "HOME=" + empty, "XDG_RUNTIME_DIR=" + empty,
			"SUDO_UID=" + strconv.Itoa(stranger), "SUDO_GID=" + strconv.Itoa(stranger), "SUDO_HOME=" + home,
		}
		cmd := inHome(static, home, env, "--listen", "127.0.0.1:0")
		d := follow(t, cmd)
		wantThreads(t, cmd.Process.Pid)
		wantLine(t, d, "INFO", "no longer root", map[string]string{"user": strconv.Itoa(stranger), "why": "SUDO_UID", "home": home})
		testutil.Eventually(t, "credentials are valid", func() bool { return d.credentials(t) == "valid" })

		// The other commands use the same files as the daemon.
		env = append(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+d.url)
		listen := d.address()
		for command, want := range map[string]string{
			"check --credentials": "\nyou would be " + sessionARN + " until ",
			"doctor": `ok    profile        profile "default"; searched ` + filepath.Join(home, ".aws/config") + " (does not exist) and " +
				filepath.Join(home, ".aws/credentials") + "\n",
		} {
			r := finish(t, inHome(static, home, env, append(strings.Fields(command), "--listen", listen)...))
			if r.code != 0 || !strings.Contains(r.stdout, want) {
				t.Errorf("%s: exit %d, want %q in\n%s%s", command, r.code, want, r.stdout, r.stderr)
			}
		}
	})
	const staysRoot = "the daemon runs as root"
	t.Run("files of root", func(t *testing.T) {
		home := newHome(t, stsfake.New(), "")
		d, pid := startIn(t, static, home, nil, "--listen", "127.0.0.1:0", "--set", "credentials.mock=true")
		wantLine(t, d, "WARN", staysRoot, map[string]string{
			"hint": "set server.user to the user to become after binding the ports, or to root if that is meant",
		})
		wantUser(t, pid, 0)
	})
	t.Run("root", func(t *testing.T) {
		home := newHome(t, stsfake.New(), "")
		give(t, home, stranger)
		d, pid := startIn(t, static, home, nil, "--listen", "127.0.0.1:0", "--set", "credentials.mock=true", "--user", "root")
		wantUser(t, pid, 0)
		for _, line := range d.logged() {
			if strings.Contains(line, staysRoot) || strings.Contains(line, "no longer root") {
				t.Errorf("it logs %s", line)
			}
		}
	})
	t.Run("not started as root", func(t *testing.T) {
		home := newHome(t, stsfake.New(), "")
		give(t, home, stranger)
		cmd := inHome(static, home, nil, "--listen", "127.0.0.1:0", "--set", "credentials.mock=true", "--user", "nobody")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
		d := follow(t, cmd)
		wantLine(t, d, "WARN", "server.user has no effect without root", map[string]string{"user": "nobody"})
		wantUser(t, cmd.Process.Pid, stranger)
	})
}

// wantWritten checks all that a daemon has written: only its user can read it.
func wantWritten(t *testing.T, dir string, uid uint32) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if info.IsDir() {
			want = fs.ModeDir | 0o700
		} else {
			files++
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != want || owner != uid {
			t.Errorf("%s: %v of %d, want %v of %d", path, info.Mode(), owner, want, uid)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files below %s: %v", files, dir, err)
	}
}

// TestPrivileges_RefusalComesBeforeServing checks that the daemon ends with an error when it cannot become the user.
func TestPrivileges_RefusalComesBeforeServing(t *testing.T) {
	findTool(t, "setpriv", "util-linux")
	static, cgo := buildStatic(t), buildDaemon(t)
	home := newHome(t, stsfake.New(), "")
	foreign := newHome(t, stsfake.New(), "")
	give(t, foreign, stranger)
	const cannot, wayOut = "cannot become the user 64321 (server.user): ",
		"; start the daemon as that user, or with the capabilities CAP_SETUID and CAP_SETGID, or set server.user to root"
	unreadable := "the user 64321 (server.user) cannot read " + filepath.Join(home, ".aws/credentials") + ", " + filepath.Join(home, "conf/config.yaml") +
		"; let that user read it, or set server.user to another user, or to root"
	for _, tt := range []struct {
		name, bin, home, without string
		args                     []string
		want                     string
	}{
		{
			name: "unknown user", args: []string{"--user", "no.such-user"},
			want: `--user server.user: there is no user "no.such-user" here; name another, or give the number (id -u no.such-user)`,
		},
		{
			name: "a number that no user can have", args: []string{"--set", "server.user=4294967295"},
			want: "--set server.user: 4294967295 is not a uid; the largest is 4294967294",
		},
		{name: "unreadable files", want: unreadable},
		{name: "unreadable files, cgo", bin: cgo, want: unreadable},
		{name: "no right to change the groups", without: "setgid", want: cannot + "setgroups: operation not permitted" + wayOut},
		{name: "no right to change the user", without: "setuid", want: cannot + "setuid: operation not permitted" + wayOut},
		{
			name: "no right to become the owner", without: "setuid", home: foreign, args: []string{},
			want: "cannot become the user 64321 (owner of " + filepath.Join(foreign, ".aws/credentials") + "): setuid: operation not permitted" + wayOut,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.bin == "" {
				tt.bin = static
			}
			if tt.home == "" {
				tt.home = home
			}
			if tt.args == nil {
				tt.args = []string{"--user", strconv.Itoa(stranger)}
			}
			cmd := inHome(tt.bin, tt.home, nil, append([]string{"--listen", "127.0.0.1:0"}, tt.args...)...)
			if tt.without != "" {
				without := []string{"setpriv", "--bounding-set", "-" + tt.without, tt.bin}
				cmd.Path, cmd.Args = findTool(t, "setpriv", "util-linux"), append(without, cmd.Args[1:]...)
			}
			r := finish(t, cmd)
			if want := "mock-ec2-metadata: " + tt.want + "\n"; r.code != 1 || r.stderr != want {
				t.Errorf("exit %d, want 1\n got %s\nwant %s", r.code, r.stderr, want)
			}
			if r.stdout != "" {
				t.Errorf("it logs %s", r.stdout)
			}
		})
	}
}
