package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// processorTime returns the user and system time that a process has used so far, of all its threads, ended ones too. /proc/PID/stat has it
// in ticks of 10 ms only, one hundredth of what is measured in a second.
func processorTime(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel: what the scheduler has counted
	var t unix.Timespec
	// As clock_getcpuclockid(3) makes it.
	if err := unix.ClockGettime(int32(^pid)<<3|scheduled, &t); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
