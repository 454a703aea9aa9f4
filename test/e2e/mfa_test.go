//go:build e2e && linux

package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// screen is all that a terminal has shown.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) shows(text string, times int) bool {
	return strings.Count(s.all(), text) >= times
}

// await waits until a text has been shown so many times.
func (s *screen) await(t *testing.T, text string, times int) {
	t.Helper()
	shown := false
	defer func() {
		if !shown {
			t.Logf("the terminal shows\n%s", s.all())
		}
	}()
	testutil.Eventually(t, fmt.Sprintf("%d times %q on the terminal", times, text), func() bool { shown = s.shows(text, times); return shown })
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

// TestMFA_PromptsAtTheTerminal types codes at a terminal of script(1): for serve, for check, and for serve in the background.
func TestMFA_PromptsAtTheTerminal(t *testing.T) {
	sts := stsfake.Start(t)
	dir, serial := mfaHome(t, sts)
	env := []string{"PATH=" + systemPath, "HOME=" + dir, "XDG_RUNTIME_DIR=" + runtimeDir(t), "AWS_ENDPOINT_URL_STS=" + sts.URL()}
	terminal := func(command string) (*screen, io.Writer, *exec.Cmd) {
		return startTerminal(t, dir, env, command)
	}
	prompt := "MFA code of " + serial + ": "

	t.Run("check", func(t *testing.T) {
		check, in, cmd := terminal(buildDaemon(t) + " check --credentials")
		check.await(t, prompt, 1)
		typeIn(t, in, "000000\n")
		check.await(t, "STS refuses the code", 1)
		check.await(t, prompt, 2)
		typeIn(t, in, "123456\n")
		check.await(t, "you would be "+sessionARN, 1)
		if err := cmd.Wait(); err != nil {
			t.Errorf("check: %v", err)
		}
	})
	t.Run("serve", func(t *testing.T) {
		serve, in, cmd := terminal(buildDaemon(t) + " serve --listen 127.0.0.1:0")
		serve.await(t, prompt, 1)
		typeIn(t, in, "12\n")
		serve.await(t, "an MFA code has 6 digits", 1)
		serve.await(t, prompt, 2)
		typeIn(t, in, "000000\n")
		serve.await(t, "\nSTS refuses the code", 1)
		serve.await(t, prompt, 3)
		typeIn(t, in, "123456\n")
		serve.await(t, "credentials of "+sessionARN+" until ", 1)
		typeIn(t, in, "\x03") // Ctrl-C
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
		serve.await(t, "msg=stopped", 1)
	})
	t.Run("serve in the background", func(t *testing.T) {
		// The kernel stops a background process that reads from its terminal. It has 3 seconds to do so wrongly.
		jobs, _, cmd := terminal("sh -ic '" + buildDaemon(t) + " serve --listen 127.0.0.1:0 & sleep 3; kill $!; wait'")
		jobs.await(t, "msg=\"waiting for MFA\"", 1)
		jobs.await(t, "msg=stopped", 1)
		_ = cmd.Wait() // the exit code is the shell's
		if jobs.shows(prompt, 1) || jobs.shows("Stopped", 1) {
			t.Errorf("in the background: %s", jobs.all())
		}
	})
}
