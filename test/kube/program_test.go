//go:build kube && linux

package kube

import (
	"os"
	"os/exec"
	"testing"
)

// A program is a process of a test.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
}

// start runs a program until the test ends. Its output goes to the end of a file; a failed test shows the last of it.
func start(t *testing.T, log, path string, args ...string) *program {
	t.Helper()
	return startCommand(t, log, exec.Command(path, args...))
}

// startCommand is start for a prepared command.
func startCommand(t *testing.T, log string, cmd *exec.Cmd) *program {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("%s:\n%s", log, text[max(0, len(text)-4000):])
		}
	})
	return p
}

// kill ends the program, if it has not ended, and waits for its end.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// wantRunning fails the test if the program has ended.
func (p *program) wantRunning(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("%s has ended: %v", p.cmd.Path, p.cmd.ProcessState)
	default:
	}
}
