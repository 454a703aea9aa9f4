//go:build e2e && linux

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	exitNoDaemon = 3
	controlDir   = "/run/mock-ec2-metadata"
)

// TestControl_RootsDaemonGivesTheSocketToItsUser starts a daemon as sudo does. The user that it becomes and root can use its
// socket, and no other user.
func TestControl_RootsDaemonGivesTheSocketToItsUser(t *testing.T) {
	bin := buildStatic(t)
	sts := stsfake.Start(t)
	home, serial := mfaHome(t, sts)
	give(t, home, stranger)
	run := newRun(t)
	d := run.serve(t, home, stranger, "AWS_ENDPOINT_URL_STS="+sts.URL())
	d.waitFor(t, `"msg":"waiting for MFA"`)
	socket := d.rootsSocket()
	wantMode(t, run.path(controlDir), os.ModeDir|0o700, stranger)
	wantMode(t, run.path(socket), os.ModeSocket|0o600, stranger)

	as := func(t *testing.T, uid int) controlled {
		id := strconv.Itoa(uid)
		become := []string{findTool(t, "setpriv", "util-linux"), "--reuid=" + id, "--regid=" + id, "--clear-groups", "--", bin}
		return controlled{t, func(args ...string) result { return finish(t, run.command(t, nil, append(become, args...)...)) }}
	}
	const other = 65534
	for name, uid := range map[string]int{"root": 0, "the daemon's user": stranger} {
		t.Run(name, func(t *testing.T) {
			if got := socketOf(t, as(t, uid).status()); got != socket {
				t.Errorf("status names the socket %s, want %s", got, socket)
			}
		})
	}
	t.Run("another user", func(t *testing.T) {
		c := as(t, other)
		c.want(exitNoDaemon, "", "mock-ec2-metadata: no running daemon was found in /tmp/mock-ec2-metadata-65534 or /run/user/65534/mock-ec2-metadata or /run/mock-ec2-metadata; "+
			"start it (mock-ec2-metadata serve), or name its socket with --control or its address with --listen\n", "status")
		c.want(exitNoDaemon, "", "mock-ec2-metadata: "+socket+" is only for the daemon's user; run this as that user, or as root\n",
			"status", "--control", socket)
	})
	t.Run("another user with open modes", func(t *testing.T) {
		for path, mode := range map[string]os.FileMode{controlDir: 0o755, socket: 0o666} {
			if err := os.Chmod(run.path(path), mode); err != nil {
				t.Fatal(err)
			}
		}
		if r := as(t, other).run("status", "--control", socket); r.code != exitNoDaemon || r.stdout != "" {
			t.Errorf("exit %d, %s%s", r.code, r.stdout, r.stderr)
		}
		wantLine(t, d, "WARN", "refused at the control socket", nil)
	})
	t.Run("mfa", func(t *testing.T) {
		c := as(t, 0)
		c.want(1, "", "mock-ec2-metadata: STS refuses the code of the MFA device "+serial+
			" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: "+
			"mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)\n", "mfa", "000000")
		c.want(0, "credentials of "+sessionARN+" until TIME\n", "", "mfa", "123456")
		c.want(1, "", "mock-ec2-metadata: no MFA code is wanted now\n", "mfa", "123456")
	})
	t.Run("reload", func(t *testing.T) {
		c, file := as(t, stranger), filepath.Join(home, "conf/config.yaml")
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		testutil.Write(t, file, string(good)+"log: {level: loud}\n")
		c.want(1, "", "mock-ec2-metadata: "+file+`:2: log.level: "loud" is not one of debug, info, warn, error`+"\n", "reload")
		testutil.Write(t, file, string(good)+"ec2: {hostname: changed}\n")
		c.want(0, "reloaded "+file+"\n", "", "reload")
		if _, body := fetch(t, d.url+"latest/meta-data/hostname"); body != "changed" {
			t.Errorf("hostname is %q after a reload", body)
		}
	})
	d.stop(t)
	if left, err := os.ReadDir(run.path(controlDir)); err != nil || len(left) > 0 {
		t.Errorf("after the end there is %v, %v", left, err)
	}
}

// TestControl_DirectoryStaysWithARunningDaemon starts a daemon as root while that of another user runs, and again after it.
func TestControl_DirectoryStaysWithARunningDaemon(t *testing.T) {
	const other = 65534
	bin, run := buildStatic(t), newRun(t)
	home := mockHome(t, "")
	open(t, filepath.Join(home, "conf"))
	if err := os.Chmod(filepath.Join(home, "conf/config.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	root := controlled{t, func(args ...string) result { return finish(t, run.command(t, nil, append([]string{bin}, args...)...)) }}

	first := run.serve(t, home, stranger)
	second := run.serve(t, home, other)
	wantLine(t, second, "INFO", "running without a control socket", map[string]string{
		"error": "no control socket: /run/mock-ec2-metadata belongs to another user; set server.control to a path of your own",
	})
	second.stop(t)
	wantMode(t, run.path(controlDir), os.ModeDir|0o700, stranger)
	if got, want := socketOf(t, root.status()), first.rootsSocket(); got != want {
		t.Errorf("status names the socket %s, want %s", got, want)
	}

	first.kill(t)
	third := run.serve(t, home, other)
	wantMode(t, run.path(controlDir), os.ModeDir|0o700, other)
	if got, want := socketOf(t, root.status()), third.rootsSocket(); got != want {
		t.Errorf("status names the socket %s, want %s", got, want)
	}
}

// TestControl_SocketOfAKilledDaemonIsReplaced kills a daemon, whose socket stays, and starts the next on the same port. Another
// one with the same socket does not start.
func TestControl_SocketOfAKilledDaemonIsReplaced(t *testing.T) {
	bin, home, dir := buildDaemon(t), mockHome(t, ""), runtimeDir(t)
	address := testutil.FreeAddr(t)
	socket := filepath.Join(dir, "mock-ec2-metadata", portOf(address)+".sock")
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(bin, args...)
		cmd.Dir = home
		cmd.Env = []string{"PATH=" + systemPath, "HOME=" + home, "XDG_RUNTIME_DIR=" + dir}
		return cmd
	}
	c := controlled{t, func(args ...string) result { return finish(t, command(args...)) }}
	start := func() *local {
		return follow(t, command("--listen", address, "--user", "root", "--log-format", "json"))
	}

	killed := start()
	if got := socketOf(t, c.status()); got != socket {
		t.Errorf("status names the socket %s, want %s", got, socket)
	}
	killed.kill(t)
	wantMode(t, socket, os.ModeSocket|0o600, os.Geteuid())
	c.want(exitNoDaemon, "", "mock-ec2-metadata: nothing answers at "+socket+": dial unix "+socket+": connect: connection refused\n",
		"status", "--control", socket)

	next := start()
	if got := socketOf(t, c.status()); got != socket {
		t.Errorf("status names the socket %s, want %s", got, socket)
	}
	c.want(1, "", "mock-ec2-metadata: the control socket "+socket+" is in use by another mock-ec2-metadata; "+
		"stop that, or set server.control to another path or off\n",
		"serve", "--listen", "127.0.0.1:0", "--user", "root", "--set", "server.control="+socket)
	next.stop(t)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("after the end there is %v, %v", left, err)
	}
}

// runHolder is the process that holds a mount namespace with a /run of its own, empty at first.
type runHolder int

func newRun(t *testing.T) runHolder {
	t.Helper()
	cmd := exec.Command(findTool(t, "unshare", "util-linux"), "--mount", "--", "sh", "-c", "mount -t tmpfs -o mode=755 none /run && echo ready && exec cat")
	cmd.Env = []string{"PATH=" + systemPath}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("no /run of its own: %q, %v", line, err)
	}
	return runHolder(cmd.Process.Pid)
}

// command prepares a command of root's that has this /run.
func (r runHolder) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	enter := []string{"--target", strconv.Itoa(int(r)), "--mount", "--"}
	cmd := exec.Command(findTool(t, "nsenter", "util-linux"), append(enter, args...)...)
	cmd.Env = append([]string{"PATH=" + systemPath, "HOME=/"}, env...)
	return cmd
}

// serve starts a daemon as root, which becomes a user, in its home.
func (r runHolder) serve(t *testing.T, home string, uid int, env ...string) *local {
	t.Helper()
	cmd := r.command(t, append(env, "HOME="+home), buildStatic(t), "--listen", "127.0.0.1:0", "--user", strconv.Itoa(uid),
		"--config", filepath.Join(home, "conf/config.yaml"), "--log-format", "json")
	return follow(t, cmd)
}

// path is where this process finds a file of that namespace.
func (r runHolder) path(file string) string { return fmt.Sprintf("/proc/%d/root%s", int(r), file) }

// rootsSocket is the control socket of a daemon that was started as root.
func (d *local) rootsSocket() string {
	return filepath.Join(controlDir, portOf(d.address())+".sock")
}

// socketOf is the control socket that a status document names.
func socketOf(t *testing.T, status string) string {
	t.Helper()
	var s struct {
		Control struct{ Socket, Error string }
	}
	if err := json.Unmarshal([]byte(status), &s); err != nil {
		t.Fatalf("%v: %s", err, status)
	}
	if s.Control.Error != "" {
		t.Errorf("no control socket: %s", s.Control.Error)
	}
	return s.Control.Socket
}

// wantMode checks the mode and the owner of a file.
func wantMode(t *testing.T, path string, mode os.FileMode, uid int) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
		return
	}
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); info.Mode() != mode || owner != uid {
		t.Errorf("%s: %v of %d, want %v of %d", path, info.Mode(), owner, mode, uid)
	}
}

// mfaHome makes a home whose role needs an MFA code, 123456.
func mfaHome(t *testing.T, sts *stsfake.Server) (home, serial string) {
	t.Helper()
	home = t.TempDir()
	key := sts.AddUser("developer")
	serial = sts.SetMFA("developer", "123456")
	sts.AddRole(roleARN, stsfake.MFA())
	testutil.Write(t, filepath.Join(home, ".aws/credentials"),
		"[default]\naws_access_key_id = "+key.AccessKeyID+"\naws_secret_access_key = "+key.SecretAccessKey+"\n")
	testutil.Write(t, filepath.Join(home, "conf/config.yaml"),
		"credentials: {source_profile: default, iam_role: '"+roleARN+"', mfa_serial: '"+serial+"'}\n")
	return home, serial
}

// controlled runs the commands that use a daemon's control socket.
type controlled struct {
	t   *testing.T
	run func(args ...string) result
}

// inContainer runs the commands in a container.
func inContainer(t *testing.T, docker dockerCLI, name string) controlled {
	return controlled{t, func(args ...string) result {
		out, err := docker(append([]string{"exec", name, "/mock-ec2-metadata"}, args...)...)
		exit, ended := errors.AsType[*exec.ExitError](err)
		switch {
		case err == nil:
			return result{stdout: out + "\n"}
		case ended:
			return result{stderr: out + "\n", code: exit.ExitCode()}
		}
		t.Fatal(err)
		return result{}
	}}
}

// want compares the exit code and all that a command prints, with "until TIME" for the time of an expiry.
func (c controlled) want(code int, stdout, stderr string, args ...string) {
	c.t.Helper()
	got := c.run(args...)
	got.stdout = untilTime.ReplaceAllString(got.stdout, "until TIME")
	wantRun(c.t, got, code, stdout, stderr)
}

// status returns the status document.
func (c controlled) status() string {
	c.t.Helper()
	r := c.run("status")
	if r.code != 0 || r.stderr != "" {
		c.t.Fatalf("status: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return r.stdout
}
