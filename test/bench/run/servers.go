package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a running process, a daemon or the bare server.
type server struct {
	addr    string
	token   string        // a session token of this daemon
	ready   string        // a path that it answers with 200 as soon as it serves
	log     string        // the file of its standard output
	startup time.Duration // from the start of the process to its first 200
	cmd     *exec.Cmd
	ended   chan error
}

func (s *server) url() string { return "http://" + s.addr }

// leaf is what daemons and the bare server are asked for first.
const leaf = "/latest/meta-data/instance-id"

// launch starts a program with --listen and a free address before args, and waits for its first 200. cpus are the processors
// that it may use, "" for all.
func (b *bench) launch(ctx context.Context, cpus, program string, args ...string) (*server, error) {
	return b.launchWith(ctx, nil, cpus, program, args...)
}

// launchWith is launch with variables added to the environment.
func (b *bench) launchWith(ctx context.Context, env []string, cpus, program string, args ...string) (*server, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return b.begin(ctx, &server{addr: addr, ready: leaf}, env, cpus, append([]string{program, "--listen", addr}, args...))
}

// begin starts the process of s, whose address and path are set, and waits for its first 200.
func (b *bench) begin(ctx context.Context, s *server, env []string, cpus string, command []string) (*server, error) {
	b.launched++
	home := filepath.Join(b.dir, strconv.Itoa(b.launched))
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	if cpus != "" {
		command = append([]string{"taskset", "-c", cpus}, command...)
	}
	s.log, s.ended = filepath.Join(home, "log"), make(chan error, 1)
	s.cmd = exec.CommandContext(ctx, command[0], command[1:]...)
	// O_APPEND, so that the file can be emptied while it is written to.
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	s.cmd.Dir, s.cmd.Env = home, append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	if err := s.awaitFirst(began.Add(20 * time.Second)); err != nil {
		_ = s.stop()
		output, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("%s does not serve: %w\n%s", strings.Join(command, " "), err, output)
	}
	s.startup = time.Since(began)
	return s, nil
}

// awaitFirst sends a request every 200 µs until one is answered with 200.
func (s *server) awaitFirst(deadline time.Time) error {
	for {
		answered, err := s.askOnce(deadline)
		if answered {
			return err
		}
		select {
		case ended := <-s.ended:
			s.ended <- ended
			return errors.Join(errors.New("it has ended"), ended)
		case <-time.After(200 * time.Microsecond):
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// askOnce sends one request without an http.Client, which takes time itself. Any answer but 200 is an error.
func (s *server) askOnce(deadline time.Time) (answered bool, err error) {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(deadline)
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", s.ready, s.addr); err != nil {
		return false, err
	}
	answer := make([]byte, 1024)
	n, err := c.Read(answer)
	if err != nil {
		return false, err
	}
	if !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200 ") {
		return true, fmt.Errorf("it answers %q", answer[:n])
	}
	return true, nil
}

// stop terminates the process, kills it after 10 seconds, and waits for it.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	err := <-s.ended
	s.ended <- err
	return err
}

// emptyLog keeps the access log from filling the disk.
func (s *server) emptyLog() error { return os.Truncate(s.log, 0) }

// resident returns the process's resident memory in bytes.
func (s *server) resident() (int64, error) {
	now, _, err := s.residentAndPeak()
	return now, err
}

// residentAndPeak returns the process's resident memory and its highest so far, in bytes.
func (s *server) residentAndPeak() (now, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	now, err1 := statusBytes(string(status), "VmRSS")
	peak, err2 := statusBytes(string(status), "VmHWM")
	return now, peak, errors.Join(err1, err2)
}

// statusBytes returns a field of proc_pid_status(5), which is in kB there, in bytes.
func statusBytes(status, field string) (int64, error) {
	_, rest, _ := strings.Cut(status, "\n"+field+":")
	line, _, _ := strings.Cut(rest, "\n")
	kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(line, "kB")), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/status: %s: %w", field, err)
	}
	return kb << 10, nil
}

// processorTime returns the user and system time that the process has used so far.
func (s *server) processorTime() (time.Duration, error) { return processorTime(s.cmd.Process.Pid) }

// freeAddress returns a loopback address that nothing listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
