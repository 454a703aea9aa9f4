//go:build e2e && linux

package e2e

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

// screen is what a terminal has shown.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) shows(text string, times int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), text) >= times
}

// await waits until a text has been shown so many times.
func (s *screen) await(t *testing.T, text string, times int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !s.shows(text, times); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the terminal does not show %q %d times, but\n%s", text, times, s.text.String())
		}
	}
}

// startTerminal runs a command at a terminal of its own.
func startTerminal(t *testing.T, dir string, env []string, command string) (*screen, io.Writer, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command("script", "--quiet", "--return", "--flush", "--command", "exec "+command, "/dev/null")
	cmd.Dir, cmd.Env = dir, env
	s := &screen{}
	cmd.Stdout, cmd.Stderr = s, s
	cmd.WaitDelay = 10 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return s, in, cmd
}

func typeIn(t *testing.T, to io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

// TestMFAPrompt types codes at a real terminal, that of script(1), to serve and to check.
func TestMFAPrompt(t *testing.T) {
	dir := t.TempDir()
	sts := stsfake.Start(t)
	key := sts.AddUser("developer")
	serial := sts.SetMFA("developer", "123456")
	sts.AddRole(roleARN, stsfake.MFA())
	for name, text := range map[string]string{
		".aws/credentials": "[default]\naws_access_key_id = " + key.AccessKeyID + "\naws_secret_access_key = " + key.SecretAccessKey + "\n",
		"conf/config.yaml": "credentials: {source_profile: default, iam_role: '" + roleARN + "', mfa_serial: '" + serial + "'}\n",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=" + systemPath, "HOME=" + dir, "AWS_ENDPOINT_URL_STS=" + sts.URL()}
	terminal := func(command string) (*screen, io.Writer, *exec.Cmd) { return startTerminal(t, dir, env, command) }
	say := func(to io.Writer, text string) { t.Helper(); typeIn(t, to, text) }
	prompt := "MFA code of " + serial + ": "

	check, in, cmd := terminal(buildDaemon(t) + " check --credentials")
	check.await(t, prompt, 1)
	say(in, "000000\n")
	check.await(t, "STS refuses the code", 1)
	check.await(t, prompt, 2)
	say(in, "123456\n")
	check.await(t, "you would be "+sessionARN, 1)
	if err := cmd.Wait(); err != nil {
		t.Errorf("check: %v", err)
	}

	serve, in, cmd := terminal(buildDaemon(t) + " serve --listen 127.0.0.1:0")
	serve.await(t, prompt, 1)
	say(in, "12\n")
	serve.await(t, "an MFA code has 6 digits", 1)
	serve.await(t, prompt, 2)
	say(in, "000000\n")
	serve.await(t, "\nSTS refuses the code", 1)
	serve.await(t, prompt, 3)
	say(in, "123456\n")
	serve.await(t, "credentials of "+sessionARN+" until ", 1)
	say(in, "\x03") // Ctrl-C
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve: %v", err)
	}
	serve.await(t, "msg=stopped", 1)

	// In the background of a terminal it must not be stopped for reading.
	jobs, _, cmd := terminal("sh -ic '" + buildDaemon(t) + " serve --listen 127.0.0.1:0 & sleep 3; kill $!; wait'")
	jobs.await(t, "msg=\"waiting for MFA\"", 1)
	jobs.await(t, "msg=stopped", 1)
	_ = cmd.Wait() // the shell's own word
	if jobs.shows(prompt, 1) || jobs.shows("Stopped", 1) {
		t.Errorf("in the background: %s", jobs.text.String())
	}
}
