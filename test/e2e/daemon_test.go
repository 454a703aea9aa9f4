//go:build e2e && linux

// Package e2e runs the built daemon with real clients: the AWS CLI, boto3, the AWS SDKs, Docker, systemd, and iptables in network
// namespaces. A missing tool is a failure that says what to install.
package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	roleARN    = "arn:aws:iam::123456789012:role/myrole"
	sessionARN = "arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0"
	region     = "ap-southeast-2"
)

// binaries is the directory of the built binaries. Every user can enter it.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mock-ec2-metadata-e2e-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
})

// buildOnce builds the daemon with the race detector, for all tests.
var buildOnce = sync.OnceValues(func() (string, error) { return goBuild("mock-ec2-metadata", "CGO_ENABLED=1", "-race") })

func goBuild(name, env string, flags ...string) (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, name)
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", bin, "../../cmd/mock-ec2-metadata")...)
	build.Env = append(os.Environ(), env)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func buildDaemon(t *testing.T) string {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// untilTime is the end of a sentence about credentials.
var untilTime = regexp.MustCompile(`until 2\S+Z`)

// local is a daemon on this machine that logs JSON.
type local struct {
	url string // with a slash at the end
	cmd *exec.Cmd

	end   sync.Once     // for who ends it
	ended chan struct{} // closed when it has ended
	err   error         // how it ended; read it after ended

	mu    sync.Mutex // guards the fields below
	lines []string
	more  chan struct{} // closed and replaced at each line
}

// startLocal runs the daemon in dir, its home, with the fake STS as its STS.
func startLocal(t *testing.T, dir, stsURL string, args ...string) *local {
	t.Helper()
	cmd := exec.Command(buildDaemon(t), append([]string{"--listen", "127.0.0.1:0", "--log-format", "json"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + systemPath, "HOME=" + dir, "XDG_RUNTIME_DIR=" + runtimeDir(t), "AWS_ENDPOINT_URL_STS=" + stsURL}
	return follow(t, cmd)
}

// runtimeDir makes a directory for the control socket of one daemon: those of two on the same port, in namespaces of their
// own, would have the same path. Its name is short, since the path of a socket must be (unix(7)).
func runtimeDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// follow starts a daemon that logs JSON, waits until it serves, and stops it when the test ends.
func follow(t *testing.T, cmd *exec.Cmd) *local {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &local{cmd: cmd, ended: make(chan struct{}), more: make(chan struct{})}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.mu.Lock()
			d.lines = append(d.lines, lines.Text())
			close(d.more)
			d.more = make(chan struct{})
			d.mu.Unlock()
		}
		d.err = cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.stop(t)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", strings.Join(d.logged(), "\n"))
		}
	})
	var serving struct{ URL string }
	if err := json.Unmarshal([]byte(d.waitFor(t, `"msg":"serving"`)), &serving); err != nil {
		t.Fatal(err)
	}
	d.url = serving.URL
	return d
}

// address is host and port of the daemon.
func (d *local) address() string { return strings.Trim(strings.TrimPrefix(d.url, "http://"), "/") }

// stop ends the daemon by SIGTERM and waits for its end, which must be a success.
func (d *local) stop(t *testing.T) {
	t.Helper()
	d.end.Do(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(15*time.Second, func() { _ = d.cmd.Process.Kill() })
		defer kill.Stop()
		<-d.ended
		if d.err != nil {
			t.Errorf("the daemon ended with %v", d.err)
		}
	})
}

// kill ends the daemon by SIGKILL.
func (d *local) kill(t *testing.T) {
	t.Helper()
	d.end.Do(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
		if d.err == nil {
			t.Error("the killed daemon ended with success")
		}
	})
}

// logged returns the lines so far.
func (d *local) logged() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lines
}

// waitFor returns the first line of the log that contains text.
func (d *local) waitFor(t *testing.T, text string) string {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for seen := 0; ; {
		d.mu.Lock()
		lines, more := d.lines, d.more
		d.mu.Unlock()
		for ; seen < len(lines); seen++ {
			if strings.Contains(lines[seen], text) {
				return lines[seen]
			}
		}
		why := "within 30 s"
		select {
		case <-more:
			continue
		case <-d.ended:
			why = "before the daemon ended"
		case <-timeout:
		}
		t.Errorf("no %s in the log %s:\n%s", text, why, strings.Join(lines, "\n"))
		return ""
	}
}

// newHome makes a home with an ~/.aws of a user of the fake STS, and a configuration that assumes its role.
func newHome(t *testing.T, sts *stsfake.Server, more string) string {
	t.Helper()
	dir := t.TempDir()
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	for name, content := range map[string]string{
		".aws/credentials": fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey),
		"conf/config.yaml": "credentials:\n  source_profile: default\n  iam_role: " + roleARN + "\naws:\n  region: " + region + "\n" + more,
	} {
		testutil.Write(t, filepath.Join(dir, name), content)
	}
	return dir
}

// portOf is the port of an address.
func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// clean is an environment without credentials, and without AWS variables but the endpoint of the metadata service.
func clean(t *testing.T, metadata string) []string {
	t.Helper()
	return []string{
		"PATH=" + systemPath, "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + metadata,
	}
}

// client runs a program with this environment alone and returns what it printed.
func client(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", name, err, &stderr)
	}
	return string(out), nil
}

func fetch(t *testing.T, url string) (http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header, string(body)
}
