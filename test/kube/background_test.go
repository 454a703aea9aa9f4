//go:build kube && linux

package kube

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// A background is a command that outlives the test that has started it.
type background struct {
	cmd   *exec.Cmd
	out   testutil.Buffer // standard output and standard error
	ended chan struct{}   // closed when it has ended
}

// startBackground starts a prepared command.
func startBackground(t *testing.T, cmd *exec.Cmd) *background {
	t.Helper()
	b := &background{ended: make(chan struct{})}
	b.cmd = exec.Command(cmd.Path, cmd.Args[1:]...) // without the context of the test
	b.cmd.Env, b.cmd.Stdout, b.cmd.Stderr = cmd.Env, &b.out, &b.out
	b.cmd.WaitDelay = time.Second
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = b.cmd.Wait()
		close(b.ended)
	}()
	return b
}

// hasEnded reports whether the command has ended.
func (b *background) hasEnded() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// wantSoon waits until the output has a text. The command must not end before.
func (b *background) wantSoon(t *testing.T, text string) {
	t.Helper()
	testutil.EventuallyWithin(t, 90*time.Second, text, func() bool {
		if !b.out.Contains(text) && b.hasEnded() {
			t.Fatalf("%v ended before it printed %q: %v\n%s", b.cmd.Args, text, b.cmd.ProcessState, b.out.String())
		}
		return b.out.Contains(text)
	})
}

// wantFed waits until an up has proved the way, and gives the node's daemon credentials.
func (b *background) wantFed(t *testing.T) {
	t.Helper()
	b.wantSoon(t, "credentials go to node1 until")
	b.wantSoon(t, `node "node1": connected`)
}

// interrupt ends the command as Ctrl-C does.
func (b *background) interrupt(t *testing.T) {
	t.Helper()
	_ = b.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-b.ended:
	case <-time.After(20 * time.Second):
		b.kill()
		t.Errorf("%v does not end by SIGINT:\n%s", b.cmd.Args, b.out.String())
	}
}

// kill ends the command without telling it.
func (b *background) kill() {
	_ = b.cmd.Process.Kill()
	<-b.ended
}
