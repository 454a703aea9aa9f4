//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that is measured, with those that it has started.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when it has ended
}

// start runs a program, whose output goes to a file. It ends with ctx.
func start(ctx context.Context, name, log string, env []string, command ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	p := &process{name: name, log: log, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, command[0], command[1:]...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop terminates the process and waits for its end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	<-p.ended
}

// await waits until ready says true.
func (p *process) await(ctx context.Context, limit time.Duration, ready func() bool) error {
	for end := time.Now().Add(limit); !ready(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return p.failed("has ended")
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			return p.failed(fmt.Sprintf("is not ready within %v", limit))
		}
	}
	return nil
}

func (p *process) failed(what string) error {
	text, _ := os.ReadFile(p.log)
	return fmt.Errorf("%s %s: %s", p.name, what, text[max(0, len(text)-2000):])
}

// usage is what processes take of the machine.
type usage struct {
	resident, peak float64 // MB, 10^6 bytes
	// shared is like resident, but a page that several processes have, such as those of one program's file, counts once in all.
	shared float64
	cpu    time.Duration
}

// String says what is beside the resident memory.
func (u usage) String() string {
	return fmt.Sprintf("%.1f MB if shared pages count once, %.1f MB at most, %.2f s of processor time", u.shared, u.peak, u.cpu.Seconds())
}

// usage is that of the process and all that it has started.
func (p *process) usage() (usage, error) { return usageOf(family(p.cmd.Process.Pid)) }

// usageOf adds up processes. Those that have ended count nothing.
func usageOf(pids []int) (usage, error) {
	var all usage
	for _, pid := range pids {
		status, err1 := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		stat, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		smaps, err3 := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if errors.Join(err1, err2, err3) != nil {
			continue
		}
		resident, err1 := statusMB(string(status), "VmRSS")
		peak, err2 := statusMB(string(status), "VmHWM")
		cpu, err3 := processorTime(string(stat))
		shared, err4 := statusMB(string(smaps), "Pss")
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return usage{}, err
		}
		all.resident, all.peak, all.shared, all.cpu = all.resident+resident, all.peak+peak, all.shared+shared, all.cpu+cpu
	}
	if all.resident == 0 {
		return usage{}, errors.New("no process is left to be measured")
	}
	return all, nil
}

// family is a process and all below it.
func family(root int) []int {
	parents := map[int][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir)
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if err != nil || len(fields) < 2 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		parent, _ := strconv.Atoi(fields[1])
		parents[parent] = append(parents[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, parents[all[i]]...)
	}
	return all
}

// statusMB returns a field of proc_pid_status(5) or proc_pid_smaps(5), which is in kB there, in MB of 10^6 bytes.
func statusMB(status, field string) (float64, error) {
	_, rest, _ := strings.Cut(status, "\n"+field+":")
	line, _, _ := strings.Cut(rest, "\n")
	kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(line, "kB")), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/status: %s: %w", field, err)
	}
	return float64(kb<<10) / 1e6, nil
}

// processorTime adds user and system time of proc_pid_stat(5), fields 14 and 15, in ticks of 10 ms.
func processorTime(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has no processor times: %q", stat)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// command runs a command to its end, which must succeed.
func command(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
