package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

const roleARN = "arn:aws:iam::123456789012:role/myrole"

// running is a daemon that serves within this process.
type running struct {
	url  string // with a slash at the end
	stop func() error

	mu  sync.Mutex
	log strings.Builder
}

// start runs the command line on a free port until the test ends.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	return startWith(t, append([]string{"--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug"}, args...))
}

// servingLine tells where the daemon serves, in either format of the log.
var servingLine = regexp.MustCompile(`msg"?[=:]"?serving"? ?,?"?url"?[=:]"?([^" ]+)`)

func startWith(t *testing.T, args []string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, os.Environ(), in, io.Discard)
		_ = in.Close()
		ended <- err
	}()
	d := &running{stop: sync.OnceValue(func() error { cancel(); return <-ended })}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	serving := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			d.mu.Lock()
			d.log.WriteString(lines.Text() + "\n")
			d.mu.Unlock()
			if line := servingLine.FindStringSubmatch(lines.Text()); line != nil {
				serving <- line[1]
			}
		}
		_, _ = io.Copy(io.Discard, out)
		close(serving)
	}()
	select {
	case d.url = <-serving:
	case <-time.After(20 * time.Second):
	}
	if d.url == "" {
		t.Fatalf("the daemon does not serve: %v\n%s", d.stop(), d.logged())
	}
	return d
}

// logged is what the daemon has logged, after the moment that lines may wait to be written together.
func (d *running) logged() string {
	time.Sleep(100 * time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// get asks the daemon; path has no slash at the start.
func (d *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(d.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (d *running) status(t *testing.T) status {
	t.Helper()
	code, body := d.get(t, "status")
	var s status
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("/status: %d %s: %v", code, body, err)
	}
	return s
}

// eventually waits until ok, for at most 20 seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// isolate gives the test an empty working directory and home, and no AWS_* variables; it returns the directory.
func isolate(t testing.TB) string {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "MOCK_EC2_METADATA_") {
			t.Setenv(name, "") // restored after the test
			_ = os.Unsetenv(name)
		}
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	// The SDK looks for the home directory only once a process.
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, ".aws/config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, ".aws/credentials"))
	return dir
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func profile(key stsfake.Key) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey)
}

const realConfig = `credentials:
  source_profile: default
  iam_role: ` + roleARN + `
`

func TestEmbeddedDefault(t *testing.T) {
	isolate(t)
	d := start(t)
	s := d.status(t)
	if s.Status != "ok" || s.Config.File != "embedded default" || s.InstanceID != "i-0123456789abcdef0" || s.Role != "mock-role" ||
		s.Credentials.Source != "mock" || s.Credentials.Note != "made-up credentials: no AWS service accepts them" {
		t.Errorf("status %+v", s)
	}
	code, body := d.get(t, "latest/meta-data/iam/security-credentials/mock-role")
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "Success"`) || !strings.Contains(body, "MOCK") {
		t.Errorf("credentials: %d %s", code, body)
	}
	if !strings.Contains(d.logged(), "credentials are made up (credentials.mock)") {
		t.Errorf("the log does not say that the credentials are made up:\n%s", d.logged())
	}
}

// TestRecovery starts without ~/.aws, without permission and so on, and mends one thing after the other.
func TestRecovery(t *testing.T) {
	home := isolate(t)
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, "conf/config.yaml", realConfig)
	d := start(t)

	if code, body := d.get(t, "latest/meta-data/instance-id"); code != http.StatusOK || body != "i-0123456789abcdef0" {
		t.Errorf("instance-id: %d %q", code, body)
	}
	code, body := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "InvalidProfile"`) || !strings.Contains(body, "create it (aws configure --profile default)") {
		t.Errorf("credentials without ~/.aws: %d %s", code, body)
	}
	s := d.status(t)
	if s.Status != "degraded" || s.Credentials.State != "failed" || !strings.Contains(s.Credentials.LastError, "create it") {
		t.Errorf("status without ~/.aws: %+v", s)
	}
	eventually(t, "the log says what to do", func() bool { return strings.Contains(d.logged(), "create it (aws configure --profile default)") })

	write(t, filepath.Join(home, ".aws/credentials"), profile(key))
	eventually(t, "the profile is read, the role denied", func() bool {
		return strings.Contains(d.status(t).Credentials.LastError, "may not assume")
	})
	code, body = d.get(t, "latest/meta-data/iam/security-credentials/myrole")
	if code != http.StatusOK || !strings.Contains(body, `"Code" : "AssumeRoleUnauthorizedAccess"`) {
		t.Errorf("credentials of a denied role: %d %s", code, body)
	}

	sts.AddRole(roleARN)
	write(t, "conf/config.yaml", realConfig+"# a change\n")
	eventually(t, "credentials are valid", func() bool { return d.status(t).Credentials.State == "valid" })
	s = d.status(t)
	if s.Status != "ok" || s.Credentials.LastError != "" || s.Credentials.ARN != "arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0" ||
		s.Credentials.Expiration == nil || s.Credentials.LastRenewal == nil {
		t.Errorf("status when mended: %+v", s)
	}

	// STS is gone: what is valid is served, byte for byte.
	_, first := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
	_ = sts.Close()
	if _, second := d.get(t, "latest/meta-data/iam/security-credentials/myrole/"); second != first || !strings.Contains(first, `"Success"`) {
		t.Errorf("without STS the document changed to\n%s", second)
	}
}

// TestOwnCredentials hands out the profile's own, under its name.
func TestOwnCredentials(t *testing.T) {
	home := isolate(t)
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, filepath.Join(home, ".aws/credentials"), profile(key))
	d := start(t, "--set", "credentials.source_profile=default", "--set", "aws.account_id=210987654321")
	eventually(t, "credentials are valid", func() bool { return d.status(t).Credentials.State == "valid" })
	if _, roles := d.get(t, "latest/meta-data/iam/security-credentials/"); roles != "default" {
		t.Errorf("they go by %q, want the profile's name", roles)
	}
	code, body := d.get(t, "latest/meta-data/iam/security-credentials-extended/default")
	if code != http.StatusOK || !strings.Contains(body, `"AccountId" : "210987654321"`) || strings.Contains(body, key.AccessKeyID) || strings.Contains(body, key.SecretAccessKey) {
		t.Errorf("credentials: %d %s", code, body)
	}
	if _, info := d.get(t, "latest/meta-data/iam/info"); !strings.Contains(info, `"arn:aws:iam::210987654321:instance-profile/default"`) {
		t.Errorf("iam/info: %s", info)
	}
	var check strings.Builder
	err := run(t.Context(), []string{"check", "--credentials", "--set", "credentials.source_profile=default"}, os.Environ(), &check, &check)
	if err != nil || !strings.Contains(check.String(), "you would be "+key.UserARN+" until ") {
		t.Errorf("check --credentials: %v\n%s", err, check.String())
	}
}

// TestLoop has a profile that takes its credentials from the daemon.
func TestLoop(t *testing.T) {
	isolate(t)
	write(t, ".aws/config", "[default]\nrole_arn = "+roleARN+"\ncredential_source = Ec2InstanceMetadata\n")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://"+addr)
	d := startWith(t, []string{"--listen", addr, "--log-format", "json", "--set", "credentials.source_profile=default", "--set", "credentials.iam_role=" + roleARN})
	eventually(t, "the loop is named", func() bool {
		return strings.HasPrefix(d.status(t).Credentials.LastError, `profile "default" takes its credentials from EC2's metadata service, which here is this daemon itself; `)
	})
}

func TestUnreachableSTS(t *testing.T) {
	home := isolate(t)
	sts := stsfake.New()
	write(t, filepath.Join(home, ".aws/credentials"), profile(sts.AddUser("developer")))
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9") // discard: nobody listens
	d := start(t, "--set", "credentials.source_profile=default", "--set", "credentials.iam_role="+roleARN)
	eventually(t, "503 with a reason", func() bool {
		code, body := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "STS cannot be reached: dial tcp 127.0.0.1:9")
	})
}

// TestLateCredentials has an STS that hangs: the daemon is not well, even before the call has failed.
func TestLateCredentials(t *testing.T) {
	home := isolate(t)
	sts := stsfake.Start(t)
	sts.Hang()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	write(t, filepath.Join(home, ".aws/credentials"), profile(sts.AddUser("developer")))
	write(t, "conf/config.yaml", realConfig)
	d := start(t)
	eventually(t, "degraded", func() bool {
		s := d.status(t)
		return s.Status == "degraded" && s.Credentials.State == "pending"
	})
}
