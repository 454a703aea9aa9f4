package main

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestProcessorTime_IsThatOfTheProcess compares a stopped process with what the kernel says of it in the end.
func TestProcessorTime_IsThatOfTheProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "status=none") // mostly system time
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	const used = 100 * time.Millisecond
	var before, after time.Duration
	var err error
	for after < used {
		before = after
		if after, err = processorTime(cmd.Process.Pid); err != nil || after < before {
			t.Fatalf("%v after %v, %v", after, before, err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Wait4(cmd.Process.Pid, nil, syscall.WUNTRACED, nil); err != nil {
		t.Fatal(err)
	}
	stopped, err := processorTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if total := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); stopped < after || (total-stopped).Abs() > 10*time.Millisecond {
		t.Errorf("%v, then %v, and %v in all", after, stopped, total)
	}
}

func TestProcessorTime_NamesTheProcessThatIsGone(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	_, err := processorTime(cmd.Process.Pid)
	if want := fmt.Sprintf("processor time of process %d: invalid argument", cmd.Process.Pid); text(err) != want {
		t.Errorf("%q, want %q", text(err), want)
	}
}
