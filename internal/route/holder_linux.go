package route

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// releaseTimeout is how long stop waits until the addresses are removed.
	releaseTimeout = 3 * time.Second
	removeCommand  = "sudo mock-ec2-metadata route remove"
)

// StartHolder starts a process that runs Hold, and waits until the addresses are in place or ctx is done. The process is this
// program with the arguments "route hold" and the services' names; it stays root when this process drops root. The caller must call stop, which has the
// process remove the addresses, and waits for that up to 3 seconds.
func StartHolder(ctx context.Context, log *slog.Logger, s Services) (stop func(), err error) {
	// The link leads to this program even if its file has been replaced.
	args := append([]string{"route", "hold"}, s.Names()...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe", args...) //nolint:gosec // this program
	cmd.Args[0] = "mock-ec2-metadata"
	return startHolder(ctx, log, cmd, releaseTimeout)
}

func startHolder(ctx context.Context, log *slog.Logger, cmd *exec.Cmd, timeout time.Duration) (stop func(), err error) {
	if err := closeOnExec(); err != nil {
		return nil, err
	}
	cmd.Env = []string{} // no secrets
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = stdin.Close() })() // ends the process
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	wait := func() error {
		err := cmd.Wait()
		if text := withoutProgram(strings.TrimSpace(stderr.String())); text != "" {
			return errors.New(text)
		}
		return err
	}
	if line != holdReady+"\n" {
		_ = stdin.Close()
		return nil, wait()
	}
	var stopping atomic.Bool
	exited := make(chan error, 1)
	go func() {
		err := wait()
		if !stopping.Load() {
			log.Error("address cleanup exited early", "error", err, "hint", "after shutdown: "+removeCommand)
		}
		exited <- err
	}()
	return func() {
		stopping.Store(true)
		_ = stdin.Close()
		select {
		case err := <-exited:
			if err != nil {
				log.Error("cannot remove the link-local addresses", "error", err, "hint", removeCommand)
			}
		case <-time.After(timeout):
			log.Warn("address cleanup still running", "waited", timeout)
		}
	}, nil
}

// closeOnExec keeps inherited files, such as the sockets of a service manager, from child processes. Files that Go opens have
// the flag anyway.
func closeOnExec() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// withoutProgram returns an error's text without the name of the program, which this process puts before it again.
func withoutProgram(text string) string {
	for _, name := range []string{"mock-ec2-metadata: ", "mock-ec2-metadata-kube: "} {
		if rest, ok := strings.CutPrefix(text, name); ok {
			return rest
		}
	}
	return text
}
