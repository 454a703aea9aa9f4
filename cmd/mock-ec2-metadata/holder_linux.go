package main

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

// releaseTimeout is how long the end of the daemon waits for the addresses to be taken away.
const releaseTimeout = 3 * time.Second

// startHolder runs route hold and waits until the addresses are in place, or ctx is done. stop has it take them away.
func startHolder(ctx context.Context, log *slog.Logger) (stop func(), err error) {
	if err := keepFiles(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe", "route", "hold") // this program, even if its file has been replaced
	cmd.Args[0] = "mock-ec2-metadata"
	cmd.Env = []string{} // no secrets
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := cmd.StdinPipe()
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
	defer context.AfterFunc(ctx, func() { _ = alive.Close() })() // then it gives up
	said, _ := bufio.NewReader(stdout).ReadString('\n')
	failure := func() error {
		err := cmd.Wait()
		if text := strings.TrimPrefix(strings.TrimSpace(stderr.String()), "mock-ec2-metadata: "); text != "" {
			return errors.New(text)
		}
		return err
	}
	if said != holdReady+"\n" {
		_ = alive.Close()
		return nil, failure()
	}
	var stopping atomic.Bool
	ended := make(chan error, 1)
	go func() {
		err := failure()
		if !stopping.Load() {
			log.Error("the process that takes 169.254.169.254 away at the end has ended itself; after the daemon's end run: sudo mock-ec2-metadata route remove", "error", err)
		}
		ended <- err
	}()
	return func() {
		stopping.Store(true)
		_ = alive.Close()
		select {
		case err := <-ended:
			if err != nil {
				log.Error("169.254.169.254 is still on this machine; take it away by: sudo mock-ec2-metadata route remove", "error", err)
			}
		case <-time.After(releaseTimeout):
			log.Warn("169.254.169.254 is still being taken away", "waited", releaseTimeout)
		}
	}, nil
}

// keepFiles keeps what this process was given open, such as the sockets of a service manager, from programs that it runs. What
// it opens itself is kept anyway.
func keepFiles() error {
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
